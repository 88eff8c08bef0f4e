#include "controller/blob/blob_packs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "controller/blob/directory_names.h"
#include "controller/blob/pack_table.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

using blob::ErrnoStatus;

constexpr mode_t kPackMode = 0444;
// What begins so is not finished.
constexpr char kNewPrefix[] = ".new-";
// The kernel takes no more pieces at once.
constexpr size_t kMostPieces = 1024;
// Among the sizes of files.
constexpr int64_t kNoFile = -1;

std::string NameOf(uint64_t pack) { return absl::StrCat(pack); }

absl::Status WritePieces(int fd, absl::Span<const absl::string_view> pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const absl::string_view piece : pieces) {
    vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
  }
  for (size_t begin = 0; begin < vectors.size();) {
    ssize_t written = writev(fd, &vectors[begin],
                             static_cast<int>(std::min(vectors.size() - begin, kMostPieces)));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "writing a pack");
    for (; begin < vectors.size() && written >= static_cast<ssize_t>(vectors[begin].iov_len);
         ++begin) {
      written -= static_cast<ssize_t>(vectors[begin].iov_len);
    }
    if (written > 0) {
      vectors[begin].iov_base = static_cast<char*>(vectors[begin].iov_base) + written;
      vectors[begin].iov_len -= static_cast<size_t>(written);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlobPacks>> BlobPacks::Open(int parent_fd) {
  absl::StatusOr<int> directory = MakeAndOpenDirectory(parent_fd, "packs");
  if (!directory.ok()) return directory.status();
  auto packs = std::unique_ptr<BlobPacks>(new BlobPacks(FileDescriptor(*directory)));
  uint64_t last = 0;
  absl::Status listed = ForEachName(*directory, [&](const std::string& name) {
    uint64_t number;
    if (absl::SimpleAtoi(name, &number) && NameOf(number) == name) {
      packs->from_before_.push_back(number);
      last = std::max(last, number);
    } else if (name.rfind(kNewPrefix, 0) == 0) {
      unlinkat(*directory, name.c_str(), 0);
    }
  });
  if (!listed.ok()) return listed;
  // Of a blob that lies in several, the latest place counts: it came because the others were bad.
  std::sort(packs->from_before_.rbegin(), packs->from_before_.rend());
  packs->next_ = last + 1;
  if (packs->from_before_.empty()) packs->loaded_.Notify();
  return packs;
}

void BlobPacks::Load(const std::function<bool()>& is_stopping) {
  if (IsLoaded()) return;
  for (const uint64_t pack : from_before_) {
    if (is_stopping()) break;
    LoadPack(pack);
  }
  from_before_ = {};
  loaded_.Notify();
}

void BlobPacks::LoadPack(uint64_t pack) {
  absl::StatusOr<FileDescriptor> file = OpenPack(pack);
  absl::StatusOr<PackTable> table =
      file.ok() ? ReadPackTable(file->get()) : absl::UnavailableError(file.status().message());
  if (absl::IsDataLoss(table.status())) {
    LOG(ERROR) << "pack=" << pack
               << " is removed, its blobs count as missing: " << table.status().message();
    unlinkat(directory_.get(), NameOf(pack).c_str(), 0);
    return;
  }
  if (!table.ok()) {
    LOG(ERROR) << "pack=" << pack << " can't be read, its blobs aren't found: " << table.status();
    return;
  }
  int64_t bytes = 0;
  for (const PackedBlob& blob : table->blobs) bytes += blob.key.size_bytes;
  Hold(pack, bytes);
  for (const PackedBlob& blob : table->blobs) AddPlace(blob.key, {pack, blob.offset});
  // Taking it apart reads all of it.
  if (!table->intact) {
    LOG(ERROR) << "pack=" << pack << " has a damaged table, some of its blobs may be missing";
    MarkSparse(pack);
  }
  LetGo(pack);
}

std::optional<BlobPacks::Place> BlobPacks::Find(const BlobKey& key) const {
  if (key.size_bytes > kLargestBlobBytes) return std::nullopt;
  const Shard& shard = shards_[key.shard()];
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.places.find(key);
  if (found == shard.places.end()) return std::nullopt;
  return found->second;
}

BlobFiles::State BlobPacks::Look(const Place& place, int64_t size_bytes, FileSizes* known) const {
  const auto [found, is_new] = known->try_emplace(place.pack, kNoFile);
  struct stat st;
  if (is_new &&
      fstatat(directory_.get(), NameOf(place.pack).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
    found->second = S_ISREG(st.st_mode) ? st.st_size : 0;
  }
  if (found->second == kNoFile) return BlobFiles::State::kAbsent;
  return found->second >= place.offset + size_bytes ? BlobFiles::State::kPresent
                                                    : BlobFiles::State::kWrongSize;
}

absl::StatusOr<FileDescriptor> BlobPacks::OpenPack(uint64_t pack) const {
  FileDescriptor file(openat(directory_.get(), NameOf(pack).c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, "opening a pack of blobs");
  return file;
}

void BlobPacks::ForEach(int number, const std::function<void(const BlobKey&)>& visit) const {
  const Shard& shard = shards_[number];
  absl::MutexLock lock(&shard.mutex);
  for (const auto& [key, place] : shard.places) visit(key);
}

absl::StatusOr<BlobPacks::NewPack> BlobPacks::Write(std::vector<BlobKey> keys,
                                                    absl::Span<const absl::string_view> bytes) {
  const uint64_t pack = next_++;
  const std::string table = MakePackTable(keys);
  std::vector<absl::string_view> pieces = {table};
  pieces.insert(pieces.end(), bytes.begin(), bytes.end());
  const std::string unfinished = absl::StrCat(kNewPrefix, pack);
  FileDescriptor file(openat(directory_.get(), unfinished.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPackMode));
  absl::Status status =
      file.valid() ? WritePieces(file.get(), pieces) : ErrnoStatus(errno, "creating a pack");
  NewPack result(this, pack, std::move(keys), static_cast<int64_t>(table.size()));
  if (status.ok() &&
      renameat(directory_.get(), unfinished.c_str(), directory_.get(), NameOf(pack).c_str()) != 0) {
    status = ErrnoStatus(errno, "giving a pack its name");
  }
  if (status.ok()) return result;
  if (file.valid()) unlinkat(directory_.get(), unfinished.c_str(), 0);
  return status;
}

BlobPacks::NewPack::NewPack(BlobPacks* packs, uint64_t pack, std::vector<BlobKey> keys,
                            int64_t begin)
    : packs_(packs), pack_(pack), keys_(std::move(keys)) {
  int64_t offset = begin;
  for (const BlobKey& key : keys_) {
    offsets_.push_back(offset);
    offset += key.size_bytes;
  }
  packs_->Hold(pack_, offset - begin);
}

BlobPacks::NewPack::NewPack(NewPack&& other) noexcept
    : packs_(std::exchange(other.packs_, nullptr)),
      pack_(other.pack_),
      keys_(std::move(other.keys_)),
      offsets_(std::move(other.offsets_)) {}

BlobPacks::NewPack::~NewPack() {
  if (packs_ != nullptr) packs_->LetGo(pack_);
}

void BlobPacks::NewPack::Add(size_t number) {
  packs_->AddPlace(keys_[number], {pack_, offsets_[number]});
}

void BlobPacks::AddPlace(const BlobKey& key, const Place& place) {
  {
    Shard& shard = shards_[key.shard()];
    absl::MutexLock lock(&shard.mutex);
    if (!shard.places.emplace(key, place).second) return;
  }
  absl::MutexLock lock(&mutex_);
  Pack& pack = packs_[place.pack];
  pack.live_bytes += key.size_bytes;
  ++pack.live_blobs;
}

bool BlobPacks::Forget(const BlobKey& key) {
  Place place;
  {
    Shard& shard = shards_[key.shard()];
    absl::MutexLock lock(&shard.mutex);
    const auto found = shard.places.find(key);
    if (found == shard.places.end()) return false;
    place = found->second;
    shard.places.erase(found);
  }
  {
    absl::MutexLock lock(&mutex_);
    Pack& pack = packs_[place.pack];
    pack.live_bytes -= key.size_bytes;
    --pack.live_blobs;
    // Half of a pack at most is for nothing.
    if (pack.live_bytes < pack.bytes / 2) sparse_.insert(place.pack);
  }
  RemoveIfDead(place.pack);
  return true;
}

void BlobPacks::Hold(uint64_t pack, int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  packs_[pack].bytes = bytes;
  packs_[pack].held = true;
}

void BlobPacks::LetGo(uint64_t pack) {
  {
    absl::MutexLock lock(&mutex_);
    Pack& let_go = packs_[pack];
    let_go.held = false;
    // Others may have had most of it already.
    if (let_go.live_bytes < let_go.bytes / 2) sparse_.insert(pack);
  }
  RemoveIfDead(pack);
}

void BlobPacks::RemoveIfDead(uint64_t pack) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = packs_.find(pack);
    if (found == packs_.end() || found->second.held || found->second.live_blobs > 0) return;
    packs_.erase(found);
    sparse_.erase(pack);
  }
  unlinkat(directory_.get(), NameOf(pack).c_str(), 0);
}

void BlobPacks::MarkSparse(uint64_t pack) {
  absl::MutexLock lock(&mutex_);
  if (packs_.contains(pack)) sparse_.insert(pack);
}

std::vector<BlobKey> BlobPacks::TakeSparse() {
  absl::flat_hash_set<uint64_t> sparse;
  {
    absl::MutexLock lock(&mutex_);
    sparse.swap(sparse_);
  }
  std::vector<BlobKey> keys;
  if (sparse.empty()) return keys;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (const auto& [key, place] : shard.places) {
      if (sparse.contains(place.pack)) keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace rally::cas
