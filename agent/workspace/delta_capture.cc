#include "agent/workspace/delta_capture.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/workspace/directory_edit.h"
#include "agent/workspace/upper_walk.h"
#include "common/blob/directory.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::rally::blob::DirectoryNode;
using ::rally::blob::FileNode;
using ::rally::blob::SymlinkNode;

std::string Printable(const std::string& path) { return absl::CEscape(path); }

// A directory of the input tree. No directory: nothing is there.
struct BaseDirectory {
  Digest digest;
  std::shared_ptr<const Directory> directory;

  const Digest* digest_or_null() const { return directory == nullptr ? nullptr : &digest; }
};

// The new tree's directories, bottom-up, from the input tree and what the walk found.
class DeltaBuilder {
 public:
  DeltaBuilder(blob::DirectoryReader& reader, const blob::TreeLimits& limits, CapturedDelta& result)
      : reader_(reader), limits_(limits), result_(result), counter_(reader) {}

  absl::Status Run(const Digest& base, UpperEntry& upper) {
    auto root = Read(base);
    if (!root.ok()) return root.status();
    root_ = *std::move(root);
    auto built = Build(upper, "", 0, root_, root_);
    if (!built.ok()) return built.status();
    result_.root = *std::move(built);
    result_.counts = counter_.counts();
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<BaseDirectory> Read(const Digest& digest) {
    auto directory = reader_.Read(digest);
    if (!directory.ok()) return directory.status();
    return BaseDirectory{digest, *std::move(directory)};
  }

  absl::StatusOr<BaseDirectory> Child(const BaseDirectory& parent, const std::string& name) {
    if (parent.directory == nullptr) return BaseDirectory();
    const DirectoryNode* node = blob::FindNode(parent.directory->directories(), name);
    if (node == nullptr) return BaseDirectory();
    return Read(blob::DigestOfNode(*node));
  }

  // What of the input tree shows through a directory of the upper: overlayfs looks for its lower
  // half under the redirect's path, else under its own name in its parent's lower half.
  absl::StatusOr<BaseDirectory> LowerHalf(const UpperEntry& upper, const std::string& path,
                                          int depth, const BaseDirectory& parent) {
    if (upper.opaque) return BaseDirectory();
    if (upper.redirect.empty()) return Child(parent, upper.name);
    absl::StatusOr<BaseDirectory> found = parent;
    if (absl::StartsWith(upper.redirect, "/")) {
      found = root_;
      for (const absl::string_view name : absl::StrSplit(upper.redirect, '/', absl::SkipEmpty())) {
        found = Child(*found, std::string(name));
        if (!found.ok()) return found;
      }
    } else {
      found = Child(parent, upper.redirect);
    }
    if (!found.ok()) return found;
    if (found->directory == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(Printable(path), " was moved from ",
                                                        Printable(upper.redirect),
                                                        ", which the input tree doesn't have"));
    }
    // What was moved below a deep path may be too deep now.
    blob::TreeLimits limits = limits_;
    limits.max_depth -= depth;
    const auto moved = blob::LoadTree(reader_, found->digest, limits);
    if (!moved.ok()) return moved.status();
    return found;
  }

  // `lower` shows through; `before` is what the input tree has at the same path, mostly the same.
  absl::StatusOr<Digest> Build(UpperEntry& upper, const std::string& path, int depth,
                               const BaseDirectory& lower, const BaseDirectory& before) {
    DirectoryEdit edit(lower.directory.get());
    for (const auto& entry : upper.children) {
      const std::string child_path = JoinPath(path, entry->name);
      auto kept = entry->kind == UpperEntry::Kind::kDirectory
                      ? AddDirectory(*entry, child_path, depth + 1, lower, before, edit.added())
                      : Add(*entry, child_path, lower, edit.added());
      if (!kept.ok()) return kept.status();
      if (!*kept) edit.Replace(entry->name);
    }
    // Without a change the old message is the new one, to the byte, whoever wrote it.
    if (!edit.has_replaced() && lower.directory != nullptr &&
        upper.mode == blob::ModeOf(*lower.directory) &&
        upper.mtime == blob::MtimeOf(*lower.directory).value_or(upper.mtime)) {
      const absl::Status counted = counter_.CountTrees(before.digest_or_null(), &lower.digest);
      if (!counted.ok()) return counted;
      return lower.digest;
    }
    const auto built = edit.Finish(upper.mode, upper.mtime);
    if (!built.ok()) return Refused(path, built.status());
    // The root has no path at which it could differ.
    if (depth > 0 && before.directory != nullptr) {
      counter_.CountModes(blob::ModeOf(*before.directory), upper.mode);
    }
    const absl::Status counted = CountChanges(upper, before.directory.get(), **built);
    if (!counted.ok()) return counted;
    auto kept = Keep(**built, path);
    upper.children.clear();  // They are in the message now, and all of both would be much.
    return kept;
  }

  // Puts one entry of the upper among those that a directory gets. True if it is what shows through
  // at its place, and so isn't needed.
  absl::StatusOr<bool> Add(const UpperEntry& entry, const std::string& path,
                           const BaseDirectory& lower, Directory& added) {
    static const Directory* const kNothing = new Directory();
    const Directory& old = lower.directory == nullptr ? *kNothing : *lower.directory;
    if (entry.kind == UpperEntry::Kind::kFile) {
      const FileNode* node = blob::FindNode(old.files(), entry.name);
      if (node != nullptr && blob::DigestOfNode(*node) == entry.digest &&
          blob::ModeOf(*node) == entry.mode &&
          blob::MtimeOf(*node).value_or(entry.mtime) == entry.mtime) {
        return true;
      }
      blob::FillFileNode(entry.name, entry.digest, entry.mode, entry.mtime, added.add_files());
      return false;
    }
    if (entry.kind == UpperEntry::Kind::kSymlink) {
      const SymlinkNode* node = blob::FindNode(old.symlinks(), entry.name);
      if (node != nullptr && node->target() == entry.target) return true;
      *added.add_symlinks() = blob::MakeSymlinkNode(entry.name, entry.target);
      return false;
    }
    const bool hides = blob::FindNode(old.files(), entry.name) != nullptr ||
                       blob::FindNode(old.symlinks(), entry.name) != nullptr ||
                       blob::FindNode(old.directories(), entry.name) != nullptr;
    if (entry.kind == UpperEntry::Kind::kSkipped) {
      result_.differences.push_back(
          {hides ? UpperDifference::Kind::kShadowing : UpperDifference::Kind::kSpecialFile, path});
    }
    return !hides;
  }

  absl::StatusOr<bool> AddDirectory(UpperEntry& entry, const std::string& path, int depth,
                                    const BaseDirectory& parent_lower,
                                    const BaseDirectory& parent_before, Directory& added) {
    auto lower = LowerHalf(entry, path, depth, parent_lower);
    if (!lower.ok()) return lower.status();
    const bool same_place = !entry.opaque && entry.redirect.empty() &&
                            parent_lower.directory == parent_before.directory;
    auto before = same_place ? lower : Child(parent_before, entry.name);
    if (!before.ok()) return before.status();
    auto digest = Build(entry, path, depth, *lower, *before);
    if (!digest.ok()) return digest.status();
    if (parent_lower.directory != nullptr) {
      const DirectoryNode* node = blob::FindNode(parent_lower.directory->directories(), entry.name);
      if (node != nullptr && blob::DigestOfNode(*node) == *digest) return true;
    }
    *added.add_directories() = blob::MakeDirectoryNode(entry.name, *digest);
    return false;
  }

  // Counts what the new directory has that the input tree doesn't have at its path, and the other
  // way round. What the upper's own directories differ in was counted when they were built.
  absl::Status CountChanges(const UpperEntry& upper, const Directory* before,
                            const Directory& built) {
    for (const blob::NamedDifference& difference : blob::Differences(before, &built)) {
      counter_.CountEntry(difference.before, difference.after);
      if (difference.after.directory != nullptr && HasDirectory(upper, difference.name)) continue;
      Digest old_child, new_child;
      if (difference.before.directory != nullptr) {
        old_child = blob::DigestOfNode(*difference.before.directory);
      }
      if (difference.after.directory != nullptr) {
        new_child = blob::DigestOfNode(*difference.after.directory);
      }
      const absl::Status counted =
          counter_.CountTrees(difference.before.directory == nullptr ? nullptr : &old_child,
                              difference.after.directory == nullptr ? nullptr : &new_child);
      if (!counted.ok()) return counted;
    }
    return absl::OkStatus();
  }

  static bool HasDirectory(const UpperEntry& upper, absl::string_view name) {
    const auto found = std::lower_bound(
        upper.children.begin(), upper.children.end(), name,
        [](const auto& entry, absl::string_view key) { return entry->name < key; });
    return found != upper.children.end() && (*found)->name == name &&
           (*found)->kind == UpperEntry::Kind::kDirectory;
  }

  static absl::Status Refused(const std::string& path, const absl::Status& why) {
    return absl::Status(why.code(), absl::StrCat("the workspace's directory '/", Printable(path),
                                                 "' can't be captured: ", why.message()));
  }

  absl::StatusOr<Digest> Keep(const Directory& built, const std::string& path) {
    std::string bytes = blob::Serialise(built);
    if (bytes.size() > blob::kMaxDirectoryBytes) {
      return Refused(path, absl::ResourceExhaustedError(
                               absl::StrCat("its list of entries has ", bytes.size(),
                                            " bytes, more than ", blob::kMaxDirectoryBytes)));
    }
    Digest digest = blob::DigestOf(bytes);
    result_.directories.try_emplace(digest, std::move(bytes));
    return digest;
  }

  blob::DirectoryReader& reader_;
  const blob::TreeLimits& limits_;
  CapturedDelta& result_;
  ChangeCounter counter_;
  BaseDirectory root_;
};

}  // namespace

absl::StatusOr<CapturedDelta> CaptureDelta(UpperContents& upper, const Digest& base,
                                           blob::DirectoryReader& reader,
                                           const blob::TreeLimits& limits) {
  CapturedDelta result;
  result.differences = std::move(upper.differences);
  result.warnings = std::move(upper.warnings);
  const std::unique_ptr<UpperEntry> root = std::move(upper.root);
  const absl::Status built = DeltaBuilder(reader, limits, result).Run(base, *root);
  if (!built.ok()) return built;
  return result;
}

}  // namespace rally::workspace
