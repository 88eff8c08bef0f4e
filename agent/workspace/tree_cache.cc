#include "agent/workspace/tree_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/workspace/deadline_blob_store.h"
#include "common/blob/directory.h"
#include "common/blob/materialise.h"
#include "common/blob/open_beneath.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::rally::blob::DirectoryNode;
using ::rally::blob::FileNode;

class LayersAsSource : public blob::FileSource {
 public:
  LayersAsSource(const LocalFiles& files, int layers) : files_(files), layers_(layers) {}

  bool TryLocal(const Digest& digest, uint32_t mode, std::optional<absl::Time> mtime, int dirfd,
                const char* name) override {
    return files_.Provide(digest, mode, mtime, layers_, dirfd, name);
  }

 private:
  const LocalFiles& files_;
  const int layers_;
};

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

}  // namespace

TreeCache::TreeCache(std::string directory, TreeCatalog* catalog, DirectoryMessages* messages,
                     blob::DirectoryReader* reader, blob::BlobStore* remote, Trash* trash)
    : directory_(std::move(directory)),
      catalog_(catalog),
      messages_(messages),
      reader_(reader),
      remote_(remote),
      trash_(trash),
      layers_(::open(absl::StrCat(directory_, "/layers").c_str(),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

absl::StatusOr<LocalTree> TreeCache::Ensure(const Digest& root, absl::Time deadline) {
  while (true) {
    if (std::optional<LocalTree> tree = catalog_->Find(root)) return *std::move(tree);
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("no time left to fetch the tree ", root.ToString()));
    }
    std::shared_ptr<Flight> flight;
    bool mine = false;
    {
      absl::MutexLock lock(&mutex_);
      std::shared_ptr<Flight>& slot = flights_[root];
      if (slot == nullptr) {
        slot = std::make_shared<Flight>();
        mine = true;
      }
      flight = slot;
    }
    if (mine) {
      // Another flight may have landed between the look and the start.
      if (!catalog_->Has(root)) flight->status = Build(root, deadline);
      {
        absl::MutexLock lock(&mutex_);
        flights_.erase(root);
      }
      flight->done.Notify();
    } else if (!flight->done.WaitForNotificationWithTimeout(deadline - absl::Now())) {
      continue;  // Ends at the check of the deadline.
    }
    if (flight->status.ok()) continue;
    // Whoever did the work may have had less time than this caller.
    if (!mine && absl::IsDeadlineExceeded(flight->status)) continue;
    return absl::Status(flight->status.code(), absl::StrCat("fetching the tree ", root.ToString(),
                                                            ": ", flight->status.message()));
  }
}

absl::Status TreeCache::Build(const Digest& root, absl::Time deadline) {
  local_files_found_.WaitForNotificationWithTimeout(deadline - absl::Now());
  const uint64_t layer = catalog_->NewLayer();
  const std::string staging = absl::StrCat(directory_, "/staging");
  const std::string name = absl::StrCat("layer-", layer);
  FileDescriptor parent(::open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", staging));
  LayersAsSource source(local_files_, layers_.get());
  DeadlineBlobStore remote(remote_, deadline);
  const auto built = blob::Materialise(root, *reader_, remote, &source, parent.get(), name);
  if (!built.ok()) return built.status();
  const std::string target = absl::StrCat(directory_, "/", TreeCatalog::LayerName(layer));
  if (::renameat(parent.get(), name.c_str(), AT_FDCWD, target.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("moving a new tree to ", target));
  }
  const int64_t entries = built->files + built->symlinks + built->directories;
  const absl::Status published = catalog_->Publish(root, LocalTree{{layer}, entries});
  if (published.ok()) AddFilesOfTree(root, layer);
  return published;
}

absl::Status TreeCache::Adopt(const Digest& root, const std::string& upper, LocalTree below,
                              int64_t entries,
                              const std::vector<std::pair<Digest, std::string>>& files) {
  if (catalog_->Has(root)) return trash_->Take(upper);
  const uint64_t layer = catalog_->NewLayer();
  const std::string target = absl::StrCat(directory_, "/", TreeCatalog::LayerName(layer));
  if (::rename(upper.c_str(), target.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("moving ", upper, " to ", target));
  }
  LocalTree tree = std::move(below);
  tree.layers.insert(tree.layers.begin(), layer);
  tree.entries = entries;
  const absl::Status published = catalog_->Publish(root, std::move(tree));
  if (!published.ok()) {
    // Its own error would add nothing: what stays behind is removed at the next start.
    trash_->Take(target).IgnoreError();
    return published;
  }
  for (const auto& [digest, path] : files) local_files_.Add(digest, layer, path);
  return absl::OkStatus();
}

absl::Status TreeCache::Flatten(const Digest& root, absl::Time deadline) {
  const std::optional<LocalTree> tree = catalog_->Find(root);
  if (!tree.has_value() || tree->layers.size() == 1) return absl::OkStatus();
  return Build(root, deadline);
}

void TreeCache::FindLocalFiles() {
  for (const auto& [root, tree] : catalog_->All()) {
    if (tree.layers.size() == 1) {
      AddFilesOfTree(root, tree.layers.front());
    } else {
      AddFilesOfLayer(root, tree.layers.front());
    }
  }
  local_files_found_.Notify();
}

// A whole tree has each file where its messages say.
void TreeCache::AddFilesOfTree(const Digest& root, uint64_t layer) {
  std::vector<std::pair<Digest, std::string>> pending = {{root, ""}};
  // A directory that occurs twice has the same content twice.
  absl::flat_hash_set<Digest> seen = {root};
  while (!pending.empty()) {
    const auto [digest, path] = std::move(pending.back());
    pending.pop_back();
    const std::optional<std::string> message = messages_->ReadLocal(digest);
    if (!message.has_value()) continue;
    const auto directory = blob::ParseDirectory(*message);
    if (!directory.ok()) continue;
    for (const FileNode& node : directory->files()) {
      local_files_.Add(blob::DigestOfNode(node), layer, Join(path, node.name()));
    }
    for (const DirectoryNode& node : directory->directories()) {
      Digest child = blob::DigestOfNode(node);
      if (seen.insert(child).second) pending.emplace_back(child, Join(path, node.name()));
    }
  }
}

// What was an upper directory has some of the tree's files: those that are both here and there.
void TreeCache::AddFilesOfLayer(const Digest& root, uint64_t layer) {
  const std::string name = absl::StrCat(layer);
  std::vector<std::pair<Digest, std::string>> pending = {{root, ""}};
  while (!pending.empty()) {
    const auto [digest, path] = std::move(pending.back());
    pending.pop_back();
    const std::optional<std::string> message = messages_->ReadLocal(digest);
    if (!message.has_value()) continue;
    const auto directory = blob::ParseDirectory(*message);
    auto fd = blob::OpenBeneath(layers_.get(), Join(name, path), O_RDONLY | O_DIRECTORY);
    if (!directory.ok() || !fd.ok()) continue;
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd->get()), &::closedir);
    if (listing == nullptr) continue;
    fd->Release();
    absl::flat_hash_set<std::string> files;
    absl::flat_hash_set<std::string> directories;
    while (const dirent* entry = ::readdir(listing.get())) {
      if (entry->d_type == DT_REG) files.insert(entry->d_name);
      if (entry->d_type == DT_DIR) directories.insert(entry->d_name);
    }
    for (const FileNode& node : directory->files()) {
      if (!files.contains(node.name())) continue;
      local_files_.Add(blob::DigestOfNode(node), layer, Join(path, node.name()));
    }
    for (const DirectoryNode& node : directory->directories()) {
      if (!directories.contains(node.name())) continue;
      pending.emplace_back(blob::DigestOfNode(node), Join(path, node.name()));
    }
  }
}

}  // namespace rally::workspace
