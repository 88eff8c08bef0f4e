#include "common/blob/directory_reader.h"

#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace rally::blob {
namespace {

// Parsed messages take more memory than their bytes.
constexpr int64_t kParsedPerSerialised = 3;
constexpr int64_t kEntryOverheadBytes = 512;

absl::StatusOr<std::shared_ptr<const Directory>> Parse(const Digest& digest,
                                                       absl::string_view bytes) {
  absl::StatusOr<std::shared_ptr<const Directory>> directory = ParseSharedDirectory(bytes);
  if (directory.ok()) return directory;
  return absl::Status(directory.status().code(),
                      absl::StrCat("blob ", digest.ToString(), ": ", directory.status().message()));
}

}  // namespace

CachingDirectoryReader::CachingDirectoryReader(BlobStore* store, int64_t bound_bytes)
    : store_(store), bound_bytes_(bound_bytes) {}

CachingDirectoryReader::Cached CachingDirectoryReader::Find(const Digest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return Cached();
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->cached;
}

void CachingDirectoryReader::Insert(const Digest& digest, Cached cached) {
  const int64_t cost = digest.size_bytes * kParsedPerSerialised + kEntryOverheadBytes;
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(digest);
  if (found != index_.end()) {
    // What is parsed already is worth more than bytes.
    if (cached.directory != nullptr) found->second->cached = std::move(cached);
    return;
  }
  recent_.push_front(Entry{digest, std::move(cached), cost});
  index_[digest] = recent_.begin();
  cached_bytes_ += cost;
  while (cached_bytes_ > bound_bytes_ && recent_.size() > 1) {
    cached_bytes_ -= recent_.back().cost_bytes;
    index_.erase(recent_.back().digest);
    recent_.pop_back();
  }
}

absl::StatusOr<std::shared_ptr<const Directory>> CachingDirectoryReader::ParseAndKeep(
    const Digest& digest, absl::string_view bytes) {
  absl::StatusOr<std::shared_ptr<const Directory>> directory = Parse(digest, bytes);
  if (directory.ok()) Insert(digest, {*directory, nullptr});
  return directory;
}

absl::StatusOr<std::shared_ptr<const Directory>> CachingDirectoryReader::Read(
    const Digest& digest) {
  const Cached known = Find(digest);
  if (known.directory != nullptr) return known.directory;
  if (known.bytes != nullptr) return ParseAndKeep(digest, *known.bytes);
  if (digest.size_bytes > kMaxDirectoryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("directory ", digest.ToString(),
                                                     " has more than ", kMaxDirectoryBytes,
                                                     " bytes, the limit of one directory"));
  }
  absl::StatusOr<std::vector<std::string>> blobs = store_->Read({digest});
  if (!blobs.ok()) return blobs.status();
  return ParseAndKeep(digest, blobs->front());
}

void CachingDirectoryReader::Prefetch(absl::Span<const Digest> digests) {
  std::vector<Digest> wanted;
  absl::flat_hash_set<Digest> seen;
  int64_t cost = 0;
  for (const Digest& digest : digests) {
    if (!seen.insert(digest).second || Find(digest).known()) continue;
    cost += digest.size_bytes * kParsedPerSerialised + kEntryOverheadBytes;
    if (cost > bound_bytes_ / 2) break;
    wanted.push_back(digest);
  }
  if (wanted.size() < 2) return;
  absl::StatusOr<std::vector<std::string>> blobs = store_->Read(wanted);
  if (!blobs.ok()) return;  // Read will meet the error again, and say which blob it is about.
  for (size_t i = 0; i < wanted.size(); ++i) {
    // Read will meet this error, too.
    ParseAndKeep(wanted[i], (*blobs)[i]).status().IgnoreError();
  }
}

void CachingDirectoryReader::Prime(const Digest& digest,
                                   std::shared_ptr<const Directory> directory) {
  Insert(digest, {std::move(directory), nullptr});
}

void CachingDirectoryReader::Prime(const Digest& digest, std::string bytes) {
  Insert(digest, {nullptr, std::make_shared<const std::string>(std::move(bytes))});
}

int64_t CachingDirectoryReader::cached_bytes() const {
  absl::MutexLock lock(&mutex_);
  return cached_bytes_;
}

}  // namespace rally::blob
