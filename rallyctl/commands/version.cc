#include "common/version.h"

#include "absl/strings/str_cat.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<ExitStatus> Version(Invocation& invocation) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  invocation.terminal().Out(invocation.json() ? absl::StrCat("{\"version\": \"", kVersion, "\"}\n")
                                              : absl::StrCat("rallyctl ", kVersion, "\n"));
  return ExitStatus::kSuccess;
}

}  // namespace

void AddVersion(CLI::App* app, Action* chosen) {
  app->add_subcommand("version", "The version of this program")->callback([=] {
    *chosen = Version;
  });
}

}  // namespace rally::rallyctl
