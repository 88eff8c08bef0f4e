#include "controller/blob/directory_outlines.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"

namespace rally::cas {
namespace {

// Of one in the table, beside its keys.
constexpr size_t kOverheadBytes = 200;

size_t BytesOf(const DirectoryOutline& outline) {
  return kOverheadBytes + (outline.directories.size() + outline.files.size()) * sizeof(BlobKey);
}

DirectoryOutline OutlineOf(const blob::Directory& directory) {
  DirectoryOutline outline;
  outline.directories.reserve(directory.directories_size());
  for (const blob::DirectoryNode& node : directory.directories()) {
    outline.directories.push_back(BlobKey::Of(node.digest().hash(), node.digest().size_bytes()));
  }
  outline.files.reserve(directory.files_size());
  for (const blob::FileNode& node : directory.files()) {
    outline.files.push_back(BlobKey::Of(node.digest().hash(), node.digest().size_bytes()));
    if (__builtin_add_overflow(outline.file_bytes, node.digest().size_bytes(),
                               &outline.file_bytes)) {
      outline.file_bytes = std::numeric_limits<int64_t>::max();
    }
  }
  outline.entries =
      int64_t{directory.files_size()} + directory.directories_size() + directory.symlinks_size();
  return outline;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const DirectoryOutline>> DirectoryOutlines::Read(
    const BlobKey& directory) {
  {
    absl::MutexLock lock(&mutex_);
    if (const auto found = young_.find(directory); found != young_.end()) return found->second;
    if (const auto found = old_.find(directory); found != old_.end()) {
      std::shared_ptr<const DirectoryOutline> outline = found->second;
      old_bytes_ -= BytesOf(*outline);
      old_.erase(found);
      Keep(directory, outline);
      return outline;
    }
    ++reads_;
  }
  const blob::Digest digest = directory.ToDigest();
  if (digest.size_bytes > blob::kMaxDirectoryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("directory ", digest.ToString(),
                                                     " has more than ", blob::kMaxDirectoryBytes,
                                                     " bytes, the limit of one directory"));
  }
  absl::StatusOr<std::vector<std::string>> blobs = store_->Read({digest});
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<blob::Directory> parsed = blob::ParseDirectory(blobs->front());
  if (!parsed.ok()) {
    return absl::Status(parsed.status().code(),
                        absl::StrCat("blob ", digest.ToString(), ": ", parsed.status().message()));
  }
  auto outline = std::make_shared<const DirectoryOutline>(OutlineOf(*parsed));
  absl::MutexLock lock(&mutex_);
  // Somebody else may have read it at the same time.
  old_bytes_ -= old_.contains(directory) ? BytesOf(*outline) : 0;
  old_.erase(directory);
  if (!young_.contains(directory)) Keep(directory, outline);
  return outline;
}

void DirectoryOutlines::Keep(const BlobKey& key, std::shared_ptr<const DirectoryOutline> outline) {
  young_bytes_ += BytesOf(*outline);
  young_.emplace(key, std::move(outline));
  if (young_bytes_ < bound_bytes_ / 2) return;
  old_ = std::exchange(young_, {});
  old_bytes_ = std::exchange(young_bytes_, 0);
}

int64_t DirectoryOutlines::reads() const {
  absl::MutexLock lock(&mutex_);
  return reads_;
}

size_t DirectoryOutlines::cached_bytes() const {
  absl::MutexLock lock(&mutex_);
  return young_bytes_ + old_bytes_;
}

}  // namespace rally::cas
