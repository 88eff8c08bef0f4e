#include "common/blob/delta_walk.h"

#include <algorithm>
#include <cstddef>
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

  if (*old_directory != nullptr && *new_directory != nullptr) {
    const uint32_t old_mode = ModeOf(**old_directory);
    const uint32_t new_mode = ModeOf(**new_directory);
    if (old_mode != new_mode) visitor.VisitModes(old_mode, new_mode);
  }
  const std::vector<NamedDifference> differences =
      Differences(old_directory->get(), new_directory->get());
  // What differs below comes in one batch.
  std::vector<Digest> wanted;
  for (const NamedDifference& difference : differences) {
    for (const DirectoryNode* child : {difference.before.directory, difference.after.directory}) {
      if (child != nullptr) wanted.push_back(DigestOfNode(*child));
    }
  }
  reader.Prefetch(wanted);
  for (const auto& [name, old_entry, new_entry] : differences) {
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
  if (a.file != nullptr && b.file != nullptr) return IsSameFile(*a.file, *b.file);
  if (a.symlink != nullptr && b.symlink != nullptr) {
    return a.symlink->target() == b.symlink->target();
  }
  if (a.directory != nullptr && b.directory != nullptr) {
    return IsSameBlob(*a.directory, *b.directory);
  }
  return !a.exists() && !b.exists();
}

bool DifferAtMostInMtime(const NamedEntry& a, const NamedEntry& b) {
  return a.file != nullptr && b.file != nullptr && IsSameBlob(*a.file, *b.file) &&
         ModeOf(*a.file) == ModeOf(*b.file);
}

EntriesByName EntriesOf(const Directory& directory) {
  EntriesByName entries;
  entries.reserve(static_cast<size_t>(directory.files_size() + directory.symlinks_size() +
                                      directory.directories_size()));
  for (const FileNode& node : directory.files()) {
    entries.push_back({node.name(), {&node, nullptr, nullptr}});
  }
  const auto files_end = static_cast<std::ptrdiff_t>(entries.size());
  for (const SymlinkNode& node : directory.symlinks()) {
    entries.push_back({node.name(), {nullptr, &node, nullptr}});
  }
  const auto symlinks_end = static_cast<std::ptrdiff_t>(entries.size());
  for (const DirectoryNode& node : directory.directories()) {
    entries.push_back({node.name(), {nullptr, nullptr, &node}});
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto begin = entries.begin();
  if (symlinks_end > files_end) {
    std::inplace_merge(begin, begin + files_end, begin + symlinks_end, by_name);
  }
  if (directory.directories_size() > 0) {
    std::inplace_merge(begin, begin + symlinks_end, entries.end(), by_name);
  }
  return entries;
}

NamedEntry FindEntry(const EntriesByName& entries, absl::string_view name) {
  const auto found =
      std::lower_bound(entries.begin(), entries.end(), name,
                       [](const auto& entry, absl::string_view key) { return entry.first < key; });
  return found == entries.end() || found->first != name ? NamedEntry() : found->second;
}

std::vector<NamedDifference> Differences(const Directory* before, const Directory* after) {
  const EntriesByName old_entries = before == nullptr ? EntriesByName() : EntriesOf(*before);
  const EntriesByName new_entries = after == nullptr ? EntriesByName() : EntriesOf(*after);
  std::vector<NamedDifference> differences;
  auto old_entry = old_entries.begin();
  auto new_entry = new_entries.begin();
  while (old_entry != old_entries.end() || new_entry != new_entries.end()) {
    const int order = old_entry == old_entries.end()   ? 1
                      : new_entry == new_entries.end() ? -1
                                                       : old_entry->first.compare(new_entry->first);
    NamedDifference difference;
    if (order <= 0) {
      difference.name = old_entry->first;
      difference.before = (old_entry++)->second;
    }
    if (order >= 0) {
      difference.name = new_entry->first;
      difference.after = (new_entry++)->second;
    }
    if (!SameEntry(difference.before, difference.after)) differences.push_back(difference);
  }
  return differences;
}

void PathVisitor::Enter(absl::string_view name) {
  lengths_.push_back(path_.size());
  absl::StrAppend(&path_, path_.empty() ? "" : "/", name);
}

void PathVisitor::Leave() {
  path_.resize(lengths_.back());
  lengths_.pop_back();
}

absl::Status WalkDelta(DirectoryReader& reader, const Digest* before, const Digest* after,
                       DeltaVisitor& visitor) {
  return WalkLevel(reader, before, after, 0, visitor);
}

}  // namespace rally::blob
