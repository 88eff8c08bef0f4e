#include "agent/workspace/delta_counts.h"

namespace rally::workspace {

void ChangeCounter::CountEntry(const blob::NamedEntry& before, const blob::NamedEntry& after) {
  if (before.directory != nullptr && after.directory != nullptr) return;
  if (!before.exists()) {
    ++counts_.added;
  } else if (!after.exists()) {
    ++counts_.removed;
  } else {
    ++counts_.changed;
  }
}

absl::Status ChangeCounter::CountTrees(const blob::Digest* before, const blob::Digest* after) {
  return blob::WalkDelta(reader_, before, after, *this);
}

}  // namespace rally::workspace
