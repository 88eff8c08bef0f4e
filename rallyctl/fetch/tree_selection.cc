#include "rallyctl/fetch/tree_selection.h"

#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/blob/directory.h"

namespace rally::rallyctl {
namespace {

using Names = std::vector<std::string>;

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWorkspacePath(const std::string& path) {
  Names names;
  if (path.empty()) {
    return absl::InvalidArgumentError("a path is empty; \".\" is the whole workspace");
  }
  if (path[0] == '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", path, "\": paths are relative to the workspace's root"));
  }
  for (absl::string_view name : absl::StrSplit(path, '/')) {
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      return absl::InvalidArgumentError(absl::StrCat(
          "path \"", path, "\": \"..\" isn't followed; name the file from the workspace's root"));
    }
    names.emplace_back(name);
  }
  return names;
}

absl::StatusOr<std::unique_ptr<TreeSelection>> TreeSelection::Make(
    const blob::Digest& root, blob::DirectoryReader* reader,
    const std::vector<std::string>& paths) {
  std::unique_ptr<TreeSelection> selection(new TreeSelection(reader));
  std::vector<Names> split;
  for (const std::string& path : paths) {
    auto names = SplitWorkspacePath(path);
    if (!names.ok()) return names.status();
    split.push_back(*std::move(names));
  }
  if (split.empty()) split.emplace_back();
  auto selected = selection->Select(root, "", split);
  if (!selected.ok()) return selected.status();
  selection->root_ = *std::move(selected);
  return selection;
}

absl::StatusOr<blob::Digest> TreeSelection::Select(const blob::Digest& folder,
                                                   const std::string& where,
                                                   const std::vector<Names>& paths) {
  std::map<std::string, std::vector<Names>> wanted;
  for (const Names& path : paths) {
    if (path.empty()) return folder;
    wanted[path[0]].emplace_back(path.begin() + 1, path.end());
  }
  auto original = reader_->Read(folder);
  if (!original.ok()) return original.status();
  blob::Directory made;
  if ((*original)->has_node_properties()) {
    *made.mutable_node_properties() = (*original)->node_properties();
  }
  for (const auto& file : (*original)->files()) {
    const auto found = wanted.find(file.name());
    if (found == wanted.end()) continue;
    for (const Names& rest : found->second) {
      if (rest.empty()) continue;
      return absl::NotFoundError(absl::StrCat(where, file.name(), " is a file, so there is no ",
                                              where, file.name(), "/", rest[0]));
    }
    *made.add_files() = file;
    wanted.erase(found);
  }
  for (const auto& symlink : (*original)->symlinks()) {
    const auto found = wanted.find(symlink.name());
    if (found == wanted.end()) continue;
    for (const Names& rest : found->second) {
      if (rest.empty()) continue;
      return absl::NotFoundError(absl::StrCat(where, symlink.name(), " is a link to ",
                                              symlink.target(), "; name the target instead"));
    }
    *made.add_symlinks() = symlink;
    wanted.erase(found);
  }
  for (const auto& directory : (*original)->directories()) {
    const auto found = wanted.find(directory.name());
    if (found == wanted.end()) continue;
    auto below = Select(blob::DigestOfNode(directory), absl::StrCat(where, directory.name(), "/"),
                        found->second);
    if (!below.ok()) return below.status();
    *made.add_directories() = blob::MakeDirectoryNode(directory.name(), *below);
    wanted.erase(found);
  }
  if (!wanted.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no ", absl::Utf8SafeCEscape(where + wanted.begin()->first), " in the workspace"));
  }
  const blob::Digest digest = blob::DigestOf(blob::Serialise(made));
  made_[digest] = std::make_shared<const blob::Directory>(std::move(made));
  return digest;
}

absl::StatusOr<std::shared_ptr<const blob::Directory>> TreeSelection::Read(
    const blob::Digest& digest) {
  const auto found = made_.find(digest);
  if (found != made_.end()) return found->second;
  return reader_->Read(digest);
}

void TreeSelection::Prefetch(absl::Span<const blob::Digest> digests) {
  std::vector<blob::Digest> elsewhere;
  for (const blob::Digest& digest : digests) {
    if (!made_.contains(digest)) elsewhere.push_back(digest);
  }
  reader_->Prefetch(elsewhere);
}

}  // namespace rally::rallyctl
