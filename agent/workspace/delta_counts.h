#ifndef RALLY_AGENT_WORKSPACE_DELTA_COUNTS_H_
#define RALLY_AGENT_WORKSPACE_DELTA_COUNTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/blob/delta_walk.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::workspace {

// Entries that differ between the input tree and the captured one, as blob::Diff lists them.
struct DeltaCounts {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
};

// Adds up DeltaCounts.
// Ownership: the reader must outlive it. Threads: not thread-safe.
class ChangeCounter : private blob::DeltaVisitor {
 public:
  explicit ChangeCounter(blob::DirectoryReader& reader) : reader_(reader) {}

  // A name whose two sides differ; what lies below it is counted apart.
  void CountEntry(const blob::NamedEntry& before, const blob::NamedEntry& after);
  // A directory on both sides.
  void CountModes(uint32_t before, uint32_t after) { counts_.changed += before != after ? 1 : 0; }

  // All that differs in two directories that the reader knows, and their modes; null stands for
  // none.
  // Errors: the reader's.
  absl::Status CountTrees(const blob::Digest* before, const blob::Digest* after);

  const DeltaCounts& counts() const { return counts_; }

 private:
  void Enter(absl::string_view) override {}
  void Visit(const blob::NamedEntry& before, const blob::NamedEntry& after) override {
    CountEntry(before, after);
  }
  void VisitModes(uint32_t before, uint32_t after) override { CountModes(before, after); }
  void Leave() override {}

  blob::DirectoryReader& reader_;
  DeltaCounts counts_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_COUNTS_H_
