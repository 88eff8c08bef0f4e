// Blobs that come together, and their way out of a pack.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "common/blob/file_digest.h"
#include "controller/blob/disk_store.h"
#include "glog/logging.h"

namespace rally::cas {

using blob::Digest;

namespace {

// At a time, since evictions wait for it.
constexpr int64_t kMostCopiedBytes = 64 << 20;

}  // namespace

std::vector<absl::Status> DiskStore::WriteBatch(absl::Span<const BatchBlob> blobs) {
  std::vector<absl::Status> results(blobs.size());
  std::vector<size_t> packed;
  std::vector<size_t> alone;
  absl::flat_hash_map<BlobKey, size_t> first;
  std::vector<std::pair<size_t, size_t>> again;
  Finder finder(this);
  for (size_t i = 0; i < blobs.size(); ++i) {
    results[i] = CheckContent(blobs[i].digest, blobs[i].pieces);
    const BlobKey key = BlobKey::Of(blobs[i].digest);
    if (!results[i].ok() || finder.Contains(key)) continue;
    const auto [known, is_new] = first.try_emplace(key, i);
    if (!is_new) {
      again.emplace_back(i, known->second);
      continue;
    }
    (key.size_bytes <= BlobPacks::kLargestBlobBytes ? packed : alone).push_back(i);
  }
  // When there is no room for all, there may be for some of them.
  if (packed.size() < BlobPacks::kFewestBlobs || !WritePack(blobs, packed).ok()) {
    alone.insert(alone.end(), packed.begin(), packed.end());
  }
  for (const size_t i : alone) results[i] = WriteVerified(blobs[i].digest, blobs[i].pieces);
  for (const auto& [i, same] : again) results[i] = results[same];
  return results;
}

absl::Status DiskStore::WritePack(absl::Span<const BatchBlob> blobs,
                                  absl::Span<const size_t> numbers) {
  DiskUse wanted;
  std::vector<BlobKey> keys;
  std::vector<absl::string_view> bytes;
  for (const size_t number : numbers) {
    const BatchBlob& blob = blobs[number];
    wanted = wanted + UseOf(blob.digest.size_bytes);
    keys.push_back(BlobKey::Of(blob.digest));
    bytes.insert(bytes.end(), blob.pieces.begin(), blob.pieces.end());
  }
  if (absl::Status status = Reserve(wanted); !status.ok()) return status;
  const absl::Cleanup unreserve = [&] { Unreserve(wanted); };
  ++linking_;
  const absl::Cleanup linked = [this] { --linking_; };
  absl::StatusOr<BlobPacks::NewPack> pack = packs_->Write(keys, bytes);
  if (!pack.ok()) return pack.status();
  ++committed_;
  used_since_save_ = true;
  const BlobIndex::Seconds now = Now();
  for (size_t i = 0; i < keys.size(); ++i) {
    // Somebody else may have stored it meanwhile.
    const bool known = index_.Claim(keys[i]) == BlobIndex::Presence::kPresent;
    if (!known || Look(keys[i]) != BlobFiles::State::kPresent) pack->Add(i);
    index_.Release(keys[i], BlobIndex::Presence::kPresent, now, GraceFrom(now));
  }
  return absl::OkStatus();
}

void DiskStore::EmptySparsePacks() {
  std::vector<std::pair<BlobPacks::Place, BlobKey>> blobs;
  for (const BlobKey& key : packs_->TakeSparse()) {
    if (const auto place = packs_->Find(key)) blobs.emplace_back(*place, key);
  }
  if (blobs.empty()) return;
  // Pack by pack, so that some can go even if there is no room to take all apart.
  std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.pack, a.first.offset) < std::tie(b.first.pack, b.first.offset);
  });
  std::vector<std::pair<BlobPacks::Place, BlobKey>> copied;
  absl::flat_hash_set<uint64_t> left;
  int64_t bytes = 0;
  absl::Status failed;
  for (const auto& [place, key] : blobs) {
    if (IsStopping() || absl::IsResourceExhausted(failed) || bytes > kMostCopiedBytes) {
      left.insert(place.pack);
      continue;
    }
    const absl::StatusOr<bool> copy = CopyOutOfPack(key, place);
    if (!copy.ok()) {
      failed = copy.status();
      left.insert(place.pack);
    } else if (*copy) {
      copied.emplace_back(place, key);
      bytes += key.size_bytes;
    }
  }
  // What was durable stays so: a pack goes once the copies are on the disk.
  const absl::Status synced = Sync();
  for (const auto& [place, key] : copied) {
    if (!synced.ok()) {
      left.insert(place.pack);
      continue;
    }
    index_.Claim(key);
    // Unless it was evicted meanwhile.
    if (packs_->Find(key) == place) packs_->Forget(key);
    index_.Release(key, BlobIndex::Presence::kUnknown, 0);
  }
  for (const uint64_t pack : left) packs_->MarkSparse(pack);
  if (failed.ok()) failed = synced;
  LOG_IF(WARNING, !failed.ok()) << "some blobs stay in files with others: " << failed;
}

absl::StatusOr<bool> DiskStore::CopyOutOfPack(const BlobKey& key, const BlobPacks::Place& place) {
  const Digest digest = key.ToDigest();
  absl::StatusOr<FileDescriptor> fd = packs_->OpenPack(place.pack);
  // Whoever looks for the blob next finds out.
  if (absl::IsNotFound(fd.status())) return false;
  if (!fd.ok()) return fd.status();
  const Opened old{*std::move(fd), place.offset, place};
  std::string bytes(static_cast<size_t>(key.size_bytes), '\0');
  absl::Status status = ReadWhole(digest, old, Check::kHere, bytes.data());
  if (absl::IsNotFound(status)) return false;  // Damaged, and put aside.
  if (!status.ok()) return status;
  ++linking_;
  const absl::Cleanup linked = [this] { --linking_; };
  absl::StatusOr<BlobFiles::Unfinished> file = files_->Create(digest);
  if (!file.ok()) return file.status();
  const absl::Cleanup discard = [&] { files_->Discard(*file); };
  status = blob::WriteAll(file->fd, bytes);
  if (!status.ok()) return status;
  index_.Claim(key);
  // The index counts it already, and still as one.
  const bool wanted = packs_->Find(key) == place;
  if (wanted) {
    // What an earlier try, or a crash, left under the name is no better than this.
    status = files_->Remove(digest);
    if (status.ok()) status = files_->Link(digest, *file);
    if (status.ok()) ++committed_;
  }
  index_.Release(key, BlobIndex::Presence::kUnknown, 0);
  if (!status.ok()) return status;
  return wanted;
}

}  // namespace rally::cas
