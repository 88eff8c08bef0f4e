#include "rallyctl/render/agent_text.h"

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

// The controller's word; for one that gives none, what the flags say.
std::string StateOf(const v1::Agent& agent) {
  if (!agent.state().empty()) return agent.state();
  if (!agent.connected()) return "lost";
  return agent.draining() ? "draining" : "connected";
}

Colour ColourOfState(const std::string& state) {
  if (state == "connected") return Colour::kGreen;
  if (state == "lost") return Colour::kRed;
  return Colour::kYellow;
}

}  // namespace

std::string RenderAgentList(const v1::ListAgentsResponse& agents, absl::Time now, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::Agent& agent : agents.agents()) {
    const std::string state = StateOf(agent);
    // Sorted: a protobuf map has no order of its own.
    const std::map<std::string, std::string> labels(agent.labels().begin(), agent.labels().end());
    rows.push_back({{agent.name()},
                    {state, ColourOfState(state)},
                    {absl::StrCat(agent.busy_slots(), "/", agent.slots())},
                    {AgeText(FromProto(agent.last_seen()), now)},
                    {agent.version().empty() ? "-" : agent.version()},
                    {labels.empty() ? "-" : absl::StrJoin(labels, ",", absl::PairFormatter("="))}});
  }
  return RenderTable({{"AGENT"},
                      {"STATE"},
                      {"SLOTS", Colour::kNone, true},
                      {"LAST SEEN"},
                      {"VERSION"},
                      {"LABELS"}},
                     rows, colour);
}

}  // namespace rally::rallyctl
