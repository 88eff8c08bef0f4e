#include "common/blob/delta_walk.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rally::blob {
namespace {

using DirectoryPointer = std::shared_ptr<const Directory>;

absl::StatusOr<DirectoryPointer> ReadOrNone(DirectoryReader& reader, const Digest* digest) {
  if (digest == nullptr) return DirectoryPointer();
  return reader.Read(*digest);
}

absl::Status WalkLevel(DirectoryReader& reader, const Digest* before, const Digest* after,
                       int depth, DeltaVisitor& visitor) {
  if (before != nullptr && after != nullptr && *before == *after) return absl::OkStatus();
  if (depth > kMaxTreeDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a tree has more than ", kMaxTreeDepth, " levels"));
  }
  absl::StatusOr<DirectoryPointer> old_directory = ReadOrNone(reader, before);
  if (!old_directory.ok()) return old_directory.status();
  absl::StatusOr<DirectoryPointer> new_directory = ReadOrNone(reader, after);
  if (!new_directory.ok()) return new_directory.status();

  absl::btree_map<absl::string_view, std::pair<NamedEntry, NamedEntry>> names;
  if (*old_directory != nullptr) {
    for (const auto& [name, entry] : EntriesOf(**old_directory)) names[name].first = entry;
  }
  if (*new_directory != nullptr) {
    for (const auto& [name, entry] : EntriesOf(**new_directory)) names[name].second = entry;
  }
  // What differs below comes in one batch.
  std::vector<Digest> wanted;
  for (const auto& [name, sides] : names) {
    if (SameEntry(sides.first, sides.second)) continue;
    for (const DirectoryNode* child : {sides.first.directory, sides.second.directory}) {
      if (child != nullptr) wanted.push_back(DigestOfNode(*child));
    }
  }
  reader.Prefetch(wanted);
  for (const auto& [name, sides] : names) {
    const auto& [old_entry, new_entry] = sides;
    if (SameEntry(old_entry, new_entry)) continue;
    visitor.Enter(name);
    if (old_entry.directory == nullptr || new_entry.directory == nullptr) {
      visitor.Visit(old_entry, new_entry);
    }
    std::optional<Digest> old_child, new_child;
    if (old_entry.directory != nullptr) old_child = DigestOfNode(*old_entry.directory);
    if (new_entry.directory != nullptr) new_child = DigestOfNode(*new_entry.directory);
    if (old_child.has_value() || new_child.has_value()) {
      absl::Status status =
          WalkLevel(reader, old_child.has_value() ? &*old_child : nullptr,
                    new_child.has_value() ? &*new_child : nullptr, depth + 1, visitor);
      if (!status.ok()) return status;
    }
    visitor.Leave();
  }
  return absl::OkStatus();
}

}  // namespace

bool SameEntry(const NamedEntry& a, const NamedEntry& b) {
  if (a.file != nullptr && b.file != nullptr) {
    return DigestOfNode(*a.file) == DigestOfNode(*b.file) && ModeOf(*a.file) == ModeOf(*b.file) &&
           MtimeOf(*a.file) == MtimeOf(*b.file);
  }
  if (a.symlink != nullptr && b.symlink != nullptr) {
    return a.symlink->target() == b.symlink->target();
  }
  if (a.directory != nullptr && b.directory != nullptr) {
    return DigestOfNode(*a.directory) == DigestOfNode(*b.directory);
  }
  return !a.exists() && !b.exists();
}

EntriesByName EntriesOf(const Directory& directory) {
  EntriesByName entries;
  for (const FileNode& node : directory.files()) entries[node.name()].file = &node;
  for (const SymlinkNode& node : directory.symlinks()) entries[node.name()].symlink = &node;
  for (const DirectoryNode& node : directory.directories()) entries[node.name()].directory = &node;
  return entries;
}

NamedEntry FindEntry(const EntriesByName& entries, absl::string_view name) {
  const auto found = entries.find(name);
  return found == entries.end() ? NamedEntry() : found->second;
}

absl::Status WalkDelta(DirectoryReader& reader, const Digest* before, const Digest* after,
                       DeltaVisitor& visitor) {
  return WalkLevel(reader, before, after, 0, visitor);
}

}  // namespace rally::blob
