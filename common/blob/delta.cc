#include "common/blob/delta.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/blob/delta_conflicts.h"
#include "common/blob/delta_walk.h"

namespace rally::blob {
namespace {

using DirectoryPointer = std::shared_ptr<const Directory>;
using MaybeDigest = std::optional<Digest>;

bool SameProperties(const Directory& a, const Directory& b) {
  return ModeOf(a) == ModeOf(b) && MtimeOf(a) == MtimeOf(b);
}

void AddEntry(const NamedEntry& entry, Directory* directory) {
  if (entry.file != nullptr) *directory->add_files() = *entry.file;
  if (entry.symlink != nullptr) *directory->add_symlinks() = *entry.symlink;
  if (entry.directory != nullptr) *directory->add_directories() = *entry.directory;
}

DeltaEntry::Type TypeOf(const NamedEntry& entry) {
  return entry.file != nullptr      ? DeltaEntry::Type::kFile
         : entry.symlink != nullptr ? DeltaEntry::Type::kSymlink
                                    : DeltaEntry::Type::kDirectory;
}

bool IsEmpty(const Directory& directory) {
  return directory.files().empty() && directory.symlinks().empty() &&
         directory.directories().empty();
}

MaybeDigest DirectoryDigest(const NamedEntry& entry) {
  if (entry.directory == nullptr) return std::nullopt;
  return DigestOfNode(*entry.directory);
}

// Applies deltas to trees. Directories that it makes stay in memory, where the next delta finds
// them.
class Applier {
 public:
  explicit Applier(DirectoryReader& reader) : reader_(reader) {}

  absl::StatusOr<Digest> Apply(const Digest& current, const StepTrees& delta) {
    absl::StatusOr<MaybeDigest> result =
        ApplyDirectory(current, delta.input_root, delta.output_root, 0);
    if (!result.ok()) return result.status();
    return result->has_value() ? **result : Keep(Directory());
  }

  // Of the directories made, those that are part of the tree.
  absl::flat_hash_map<Digest, std::string> MadeBelow(const Digest& root) const {
    absl::flat_hash_map<Digest, std::string> result;
    std::vector<Digest> open = {root};
    while (!open.empty()) {
      const Digest digest = std::move(open.back());
      open.pop_back();
      const auto found = made_.find(digest);
      if (found == made_.end() || !result.emplace(digest, Serialise(*found->second)).second) {
        continue;
      }
      for (const DirectoryNode& child : found->second->directories()) {
        open.push_back(DigestOfNode(child));
      }
    }
    return result;
  }

 private:
  absl::StatusOr<DirectoryPointer> Read(const MaybeDigest& digest) {
    static const DirectoryPointer* const kNone =
        new DirectoryPointer(std::make_shared<const Directory>());
    if (!digest.has_value()) return *kNone;
    const auto found = made_.find(*digest);
    if (found != made_.end()) return found->second;
    return reader_.Read(*digest);
  }

  Digest Keep(Directory directory) {
    const Digest digest = DigestOf(Serialise(directory));
    made_.try_emplace(digest, std::make_shared<const Directory>(std::move(directory)));
    return digest;
  }

  // What `current` becomes when it goes through what turned `before` into `after`; each of them,
  // and the result, may be no directory.
  absl::StatusOr<MaybeDigest> ApplyDirectory(const MaybeDigest& current, const MaybeDigest& before,
                                             const MaybeDigest& after, int depth) {
    if (before == after) return current;
    if (current == before) return after;
    if (!current.has_value() && !after.has_value()) return MaybeDigest();
    if (depth > kMaxTreeDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a tree has more than ", kMaxTreeDepth, " levels"));
    }
    absl::StatusOr<DirectoryPointer> current_directory = Read(current);
    if (!current_directory.ok()) return current_directory.status();
    absl::StatusOr<DirectoryPointer> before_directory = Read(before);
    if (!before_directory.ok()) return before_directory.status();
    absl::StatusOr<DirectoryPointer> after_directory = Read(after);
    if (!after_directory.ok()) return after_directory.status();

    const EntriesByName current_entries = EntriesOf(**current_directory);
    const EntriesByName before_entries = EntriesOf(**before_directory);
    const EntriesByName after_entries = EntriesOf(**after_directory);
    absl::btree_set<absl::string_view> names;
    for (const EntriesByName* entries : {&current_entries, &before_entries, &after_entries}) {
      for (const auto& [name, entry] : *entries) names.insert(name);
    }
    Directory result;
    for (absl::string_view name : names) {
      absl::Status status =
          ApplyName(name, FindEntry(current_entries, name), FindEntry(before_entries, name),
                    FindEntry(after_entries, name), depth, &result);
      if (!status.ok()) return status;
    }
    const bool empty = IsEmpty(result);
    // A step that removed a directory removed only what it saw in it; and one that changed things
    // in a directory that is gone brings it back only if it put something there.
    const bool created = !before.has_value() && after.has_value();
    const bool stays = current.has_value() && after.has_value();
    if (empty && !created && !stays) return MaybeDigest();
    const bool takes_new_properties =
        after.has_value() && (!current.has_value() || !before.has_value() ||
                              !SameProperties(**before_directory, **after_directory));
    const Directory& properties_of = takes_new_properties ? **after_directory : **current_directory;
    if (properties_of.has_node_properties()) {
      *result.mutable_node_properties() = properties_of.node_properties();
    }
    Canonicalise(&result);
    return MaybeDigest(Keep(std::move(result)));
  }

  absl::Status ApplyName(absl::string_view name, const NamedEntry& current,
                         const NamedEntry& before, const NamedEntry& after, int depth,
                         Directory* result) {
    if (SameEntry(before, after)) {
      AddEntry(current, result);
      return absl::OkStatus();
    }
    if (after.file != nullptr || after.symlink != nullptr) {
      const bool only_touched = DifferAtMostInMtime(before, after);
      AddEntry(only_touched && !DifferAtMostInMtime(current, after) ? current : after, result);
      return absl::OkStatus();
    }
    // Now the step left a directory or nothing at this path.
    const bool current_is_leaf = current.file != nullptr || current.symlink != nullptr;
    if (current_is_leaf && after.directory == nullptr) return absl::OkStatus();
    if (current.directory != nullptr && before.directory == nullptr && !after.exists()) {
      // The step deleted a file that is a directory by now. What is in it isn't the step's.
      absl::StatusOr<DirectoryPointer> directory = Read(DirectoryDigest(current));
      if (!directory.ok()) return directory.status();
      if (!IsEmpty(**directory)) AddEntry(current, result);
      return absl::OkStatus();
    }
    absl::StatusOr<MaybeDigest> applied = ApplyDirectory(
        DirectoryDigest(current), DirectoryDigest(before), DirectoryDigest(after), depth + 1);
    if (!applied.ok()) return applied.status();
    if (applied->has_value()) {
      *result->add_directories() = MakeDirectoryNode(name, **applied);
    } else if (current_is_leaf) {
      AddEntry(current, result);  // The step put nothing below the path that the leaf took.
    }
    return absl::OkStatus();
  }

  DirectoryReader& reader_;
  absl::flat_hash_map<Digest, DirectoryPointer> made_;
};

class DiffCollector : public PathVisitor {
 public:
  void Visit(const NamedEntry& before, const NamedEntry& after) override {
    entries_.push_back(MakeDeltaEntry(path(), before, after));
  }

  void VisitModes(uint32_t before, uint32_t after) override {
    if (!path().empty()) entries_.push_back(MakeModeEntry(path(), before, after));
  }

  std::vector<DeltaEntry> Take() { return std::move(entries_); }

 private:
  std::vector<DeltaEntry> entries_;
};

}  // namespace

DeltaEntry MakeModeEntry(std::string path, uint32_t before, uint32_t after) {
  DeltaEntry entry;
  entry.path = std::move(path);
  entry.kind = DeltaEntry::Kind::kChanged;
  entry.type = entry.old_type = DeltaEntry::Type::kDirectory;
  entry.only_mode = true;
  entry.old_mode = before;
  entry.new_mode = after;
  return entry;
}

DeltaEntry MakeDeltaEntry(std::string path, const NamedEntry& before, const NamedEntry& after) {
  DeltaEntry entry;
  entry.path = std::move(path);
  entry.kind = !before.exists()  ? DeltaEntry::Kind::kAdded
               : !after.exists() ? DeltaEntry::Kind::kRemoved
                                 : DeltaEntry::Kind::kChanged;
  entry.type = TypeOf(after.exists() ? after : before);
  entry.old_type = TypeOf(before.exists() ? before : after);
  if (before.file != nullptr) entry.old_size_bytes = before.file->digest().size_bytes();
  if (after.file != nullptr) entry.new_size_bytes = after.file->digest().size_bytes();
  if (before.file != nullptr && after.file != nullptr) {
    const bool same_content = IsSameBlob(*before.file, *after.file);
    const bool same_mode = ModeOf(*before.file) == ModeOf(*after.file);
    entry.only_mtime = same_content && same_mode;
    entry.only_mode = same_content && !same_mode;
    if (!same_mode) {
      entry.old_mode = ModeOf(*before.file);
      entry.new_mode = ModeOf(*after.file);
    }
  }
  return entry;
}

absl::StatusOr<JoinResult> Join(DirectoryReader& reader, const Digest& base,
                                absl::Span<const StepTrees> deltas,
                                const OrderedPredicate& ordered) {
  JoinResult result;
  result.root = base;
  Applier applier(reader);
  for (const StepTrees& delta : deltas) {
    absl::StatusOr<Digest> root = applier.Apply(result.root, delta);
    if (!root.ok()) {
      return absl::Status(
          root.status().code(),
          absl::StrCat("applying what step ", delta.step, " changed: ", root.status().message()));
    }
    result.root = *std::move(root);
  }
  result.new_directories = applier.MadeBelow(result.root);
  absl::StatusOr<std::vector<Conflict>> conflicts = FindConflicts(reader, deltas, ordered);
  if (!conflicts.ok()) return conflicts.status();
  result.conflicts = *std::move(conflicts);
  return result;
}

absl::StatusOr<std::vector<DeltaEntry>> Diff(DirectoryReader& reader, const Digest& base,
                                             const Digest& result) {
  DiffCollector collector;
  if (absl::Status status = WalkDelta(reader, &base, &result, collector); !status.ok()) {
    return status;
  }
  return collector.Take();
}

}  // namespace rally::blob
