#include "controller/loop/liveness_watch.h"

#include <algorithm>

namespace rally::controller {

bool LivenessWatch::Seen(const std::string& agent, bool accepts_work, absl::Time now,
                         core::AgentLivenessChanged* event) {
  auto [it, is_new] = agents_.try_emplace(agent, Entry{now});
  Entry& entry = it->second;
  const bool changed =
      entry.liveness != core::Liveness::kAlive || entry.accepts_work != accepts_work;
  entry = {now, core::Liveness::kAlive, accepts_work};
  if (changed) *event = {agent, entry.liveness, entry.accepts_work, absl::ZeroDuration()};
  return changed;
}

void LivenessWatch::Prolong(absl::Duration duration, absl::Time now) {
  for (auto& [name, entry] : agents_) entry.last_seen = std::min(entry.last_seen + duration, now);
}

std::vector<core::AgentLivenessChanged> LivenessWatch::Check(absl::Time now) {
  std::vector<core::AgentLivenessChanged> changes;
  for (auto& [name, entry] : agents_) {
    core::Liveness liveness = entry.liveness;
    if (now >= entry.last_seen + options_.lost_after) {
      liveness = core::Liveness::kLost;
    } else if (now >= entry.last_seen + options_.suspect_after) {
      liveness = core::Liveness::kSuspect;
    }
    if (liveness == entry.liveness) continue;
    entry.liveness = liveness;
    changes.push_back({name, liveness, entry.accepts_work, now - entry.last_seen});
  }
  return changes;
}

absl::Time LivenessWatch::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, entry] : agents_) {
    switch (entry.liveness) {
      case core::Liveness::kAlive:
        next = std::min(next, entry.last_seen + options_.suspect_after);
        break;
      case core::Liveness::kSuspect:
        next = std::min(next, entry.last_seen + options_.lost_after);
        break;
      case core::Liveness::kLost:
        break;
    }
  }
  return next;
}

absl::Time LivenessWatch::LastSeen(const std::string& agent) const {
  auto it = agents_.find(agent);
  return it == agents_.end() ? absl::InfinitePast() : it->second.last_seen;
}

}  // namespace rally::controller
