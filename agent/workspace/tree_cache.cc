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
#include "agent/workspace/nearest_tree.h"
#include "common/blob/directory.h"
#include "common/blob/materialise.h"
#include "common/blob/open_beneath.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::rally::blob::DirectoryNode;
using ::rally::blob::FileNode;

// How many of the trees used last may be what a new one is built upon.
constexpr size_t kCandidates = 8;

class LayersAsSource : public blob::FileSource {
 public:
  // A tree that lies over another has only files of its own: the other may have any inode already.
  LayersAsSource(LocalFiles& files, int layers, bool over_another)
      : files_(files), layers_(layers), may_link_(!over_another) {}

  bool TryLocal(const Digest& digest, uint32_t mode, std::optional<absl::Time> mtime, int dirfd,
                const char* name) override {
    return files_.Provide(digest, mode, mtime, layers_, dirfd, name,
                          may_link_ ? &linked_ : nullptr);
  }

 private:
  LocalFiles& files_;
  const int layers_;
  const bool may_link_;
  LocalFiles::LinkedInodes linked_;
};

blob::BlobKey KeyOfNode(const FileNode& node) {
  return blob::BlobKey::Of(node.digest().hash(), node.digest().size_bytes());
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

}  // namespace

TreeCache::TreeCache(std::string directory, Parts parts)
    : directory_(std::move(directory)),
      parts_(std::move(parts)),
      layers_(::open(absl::StrCat(directory_, "/layers").c_str(),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

absl::StatusOr<TreeCatalog::HeldTree> TreeCache::Ensure(const Digest& root, absl::Time deadline) {
  while (true) {
    if (auto tree = parts_.catalog->Acquire(root)) return *std::move(tree);
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
      if (!parts_.catalog->Has(root)) flight->status = Build(root, /*whole=*/false, deadline);
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

absl::Status TreeCache::Build(const Digest& root, bool whole, absl::Time deadline) {
  local_files_found_.WaitForNotificationWithTimeout(deadline - absl::Now());
  auto loaded = blob::LoadTree(*parts_.reader, root, {}, whole ? nullptr : &known_sizes_);
  if (!loaded.ok()) return loaded.status();
  std::optional<Digest> base;
  std::optional<TreeCatalog::HeldTree> below;
  if (!whole) {
    base = NearestTree(*loaded, root, parts_.catalog->Recent(kCandidates), *parts_.reader);
    // It may have gone since.
    if (base.has_value()) below = parts_.catalog->Acquire(*base);
    if (!below.has_value()) {
      base.reset();
      // All of it is needed now, and best in batches.
      if (!loaded->whole) loaded = blob::LoadTree(*parts_.reader, root);
      if (!loaded.ok()) return loaded.status();
    }
  }
  const auto build = [&] {
    return BuildLayer(*loaded, root, base, below.has_value() ? below->tree : LocalTree(), deadline);
  };
  absl::Status built = build();
  if (!absl::IsResourceExhausted(built)) return built;
  const absl::Status room = parts_.make_room(loaded->total_bytes);
  if (room.ok()) return build();
  return absl::ResourceExhaustedError(absl::StrCat(built.message(), "; ", room.message()));
}

absl::Status TreeCache::BuildLayer(const blob::LoadedTree& loaded, const Digest& root,
                                   const std::optional<Digest>& base, const LocalTree& below,
                                   absl::Time deadline) {
  const uint64_t layer = parts_.catalog->NewLayer();
  const std::string staging = absl::StrCat(directory_, "/staging");
  const std::string name = absl::StrCat("layer-", layer);
  FileDescriptor parent(::open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", staging));
  LayersAsSource source(*parts_.local_files, layers_.get(), base.has_value());
  DeadlineBlobStore remote(parts_.remote, deadline);
  const auto built = blob::MaterialiseLoaded(loaded, root, base, *parts_.reader, remote, &source,
                                             parent.get(), name);
  if (!built.ok()) return built.status();
  const std::string target = absl::StrCat(directory_, "/", TreeCatalog::LayerName(layer));
  if (::renameat(parent.get(), name.c_str(), AT_FDCWD, target.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("moving a new tree to ", target));
  }
  LocalTree tree{{layer}, loaded.entries};
  tree.layers.insert(tree.layers.end(), below.layers.begin(), below.layers.end());
  const absl::Status published = parts_.catalog->Publish(root, std::move(tree));
  if (!published.ok()) {
    // Its own error would add nothing: what stays behind is removed at the next start.
    parts_.trash->Take(target).IgnoreError();
    return published;
  }
  parts_.later([this, root, layer, whole = !base.has_value()] {
    if (whole) {
      AddFilesOfTree(root, layer);
    } else {
      AddFilesOfLayer(root, layer);
    }
  });
  return absl::OkStatus();
}

absl::Status TreeCache::Adopt(const Digest& root, const std::string& upper, LocalTree below,
                              int64_t entries,
                              const std::deque<std::pair<blob::BlobKey, std::string>>& files) {
  if (parts_.catalog->Has(root)) return parts_.trash->Take(upper);
  const uint64_t layer = parts_.catalog->NewLayer();
  const std::string target = absl::StrCat(directory_, "/", TreeCatalog::LayerName(layer));
  if (::rename(upper.c_str(), target.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("moving ", upper, " to ", target));
  }
  LocalTree tree = std::move(below);
  tree.layers.insert(tree.layers.begin(), layer);
  tree.entries = entries;
  const absl::Status published = parts_.catalog->Publish(root, std::move(tree));
  if (!published.ok()) {
    // Its own error would add nothing: what stays behind is removed at the next start.
    parts_.trash->Take(target).IgnoreError();
    return published;
  }
  for (const auto& [content, path] : files) parts_.local_files->Add(content, layer, path);
  return absl::OkStatus();
}

absl::Status TreeCache::Flatten(const Digest& root, absl::Time deadline) {
  const auto held = parts_.catalog->Acquire(root);
  if (!held.has_value() || held->tree.layers.size() == 1) return absl::OkStatus();
  return Build(root, /*whole=*/true, deadline);
}

void TreeCache::FindLocalFiles() {
  for (const auto& [root, tree] : parts_.catalog->All()) {
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
    const std::optional<std::string> message = parts_.messages->ReadLocal(digest);
    if (!message.has_value()) continue;
    const auto directory = blob::ParseDirectory(*message);
    if (!directory.ok()) continue;
    for (const FileNode& node : directory->files()) {
      parts_.local_files->Add(KeyOfNode(node), layer, Join(path, node.name()));
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
    const std::optional<std::string> message = parts_.messages->ReadLocal(digest);
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
      parts_.local_files->Add(KeyOfNode(node), layer, Join(path, node.name()));
    }
    for (const DirectoryNode& node : directory->directories()) {
      if (!directories.contains(node.name())) continue;
      pending.emplace_back(blob::DigestOfNode(node), Join(path, node.name()));
    }
  }
}

}  // namespace rally::workspace
