#include <memory>

#include "absl/time/clock.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/json.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<ExitStatus> List(Invocation& invocation, int limit) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  v1::ListBuildsRequest request;
  request.set_limit(limit);
  v1::ListBuildsResponse response;
  absl::Status status = (*connection)->Call([&](grpc::ClientContext* context) {
    return (*connection)->builds()->ListBuilds(context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    auto json = RenderJson(response);
    if (!json.ok()) return json.status();
    invocation.terminal().Out(*json);
  } else if (response.builds_size() == 0) {
    invocation.Say("no builds yet; `rallyctl submit` makes one");
  } else {
    invocation.terminal().Out(
        RenderBuildList(response, absl::Now(), invocation.terminal().out_colour()));
  }
  return ExitStatus::kSuccess;
}

}  // namespace

void AddList(CLI::App* app, Action* chosen) {
  auto limit = std::make_shared<int>(20);
  CLI::App* command = app->add_subcommand("list", "Builds, newest first");
  command->add_option("-n,--limit", *limit, "How many at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return List(invocation, *limit); }; });
}

}  // namespace rally::rallyctl
