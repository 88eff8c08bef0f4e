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

absl::StatusOr<Directory> Parse(const Digest& digest, absl::string_view bytes) {
  absl::StatusOr<Directory> directory = ParseDirectory(bytes);
  if (directory.ok()) return directory;
  return absl::Status(directory.status().code(),
                      absl::StrCat("blob ", digest.ToString(), ": ", directory.status().message()));
}

}  // namespace

CachingDirectoryReader::CachingDirectoryReader(BlobStore* store, int64_t bound_bytes)
    : store_(store), bound_bytes_(bound_bytes) {}

std::shared_ptr<const Directory> CachingDirectoryReader::Find(const Digest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->directory;
}

void CachingDirectoryReader::Insert(const Digest& digest,
                                    std::shared_ptr<const Directory> directory) {
  const int64_t cost = digest.size_bytes * kParsedPerSerialised + kEntryOverheadBytes;
  absl::MutexLock lock(&mutex_);
  if (index_.contains(digest)) return;
  recent_.push_front(Entry{digest, std::move(directory), cost});
  index_[digest] = recent_.begin();
  cached_bytes_ += cost;
  while (cached_bytes_ > bound_bytes_ && recent_.size() > 1) {
    cached_bytes_ -= recent_.back().cost_bytes;
    index_.erase(recent_.back().digest);
    recent_.pop_back();
  }
}

absl::StatusOr<std::shared_ptr<const Directory>> CachingDirectoryReader::Read(
    const Digest& digest) {
  if (std::shared_ptr<const Directory> known = Find(digest)) return known;
  if (digest.size_bytes > kMaxDirectoryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("directory ", digest.ToString(),
                                                     " has more than ", kMaxDirectoryBytes,
                                                     " bytes, the limit of one directory"));
  }
  absl::StatusOr<std::vector<std::string>> blobs = store_->Read({digest});
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<Directory> parsed = Parse(digest, blobs->front());
  if (!parsed.ok()) return parsed.status();
  auto directory = std::make_shared<const Directory>(*std::move(parsed));
  Insert(digest, directory);
  return directory;
}

void CachingDirectoryReader::Prefetch(absl::Span<const Digest> digests) {
  std::vector<Digest> wanted;
  absl::flat_hash_set<Digest> seen;
  int64_t cost = 0;
  for (const Digest& digest : digests) {
    if (!seen.insert(digest).second || Find(digest) != nullptr) continue;
    cost += digest.size_bytes * kParsedPerSerialised + kEntryOverheadBytes;
    if (cost > bound_bytes_ / 2) break;
    wanted.push_back(digest);
  }
  if (wanted.size() < 2) return;
  absl::StatusOr<std::vector<std::string>> blobs = store_->Read(wanted);
  if (!blobs.ok()) return;  // Read will meet the error again, and say which blob it is about.
  for (size_t i = 0; i < wanted.size(); ++i) {
    absl::StatusOr<Directory> parsed = Parse(wanted[i], (*blobs)[i]);
    if (parsed.ok()) Insert(wanted[i], std::make_shared<const Directory>(*std::move(parsed)));
  }
}

void CachingDirectoryReader::Prime(const Digest& digest,
                                   std::shared_ptr<const Directory> directory) {
  Insert(digest, std::move(directory));
}

absl::Status CachingDirectoryReader::Prime(const Digest& digest, absl::string_view bytes) {
  if (DigestOf(bytes) != digest) {
    return absl::DataLossError(absl::StrCat("blob ", digest.ToString(), ": wrong bytes"));
  }
  absl::StatusOr<Directory> parsed = Parse(digest, bytes);
  if (!parsed.ok()) return parsed.status();
  Insert(digest, std::make_shared<const Directory>(*std::move(parsed)));
  return absl::OkStatus();
}

int64_t CachingDirectoryReader::cached_bytes() const {
  absl::MutexLock lock(&mutex_);
  return cached_bytes_;
}

}  // namespace rally::blob
