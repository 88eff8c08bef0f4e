#include "agent/workspace/delta_capture.h"

#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/workspace/upper_walk.h"
#include "common/blob/directory.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::rally::blob::DirectoryNode;
using ::rally::blob::FileNode;
using ::rally::blob::SymlinkNode;

std::string Printable(const std::string& path) { return absl::CHexEscape(path); }

// A directory of the input tree. No directory: nothing shows through.
struct BaseDirectory {
  Digest digest;
  std::shared_ptr<const Directory> directory;
};

// Only those need a closer look.
bool HasTargetBeyondAscii(const Directory& directory) {
  for (const SymlinkNode& node : directory.symlinks()) {
    for (const char c : node.target()) {
      if (static_cast<unsigned char>(c) >= 0x80) return true;
    }
  }
  return false;
}

// The new tree's directories, bottom-up, from the input tree and what the walk found.
class DeltaBuilder {
 public:
  DeltaBuilder(blob::DirectoryReader& reader, const blob::TreeLimits& limits, CapturedDelta& result)
      : reader_(reader), limits_(limits), result_(result) {}

  absl::StatusOr<Digest> Run(const Digest& base, const UpperEntry& upper) {
    auto root = Read(base);
    if (!root.ok()) return root.status();
    root_ = *root;
    return Build(upper, "", 0, root_);
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

  absl::StatusOr<Digest> Build(const UpperEntry& upper, const std::string& path, int depth,
                               const BaseDirectory& base) {
    static const Directory* const kNothing = new Directory();
    const Directory& old = base.directory == nullptr ? *kNothing : *base.directory;
    Directory built;
    bool changed = base.directory == nullptr;
    absl::flat_hash_set<absl::string_view> named;
    for (const auto& entry : upper.children) {
      named.insert(entry->name);
      auto kept = Add(*entry, JoinPath(path, entry->name), depth, base, old, built);
      if (!kept.ok()) return kept.status();
      if (!*kept) changed = true;
    }
    // Without a change the old message is the new one, to the byte, whoever wrote it.
    if (!changed && upper.mode == blob::ModeOf(old) &&
        upper.mtime == blob::MtimeOf(old).value_or(upper.mtime)) {
      return base.digest;
    }
    for (const FileNode& node : old.files()) {
      if (!named.contains(node.name())) *built.add_files() = node;
    }
    for (const SymlinkNode& node : old.symlinks()) {
      if (!named.contains(node.name())) *built.add_symlinks() = node;
    }
    for (const DirectoryNode& node : old.directories()) {
      if (!named.contains(node.name())) *built.add_directories() = node;
    }
    blob::SetDirectoryProperties(upper.mode, upper.mtime, &built);
    blob::Canonicalise(&built);
    return Keep(std::move(built), path);
  }

  // Puts one entry of the upper into the directory that is being built. True if it is what the
  // input tree has at its place.
  absl::StatusOr<bool> Add(const UpperEntry& entry, const std::string& path, int depth,
                           const BaseDirectory& base, const Directory& old, Directory& built) {
    const bool hides = blob::FindNode(old.files(), entry.name) != nullptr ||
                       blob::FindNode(old.symlinks(), entry.name) != nullptr ||
                       blob::FindNode(old.directories(), entry.name) != nullptr;
    switch (entry.kind) {
      case UpperEntry::Kind::kWhiteout:
        return !hides;
      case UpperEntry::Kind::kSkipped:
        result_.differences.push_back(
            {hides ? UpperDifference::Kind::kShadowing : UpperDifference::Kind::kSpecialFile,
             path});
        return !hides;
      case UpperEntry::Kind::kFile: {
        const FileNode* node = blob::FindNode(old.files(), entry.name);
        if (node != nullptr && blob::DigestOfNode(*node) == entry.digest &&
            blob::ModeOf(*node) == entry.mode &&
            blob::MtimeOf(*node).value_or(entry.mtime) == entry.mtime) {
          *built.add_files() = *node;
          return true;
        }
        *built.add_files() = blob::MakeFileNode(entry.name, entry.digest, entry.mode, entry.mtime);
        result_.files.emplace_back(entry.digest, path);
        return false;
      }
      case UpperEntry::Kind::kSymlink: {
        const SymlinkNode* node = blob::FindNode(old.symlinks(), entry.name);
        if (node != nullptr && node->target() == entry.target) {
          *built.add_symlinks() = *node;
          return true;
        }
        *built.add_symlinks() = blob::MakeSymlinkNode(entry.name, entry.target);
        return false;
      }
      case UpperEntry::Kind::kDirectory: {
        auto lower = LowerHalf(entry, path, depth + 1, base);
        if (!lower.ok()) return lower.status();
        auto digest = Build(entry, path, depth + 1, *lower);
        if (!digest.ok()) return digest.status();
        *built.add_directories() = blob::MakeDirectoryNode(entry.name, *digest);
        const DirectoryNode* node = blob::FindNode(old.directories(), entry.name);
        return node != nullptr && blob::DigestOfNode(*node) == *digest;
      }
    }
    return absl::InternalError("an entry of no kind");
  }

  absl::StatusOr<Digest> Keep(Directory built, const std::string& path) {
    std::string bytes = blob::Serialise(built);
    absl::Status valid = blob::Validate(built);
    if (valid.ok() && bytes.size() > blob::kMaxDirectoryBytes) {
      valid = absl::ResourceExhaustedError(absl::StrCat("its list of entries has ", bytes.size(),
                                                        " bytes, more than ",
                                                        blob::kMaxDirectoryBytes));
    }
    if (valid.ok() && HasTargetBeyondAscii(built) && !Directory().ParseFromString(bytes)) {
      valid = absl::InvalidArgumentError("the target of a symlink in it is not UTF-8");
    }
    if (!valid.ok()) {
      return absl::Status(valid.code(),
                          absl::StrCat("the workspace's directory '/", Printable(path),
                                       "' can't be captured: ", valid.message()));
    }
    Digest digest = blob::DigestOf(bytes);
    CapturedDirectory& kept = result_.directories[digest];
    kept.message = std::make_shared<const Directory>(std::move(built));
    kept.bytes = std::move(bytes);
    return digest;
  }

  blob::DirectoryReader& reader_;
  const blob::TreeLimits& limits_;
  CapturedDelta& result_;
  BaseDirectory root_;
};

}  // namespace

absl::StatusOr<CapturedDelta> CaptureDelta(int upper, const Digest& base,
                                           blob::DirectoryReader& reader,
                                           const blob::TreeLimits& limits) {
  auto found = ReadUpper(upper, limits);
  if (!found.ok()) return found.status();
  CapturedDelta result;
  result.differences = std::move(found->differences);
  result.warnings = std::move(found->warnings);
  auto root = DeltaBuilder(reader, limits, result).Run(base, *found->root);
  if (!root.ok()) return root.status();
  result.root = *std::move(root);
  return result;
}

}  // namespace rally::workspace
