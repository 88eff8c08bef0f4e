#include "controller/blob/disk_store.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

using blob::Digest;

// The wall clock of the start, moved on by the boot clock.
std::function<absl::Time()> SteadyClock() {
  const auto boot_time = [] {
    timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return absl::DurationFromTimespec(now);
  };
  return [boot_time, start = absl::Now() - boot_time()] { return start + boot_time(); };
}

// Which is always there, without a file.
std::vector<BlobKey> WithoutEmptyBlob(absl::Span<const BlobKey> keys) {
  std::vector<BlobKey> others;
  others.reserve(keys.size());
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(others),
               [](const BlobKey& key) { return key != BlobKey::OfEmptyBlob(); });
  return others;
}

}  // namespace

DiskStore::DiskStore(DiskStoreOptions options)
    : options_(std::move(options)), may_evict_(!options_.await_pins) {}

absl::StatusOr<std::unique_ptr<DiskStore>> DiskStore::Open(const std::string& directory,
                                                           DiskStoreOptions options) {
  if (!options.clock) options.clock = SteadyClock();
  auto store = std::unique_ptr<DiskStore>(new DiskStore(std::move(options)));
  absl::StatusOr<std::unique_ptr<BlobFiles>> files = BlobFiles::Open(directory);
  if (!files.ok()) return files.status();
  store->files_ = *std::move(files);
  absl::StatusOr<std::unique_ptr<BlobPacks>> packs = BlobPacks::Open(store->files_->root_fd());
  if (!packs.ok()) {
    return absl::Status(packs.status().code(), absl::StrCat("opening the blob store in ", directory,
                                                            ": ", packs.status().message()));
  }
  store->packs_ = *std::move(packs);
  store->upkeep_ = std::thread([store = store.get()] { store->Upkeep(); });
  return store;
}

DiskStore::~DiskStore() {
  {
    absl::MutexLock lock(&room_mutex_);
    stopping_ = true;
  }
  if (upkeep_.joinable()) upkeep_.join();
}

BlobIndex::Seconds DiskStore::Now() const {
  return static_cast<BlobIndex::Seconds>(absl::ToUnixSeconds(options_.clock()));
}

BlobIndex::Seconds DiskStore::GraceFrom(BlobIndex::Seconds now) const {
  return now + static_cast<BlobIndex::Seconds>(absl::ToInt64Seconds(options_.grace));
}

bool DiskStore::Finder::Contains(const BlobKey& key) {
  if (key == BlobKey::OfEmptyBlob()) return true;
  if (!store_.used_since_save_) store_.used_since_save_ = true;
  const BlobIndex::Seconds now = store_.Now();
  const BlobIndex::Seconds keep_until = store_.GraceFrom(now);
  const BlobIndex::Presence known = store_.index_.Use(key, now, keep_until);
  if (known == BlobIndex::Presence::kAbsent) return false;
  // Who is told that a blob is there won't upload it: what the index says must still be so.
  if (known == BlobIndex::Presence::kPresent &&
      store_.Look(key, &packs_) == BlobFiles::State::kPresent) {
    return true;
  }
  return store_.Confirm(key, keep_until);
}

BlobFiles::State DiskStore::Look(const BlobKey& key) {
  BlobPacks::FileSizes packs;
  return Look(key, &packs);
}

BlobFiles::State DiskStore::Look(const BlobKey& key, BlobPacks::FileSizes* packs) {
  // Before the place, which may come until then.
  const bool loaded = packs_->IsLoaded();
  if (const auto place = packs_->Find(key)) return packs_->Look(*place, key.size_bytes, packs);
  const BlobFiles::State state = files_->Look(key);
  if (loaded || state != BlobFiles::State::kAbsent) return state;
  packs_->AwaitLoaded();
  return Look(key, packs);
}

bool DiskStore::Confirm(const BlobKey& key, BlobIndex::Seconds keep_until) {
  const BlobIndex::Presence known = index_.Claim(key);
  const BlobFiles::State state = Look(key);
  const std::optional<BlobPacks::Place> place = packs_->Find(key);
  if (state != BlobFiles::State::kPresent && place.has_value()) {
    packs_->MarkSparse(place->pack);  // A restart would take what else it has for lost.
    packs_->Forget(key);
    ++quarantined_;
    LOG(ERROR) << "blob=" << key.ToDigest()
               << " is lost: the file of its pack is gone or too short";
  } else if (state == BlobFiles::State::kWrongSize && files_->QuarantineByName(key.ToDigest())) {
    ++quarantined_;
    LOG(ERROR) << "blob=" << key.ToDigest()
               << " is damaged and is put aside: its file has the wrong size";
  } else if (state == BlobFiles::State::kAbsent && known == BlobIndex::Presence::kPresent) {
    LOG(ERROR) << "blob=" << key.ToDigest() << " is lost: somebody else removed its file";
  }
  const bool present = state == BlobFiles::State::kPresent;
  index_.Release(key, present ? BlobIndex::Presence::kPresent : BlobIndex::Presence::kAbsent, Now(),
                 keep_until);
  return present;
}

absl::StatusOr<std::vector<Digest>> DiskStore::FindMissing(absl::Span<const Digest> digests) {
  std::vector<Digest> missing;
  Finder finder(this);
  for (const Digest& digest : digests) {
    absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
    if (!valid.ok()) return valid;
    if (!finder.Contains(BlobKey::Of(digest))) missing.push_back(digest);
  }
  return missing;
}

absl::Status DiskStore::Sync() {
  const bool linking = linking_ > 0;  // before `committed_`: what ends meanwhile is counted there
  const int64_t wanted = committed_;
  absl::MutexLock lock(&sync_mutex_);
  if (!linking && synced_ >= wanted) return absl::OkStatus();
  const int64_t covered = committed_;
  if (absl::Status status = files_->Sync(); !status.ok()) return status;
  synced_ = covered;
  return absl::OkStatus();
}

void DiskStore::Quarantine(const Digest& digest, const Opened& file, absl::string_view why) {
  LOG(ERROR) << "blob=" << digest << " is damaged and is put aside: " << why;
  const BlobKey key = BlobKey::Of(digest);
  index_.Claim(key);
  bool moved = false;
  if (!file.place.has_value()) {
    moved = files_->Quarantine(digest, file.fd.get());
  } else if (packs_->Find(key) == file.place) {
    files_->KeepDamaged(digest, file.fd.get(), file.begin);
    packs_->MarkSparse(file.place->pack);  // Else a restart would find the blob there again.
    moved = packs_->Forget(key);
  }
  if (moved) ++quarantined_;
  // It may have a file of its own, too, for a while.
  const bool gone = moved && files_->Look(key) != BlobFiles::State::kPresent;
  index_.Release(key, gone ? BlobIndex::Presence::kAbsent : BlobIndex::Presence::kUnknown, 0);
}

absl::Status DiskStore::Link(const Digest& digest, const BlobFiles::Unfinished& file) {
  ++linking_;
  const absl::Cleanup linked = [this] { --linking_; };
  const BlobKey key = BlobKey::Of(digest);
  index_.Claim(key);
  const bool packed = packs_->Find(key).has_value();
  absl::Status status = packed ? absl::AlreadyExistsError("") : files_->Link(digest, file);
  bool is_new = status.ok();
  if (absl::IsAlreadyExists(status)) {
    status = absl::OkStatus();
    if (Look(key) != BlobFiles::State::kPresent) {
      // A crash can leave a file of the wrong size under the name; the good one takes its place.
      packs_->Forget(key);
      if (files_->QuarantineByName(digest)) ++quarantined_;
      status = files_->Link(digest, file);
      is_new = status.ok();
    }
  }
  if (is_new) ++committed_;
  const BlobIndex::Seconds now = Now();
  index_.Release(key, status.ok() ? BlobIndex::Presence::kPresent : BlobIndex::Presence::kUnknown,
                 now, GraceFrom(now));
  used_since_save_ = true;
  return status;
}

void DiskStore::Pin(absl::Span<const BlobKey> keys) {
  const int64_t absent = index_.Pin(WithoutEmptyBlob(keys));
  LOG_IF(ERROR, absent > 0) << absent << " of " << keys.size()
                            << " blobs that are to stay aren't in the store";
}

void DiskStore::Unpin(absl::Span<const BlobKey> keys) {
  index_.Unpin(WithoutEmptyBlob(keys), Now());
  used_since_save_ = true;
}

}  // namespace rally::cas
