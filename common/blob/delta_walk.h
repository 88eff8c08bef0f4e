#ifndef RALLY_COMMON_BLOB_DELTA_WALK_H_
#define RALLY_COMMON_BLOB_DELTA_WALK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/delta.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"

namespace rally::blob {

// One name of a directory: nothing, or a pointer to its node.
struct NamedEntry {
  const FileNode* file = nullptr;
  const SymlinkNode* symlink = nullptr;
  const DirectoryNode* directory = nullptr;

  bool exists() const { return file != nullptr || symlink != nullptr || directory != nullptr; }
};

// Same type, content, mode, target and mtime; directories: the same digest.
bool SameEntry(const NamedEntry& a, const NamedEntry& b);

// Two files with the same content and mode.
bool DifferAtMostInMtime(const NamedEntry& a, const NamedEntry& b);

// The difference between the two sides of a path, of which at least one exists.
DeltaEntry MakeDeltaEntry(std::string path, const NamedEntry& before, const NamedEntry& after);
// That of a directory of which the mode differs.
DeltaEntry MakeModeEntry(std::string path, uint32_t before, uint32_t after);

// A directory's entries, whatever their kind, sorted by name. Points into the directory, which is
// in canonical form.
using EntriesByName = std::vector<std::pair<absl::string_view, NamedEntry>>;
EntriesByName EntriesOf(const Directory& directory);
NamedEntry FindEntry(const EntriesByName& entries, absl::string_view name);

// One name that two directories don't have in common.
struct NamedDifference {
  absl::string_view name;
  NamedEntry before;
  NamedEntry after;
};

// Those of two directories, in the order of names. Null has no entries. Points into both.
std::vector<NamedDifference> Differences(const Directory* before, const Directory* after);

// Told about each path at which two trees differ, parents first, in the order of names.
class DeltaVisitor {
 public:
  virtual ~DeltaVisitor() = default;
  virtual void Enter(absl::string_view name) = 0;
  // Between Enter and Leave of the path. Not called for a directory that exists before and after;
  // what differs in it follows. Of a directory on one side only all entries follow.
  virtual void Visit(const NamedEntry& before, const NamedEntry& after) = 0;
  // Instead of Visit, for a directory that exists before and after with different modes. The two
  // trees' roots, which have no path, come without Enter and Leave.
  virtual void VisitModes(uint32_t before, uint32_t after) {
    static_cast<void>(before);
    static_cast<void>(after);
  }
  virtual void Leave() = 0;
};

// A visitor that knows the path that it is at; "" at the root.
class PathVisitor : public DeltaVisitor {
 public:
  void Enter(absl::string_view name) final;
  void Leave() final;

 protected:
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<size_t> lengths_;  // Of the paths above.
};

// Compares two trees; equal directories are not read. Null stands for a directory that isn't
// there.
absl::Status WalkDelta(DirectoryReader& reader, const Digest* before, const Digest* after,
                       DeltaVisitor& visitor);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DELTA_WALK_H_
