#include "common/blob/memory_blob_store.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::blob {
namespace {

absl::StatusOr<std::string> ReadSource(BlobUpload& upload) {
  if (auto* bytes = std::get_if<std::string>(&upload.source)) return std::move(*bytes);
  absl::StatusOr<int> fd = std::get<1>(upload.source)();
  if (!fd.ok()) return fd.status();
  const absl::Cleanup close_fd = [&fd] { close(*fd); };
  std::string bytes;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = read(*fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "reading");
    bytes.append(buffer, n);
    // What a file has behind what was asked for isn't part of the blob.
    const auto size = static_cast<size_t>(upload.digest.size_bytes);
    if (bytes.size() > size) bytes.resize(size);
    if (n == 0 || bytes.size() == size) return bytes;
  }
}

absl::Status CheckDigest(const Digest& digest) {
  return MakeDigest(digest.hash, digest.size_bytes).status();
}

}  // namespace

absl::StatusOr<std::vector<Digest>> MemoryBlobStore::FindMissing(absl::Span<const Digest> digests) {
  absl::MutexLock lock(&mutex_);
  if (!failure_.ok()) return failure_;
  std::vector<Digest> missing;
  absl::flat_hash_set<Digest> seen;
  for (const Digest& digest : digests) {
    if (absl::Status valid = CheckDigest(digest); !valid.ok()) return valid;
    if (digest == EmptyBlobDigest() || blobs_.contains(digest)) continue;
    if (seen.insert(digest).second) missing.push_back(digest);
  }
  return missing;
}

absl::Status MemoryBlobStore::Upload(std::vector<BlobUpload> uploads) {
  for (BlobUpload& upload : uploads) {
    if (absl::Status valid = CheckDigest(upload.digest); !valid.ok()) return valid;
    absl::StatusOr<std::string> bytes = ReadSource(upload);
    if (!bytes.ok()) return bytes.status();
    const Digest actual = DigestOf(*bytes);
    if (actual != upload.digest) {
      return absl::InvalidArgumentError(
          absl::StrCat("blob ", upload.digest.ToString(), ": the bytes are ", actual.ToString()));
    }
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return failure_;
    ++uploaded_blobs_;
    uploaded_bytes_ += actual.size_bytes;
    blobs_[upload.digest] = *std::move(bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryBlobStore::ReadOne(const Digest& digest) {
  if (absl::Status valid = CheckDigest(digest); !valid.ok()) return valid;
  std::string bytes;
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return failure_;
    const auto found = blobs_.find(digest);
    if (found != blobs_.end()) {
      bytes = found->second;
    } else if (digest != EmptyBlobDigest()) {
      return absl::NotFoundError(absl::StrCat("blob ", digest.ToString(), " is not in the store"));
    }
    ++read_blobs_;
    read_bytes_ += digest.size_bytes;
  }
  if (DigestOf(bytes) != digest) {
    return absl::DataLossError(absl::StrCat("blob ", digest.ToString(), ": wrong bytes"));
  }
  return bytes;
}

absl::StatusOr<std::vector<std::string>> MemoryBlobStore::Read(absl::Span<const Digest> digests) {
  std::vector<std::string> blobs;
  blobs.reserve(digests.size());
  for (const Digest& digest : digests) {
    absl::StatusOr<std::string> bytes = ReadOne(digest);
    if (!bytes.ok()) return bytes.status();
    blobs.push_back(*std::move(bytes));
  }
  return blobs;
}

absl::Status MemoryBlobStore::ReadToFile(const Digest& digest, int fd) {
  absl::StatusOr<std::string> bytes = ReadOne(digest);
  if (!bytes.ok()) return bytes.status();
  return WriteAll(fd, *bytes);
}

Digest MemoryBlobStore::Put(std::string bytes) {
  Digest digest = DigestOf(bytes);
  absl::MutexLock lock(&mutex_);
  blobs_[digest] = std::move(bytes);
  return digest;
}

void MemoryBlobStore::Remove(const Digest& digest) {
  absl::MutexLock lock(&mutex_);
  blobs_.erase(digest);
}

void MemoryBlobStore::Corrupt(const Digest& digest, std::string bytes) {
  absl::MutexLock lock(&mutex_);
  blobs_[digest] = std::move(bytes);
}

void MemoryBlobStore::FailWith(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failure_ = std::move(status);
}

int64_t MemoryBlobStore::blob_count() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(blobs_.size());
}

int64_t MemoryBlobStore::uploaded_blobs() const {
  absl::MutexLock lock(&mutex_);
  return uploaded_blobs_;
}

int64_t MemoryBlobStore::uploaded_bytes() const {
  absl::MutexLock lock(&mutex_);
  return uploaded_bytes_;
}

int64_t MemoryBlobStore::read_blobs() const {
  absl::MutexLock lock(&mutex_);
  return read_blobs_;
}

int64_t MemoryBlobStore::read_bytes() const {
  absl::MutexLock lock(&mutex_);
  return read_bytes_;
}

}  // namespace rally::blob
