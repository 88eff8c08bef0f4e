#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/agent_text.h"
#include "rallyctl/render/json.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<ExitStatus> ListAgents(Invocation& invocation) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  v1::ListAgentsResponse agents;
  absl::Status status = (*connection)->Call([&](grpc::ClientContext* context) {
    return (*connection)->builds()->ListAgents(context, v1::ListAgentsRequest(), &agents);
  });
  if (!status.ok()) return status;
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    auto json = RenderJson(agents);
    if (!json.ok()) return json.status();
    terminal.Out(*json);
  } else if (agents.agents_size() == 0) {
    invocation.Say("no agent has connected yet");
  } else {
    terminal.Out(RenderAgentList(agents, absl::Now(), terminal.out_colour()));
  }
  return ExitStatus::kSuccess;
}

absl::StatusOr<ExitStatus> Drain(Invocation& invocation, const std::string& name, bool drain) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  v1::DrainAgentRequest request;
  request.set_name(name);
  request.set_drain(drain);
  v1::Agent agent;
  absl::Status status = (*connection)->Call([&](grpc::ClientContext* context) {
    return (*connection)->builds()->DrainAgent(context, request, &agent);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    auto json = RenderJson(agent);
    if (!json.ok()) return json.status();
    invocation.terminal().Out(*json);
  } else if (drain) {
    invocation.Say(absl::StrCat(name, " gets no new steps; ", agent.busy_slots(), " of ",
                                agent.slots(), " slots are still busy"));
  } else {
    invocation.Say(absl::StrCat(name, " gets steps again"));
  }
  return ExitStatus::kSuccess;
}

}  // namespace

void AddAgents(CLI::App* app, Action* chosen) {
  CLI::App* command = app->add_subcommand("agents", "The agents, and whether they take work");
  command->require_subcommand(0, 1);
  command->callback([=] {
    // The callbacks of subcommands ran before this one.
    if (command->get_subcommands().empty()) *chosen = ListAgents;
  });
  for (const bool drain : {true, false}) {
    auto name = std::make_shared<std::string>();
    CLI::App* change = command->add_subcommand(
        drain ? "drain" : "undrain",
        drain ? "Give an agent no new steps; what runs goes on" : "Give it steps again");
    change->add_option("NAME", *name, "The agent's name")->required();
    change->callback(
        [=] { *chosen = [=](Invocation& invocation) { return Drain(invocation, *name, drain); }; });
  }
}

}  // namespace rally::rallyctl
