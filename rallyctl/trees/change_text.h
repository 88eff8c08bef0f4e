#ifndef RALLY_RALLYCTL_TREES_CHANGE_TEXT_H_
#define RALLY_RALLYCTL_TREES_CHANGE_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/blob/delta.h"

// How changes of a workspace look. Pure functions.
namespace rally::rallyctl {

// One line: "+ out/app  1.2 MiB", "~ a  1 B -> 2 B", "- old/". Bytes of the path that could move a
// terminal's cursor or end the line are shown as escapes.
std::string ChangeText(const blob::DeltaEntry& change, bool colour);

// One object on one line, without an end of line.
std::string ChangeJson(const blob::DeltaEntry& change);

// "added", "changed", "removed"; "file", "symlink", "directory".
absl::string_view Word(blob::DeltaEntry::Kind kind);
absl::string_view Word(blob::DeltaEntry::Type type);

// The path as people can read it.
std::string PathText(absl::string_view path);

// What many changes amount to.
struct ChangeCounts {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
  int64_t grown_bytes = 0;  // Negative: shrunk.

  void Add(const blob::DeltaEntry& change);
  int64_t total() const { return added + changed + removed; }
};

// "3 added, 1 changed, 2 removed; 1.2 MiB more".
std::string CountsText(const ChangeCounts& counts);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TREES_CHANGE_TEXT_H_
