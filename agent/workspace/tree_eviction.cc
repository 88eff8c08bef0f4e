#include "agent/workspace/tree_eviction.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "common/file_descriptor.h"
#include "glog/logging.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

constexpr int64_t kBlockBytes = 512;  // stat's unit, whatever the filesystem's.

// Calls `visit` for everything below an open directory.
template <typename Visit>
void VisitBelow(FileDescriptor directory, const Visit& visit) {
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(directory.get()), &::closedir);
  if (listing == nullptr) return;
  directory.Release();
  while (const dirent* entry = ::readdir(listing.get())) {
    const absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat stat;
    if (::fstatat(::dirfd(listing.get()), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0) continue;
    visit(stat);
    if (!S_ISDIR(stat.st_mode)) continue;
    FileDescriptor child(::openat(::dirfd(listing.get()), entry->d_name,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child.valid()) VisitBelow(std::move(child), visit);
  }
}

// What is missing to a share of a whole, with a quarter more, so that it isn't missing again soon.
int64_t Missing(int64_t total, int64_t free, int percent, int64_t wanted) {
  const int64_t floor = total / 100 * percent;
  return free >= floor + wanted ? 0 : floor + floor / 4 + wanted - free;
}

}  // namespace

TreeEviction::TreeEviction(std::string directory, TreeBudget budget, TreeCatalog* catalog,
                           LocalFiles* local_files, DirectoryMessages* messages, Trash* trash)
    : directory_(std::move(directory)),
      budget_(budget),
      catalog_(catalog),
      local_files_(local_files),
      messages_(messages),
      trash_(trash) {}

absl::Status TreeEviction::MakeRoom(int64_t wanted_bytes) {
  {
    absl::MutexLock lock(&mutex_);
    const auto is_my_turn = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !running_; };
    mutex_.Await(absl::Condition(&is_my_turn));
    running_ = true;
  }
  const auto done = absl::MakeCleanup([this] {
    absl::MutexLock lock(&mutex_);
    running_ = false;
  });
  return Run(wanted_bytes);
}

absl::Status TreeEviction::Run(int64_t wanted_bytes) {
  int64_t evicted = 0;
  absl::Status status;
  while (true) {
    // Also what the trees of before left.
    status = RemoveReleased();
    if (!status.ok()) break;
    const auto excess = Excess(wanted_bytes);
    if (!excess.ok()) return excess.status();
    if (excess->bytes <= 0 && excess->entries <= 0) break;
    const std::vector<Digest> victims = Choose(*excess);
    for (const Digest& root : victims) {
      const auto forgotten = catalog_->Forget(root);
      if (!forgotten.ok()) return forgotten.status();
      if (*forgotten) ++evicted;
    }
    // Files that layers shared count fully for the one that is left.
    sizes_.clear();
    if (!victims.empty()) continue;
    status = absl::ResourceExhaustedError(absl::StrCat(
        "the workspaces in ", directory_, " need ", std::max<int64_t>(excess->bytes, 0),
        " bytes and ", std::max<int64_t>(excess->entries, 0),
        " inodes more than they may have, and all trees that are left are in use"));
    break;
  }
  if (evicted > 0) {
    LOG(INFO) << evicted << " workspace trees were evicted";
    ForgetMessages();
  }
  return status;
}

absl::Status TreeEviction::RemoveReleased() {
  const auto layers = catalog_->TrashReleased();
  if (!layers.ok()) return layers.status();
  if (!layers->empty()) local_files_->Forget(*layers);
  return trash_->Empty();
}

absl::StatusOr<TreeEviction::Size> TreeEviction::Excess(int64_t wanted_bytes) {
  struct statvfs room;
  if (::statvfs(directory_.c_str(), &room) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("asking what room there is in ", directory_));
  }
  const int64_t unit = room.f_frsize;
  Size excess;
  excess.bytes =
      Missing(room.f_blocks * unit, room.f_bavail * unit, budget_.keep_free_percent, wanted_bytes);
  // Some filesystems don't count inodes.
  if (room.f_files > 0) {
    excess.entries = Missing(room.f_files, room.f_favail, budget_.keep_free_percent, 0);
  }
  if (budget_.max_bytes > 0) {
    const int64_t used = BytesOfAllLayers() + wanted_bytes;
    if (used > budget_.max_bytes) {
      excess.bytes = std::max(excess.bytes, used - budget_.max_bytes / 5 * 4);
    }
  }
  return excess;
}

std::vector<Digest> TreeEviction::Choose(const Size& excess) {
  std::vector<TreeCatalog::Layer> layers = catalog_->Layers();
  std::sort(layers.begin(), layers.end(),
            [](const auto& a, const auto& b) { return a.last_use < b.last_use; });
  std::vector<Digest> victims;
  absl::flat_hash_set<Digest> chosen;
  Size freed;
  for (const TreeCatalog::Layer& layer : layers) {
    if (freed.bytes >= excess.bytes && freed.entries >= excess.entries) break;
    if (layer.held) continue;
    for (const Digest& root : layer.trees) {
      if (chosen.insert(root).second) victims.push_back(root);
    }
    const Size size = SizeOfLayer(layer.number);
    freed.bytes += size.bytes;
    freed.entries += size.entries;
  }
  return victims;
}

TreeEviction::Size TreeEviction::SizeOfLayer(uint64_t layer) {
  const auto known = sizes_.find(layer);
  if (known != sizes_.end()) return known->second;
  Size size;
  FileDescriptor directory(
      ::open(absl::StrCat(directory_, "/", TreeCatalog::LayerName(layer)).c_str(),
             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.valid()) {
    VisitBelow(std::move(directory), [&size](const struct stat& stat) {
      // A file that other layers have, too, is theirs in part.
      const int64_t links = S_ISDIR(stat.st_mode) ? 1 : std::max<int64_t>(stat.st_nlink, 1);
      size.bytes += stat.st_blocks * kBlockBytes / links;
      if (links == 1) ++size.entries;
    });
  }
  sizes_[layer] = size;
  return size;
}

int64_t TreeEviction::BytesOfAllLayers() {
  int64_t bytes = 0;
  for (const TreeCatalog::Layer& layer : catalog_->Layers()) {
    bytes += SizeOfLayer(layer.number).bytes;
  }
  return bytes;
}

void TreeEviction::ForgetMessages() {
  absl::flat_hash_set<Digest> needed;
  std::vector<Digest> pending;
  for (const auto& [root, tree] : catalog_->All()) {
    if (needed.insert(root).second) pending.push_back(root);
  }
  while (!pending.empty()) {
    const Digest digest = std::move(pending.back());
    pending.pop_back();
    const auto message = messages_->ReadLocal(digest);
    if (!message.has_value()) continue;
    const auto directory = blob::ParseDirectory(*message);
    if (!directory.ok()) continue;
    for (const auto& node : directory->directories()) {
      Digest child = blob::DigestOfNode(node);
      if (needed.insert(child).second) pending.push_back(std::move(child));
    }
  }
  const absl::Status status = messages_->RemoveAllBut(needed);
  LOG_IF(WARNING, !status.ok()) << "removing the directories of evicted trees: " << status;
}

}  // namespace rally::workspace
