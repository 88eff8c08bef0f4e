#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/json.h"
#include "rallyctl/render/status_words.h"

namespace rally::rallyctl {
namespace {

// A build that ended by itself can't be cancelled, and that is no error: it's over either way.
std::string Outcome(v1::BuildStatus status) {
  return HasEnded(status) && status != v1::BUILD_STATUS_CANCELLED
             ? absl::StrCat("had ended before: ", Word(status))
             : absl::StrCat("is ", Word(status));
}

absl::StatusOr<ExitStatus> Cancel(Invocation& invocation, const std::string& build_id,
                                  const std::string& reason) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  v1::CancelBuildRequest request;
  request.set_build_id(build_id);
  request.set_reason(reason);
  v1::Build build;
  absl::Status status = (*connection)->Call([&](grpc::ClientContext* context) {
    return (*connection)->builds()->CancelBuild(context, request, &build);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    auto json = RenderJson(build);
    if (!json.ok()) return json.status();
    invocation.terminal().Out(*json);
  } else {
    invocation.Say(absl::StrCat("build ", build_id, " ", Outcome(build.status())));
  }
  return ExitStatus::kSuccess;
}

}  // namespace

void AddCancel(CLI::App* app, Action* chosen) {
  struct Flags {
    std::string build_id;
    std::string reason = "cancelled by the user";
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("cancel", "End a build: nothing starts any more, what runs is stopped");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("--reason", flags->reason, "Shown with the build")->capture_default_str();
  command->callback([=] {
    *chosen = [=](Invocation& invocation) {
      return Cancel(invocation, flags->build_id, flags->reason);
    };
  });
}

}  // namespace rally::rallyctl
