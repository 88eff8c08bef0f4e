#ifndef RALLY_COMMON_BLOB_DELTA_H_
#define RALLY_COMMON_BLOB_DELTA_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::blob {

// What one step did, as the trees before and after it. Its delta is the difference: per path a new
// entry, or deleted.
struct StepTrees {
  std::string step;
  Digest input_root;
  Digest output_root;
};

// What a step did to a path that another one treated otherwise.
enum class Deed {
  kWroteFile,
  kMadeSymlink,
  kMadeDirectory,
  kRemoved,
  kReplacedParent,  // By a file or symlink, somewhere above the path.
};

// Two steps, neither of which depends on the other, that left different things at one path.
struct Conflict {
  std::string earlier_step;
  std::string later_step;
  std::string path;
  Deed earlier_deed = Deed::kWroteFile;
  Deed later_deed = Deed::kWroteFile;
};

struct JoinResult {
  Digest root;
  // Directories of the result that are in none of the trees given: digest -> bytes. The caller
  // stores them before it hands out the root.
  absl::flat_hash_map<Digest, std::string> new_directories;
  // Sorted by path, then by the steps' order; each pair and path once, at most kMaxConflicts.
  std::vector<Conflict> conflicts;
};

inline constexpr int kMaxConflicts = 10'000;

// Tells whether the step of deltas[later] depends on that of deltas[earlier], directly or not.
using OrderedPredicate = std::function<bool(int earlier, int later)>;

// Applies the steps' deltas to the base, in their order. A pure function of its arguments; time and
// reads grow with what changed, not with what exists. The rules, per path:
// - A later step's entry replaces an earlier one whole, mtime included. But a file of which a step
//   changed nothing but the mtime counts as unchanged where the other steps made something else of
//   it: theirs stays.
// - Removing a directory deletes the entries that the step's own input had in it, and no others;
//   a directory in which other steps' entries are left stays.
// - Two unordered steps conflict where their outcomes differ. A deletion is an outcome; so is the
//   creation of a directory, but not a change of its mode or mtime. Equal content, mode and target
//   are equal outcomes whatever the mtimes.
// - A file or symlink conflicts with what an unordered step created or changed below its path.
// Errors: those of the reader.
absl::StatusOr<JoinResult> Join(DirectoryReader& reader, const Digest& base,
                                absl::Span<const StepTrees> deltas,
                                const OrderedPredicate& ordered);

struct DeltaEntry {
  enum class Kind {
    kAdded,    // Only the result has it.
    kChanged,  // Both have it, different in type, content, mode, target or a file's mtime.
    kRemoved,  // Only the base has it.
  };
  enum class Type { kFile, kSymlink, kDirectory };

  std::string path;
  Kind kind = Kind::kAdded;
  Type type = Type::kFile;      // In the result; for what was removed, in the base.
  Type old_type = Type::kFile;  // In the base; for what was added, in the result.
  // Nothing but a file's mtime differs.
  bool only_mtime = false;
  // Nothing but the mode differs, and perhaps the mtime.
  bool only_mode = false;
  // Permission bits of a file or directory that both have as such, where they differ; else 0.
  uint32_t old_mode = 0;
  uint32_t new_mode = 0;
  // Of files; 0 for others.
  int64_t old_size_bytes = 0;
  int64_t new_size_bytes = 0;
};

// What turns the base into the result, sorted by path component. A directory of which only the
// mtime changed isn't listed, nor is the root; each entry of an added or removed directory is.
absl::StatusOr<std::vector<DeltaEntry>> Diff(DirectoryReader& reader, const Digest& base,
                                             const Digest& result);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DELTA_H_
