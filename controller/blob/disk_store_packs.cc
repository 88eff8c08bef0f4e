// Blobs that come together, and their way out of a pack.
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/blob/file_digest.h"
#include "controller/blob/disk_store.h"
#include "glog/logging.h"

namespace rally::cas {

using blob::Digest;

std::vector<absl::Status> DiskStore::WriteBatch(absl::Span<const BatchBlob> blobs) {
  std::vector<absl::Status> results(blobs.size());
  std::vector<size_t> packed;
  std::vector<size_t> alone;
  absl::flat_hash_map<BlobKey, size_t> first;
  std::vector<std::pair<size_t, size_t>> again;
  for (size_t i = 0; i < blobs.size(); ++i) {
    results[i] = CheckContent(blobs[i].digest, blobs[i].pieces);
    const BlobKey key = BlobKey::Of(blobs[i].digest);
    if (!results[i].ok() || Contains(key)) continue;
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
  for (const BlobKey& key : packs_->TakeSparse()) {
    if (IsStopping()) return;
    MoveOutOfPack(key);
  }
}

void DiskStore::MoveOutOfPack(const BlobKey& key) {
  const Digest digest = key.ToDigest();
  const std::optional<BlobPacks::Place> place = packs_->Find(key);
  if (!place.has_value()) return;
  absl::StatusOr<FileDescriptor> fd = packs_->OpenPack(place->pack);
  if (!fd.ok()) return;  // Whoever looks for the blob next finds out.
  const Opened old{*std::move(fd), place->offset, place};
  std::string bytes(static_cast<size_t>(key.size_bytes), '\0');
  absl::Status status = ReadWhole(digest, old, Check::kHere, bytes.data());
  if (absl::IsNotFound(status)) return;  // Damaged, and put aside.
  index_.Claim(key);
  // Unless it was evicted meanwhile.
  if (packs_->Find(key) == place) {
    if (status.ok()) status = WriteUncounted(digest, bytes);
    if (status.ok()) {
      packs_->Forget(key);
    } else {
      packs_->MarkSparse(place->pack);
      LOG(WARNING) << "blob=" << digest << " stays in a file with others: " << status;
    }
  }
  index_.Release(key, BlobIndex::Presence::kUnknown, 0);
}

absl::Status DiskStore::WriteUncounted(const Digest& digest, absl::string_view bytes) {
  ++linking_;
  const absl::Cleanup linked = [this] { --linking_; };
  absl::StatusOr<BlobFiles::Unfinished> file = files_->Create(digest);
  if (!file.ok()) return file.status();
  const absl::Cleanup discard = [&] { files_->Discard(*file); };
  absl::Status status = blob::WriteAll(file->fd, bytes);
  if (status.ok()) status = files_->Link(digest, *file);
  if (absl::IsAlreadyExists(status)) return absl::OkStatus();
  if (status.ok()) ++committed_;
  return status;
}

}  // namespace rally::cas
