#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "common/blob/open_beneath.h"

namespace rally::blob {
namespace {

// What goes to the store at once, so that progress shows and memory stays bounded.
constexpr int64_t kPartBytes = 64 * 1024 * 1024;
constexpr size_t kPartBlobs = 8'000;

BlobUpload MakeUpload(const CapturedTree& tree, const Digest& digest) {
  const auto directory = tree.directories.find(digest);
  if (directory != tree.directories.end()) return BlobUpload{digest, directory->second};
  return BlobUpload{digest,
                    [root = tree.root_fd, path = tree.files.at(digest)]() -> absl::StatusOr<int> {
                      absl::StatusOr<FileDescriptor> fd =
                          OpenBeneath(root->get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
                      if (!fd.ok()) return fd.status();
                      return fd->Release();
                    }};
}

// The store knows digests; people know paths.
absl::Status NamePath(const CapturedTree& tree, const std::vector<Digest>& part,
                      const absl::Status& status) {
  for (const Digest& digest : part) {
    const auto file = tree.files.find(digest);
    if (file != tree.files.end() && absl::StrContains(status.message(), digest.hash)) {
      return absl::Status(status.code(),
                          absl::StrCat("uploading '", file->second, "': ", status.message()));
    }
  }
  return status;
}

}  // namespace

absl::StatusOr<UploadProgress> UploadTree(
    BlobStore& store, const CapturedTree& tree,
    const std::function<void(const UploadProgress&)>& on_progress) {
  std::vector<Digest> all;
  for (const auto& [digest, file] : tree.files) {
    if (!tree.directories.contains(digest)) all.push_back(digest);
  }
  for (const auto& [digest, bytes] : tree.directories) all.push_back(digest);
  absl::StatusOr<std::vector<Digest>> missing = store.FindMissing(all);
  if (!missing.ok()) return missing.status();

  // The order of a hash table would spread a directory's files over all parts.
  std::sort(missing->begin(), missing->end(), [&](const Digest& a, const Digest& b) {
    const auto rank = [&](const Digest& digest) -> std::pair<bool, absl::string_view> {
      const auto file = tree.files.find(digest);
      const bool directory = tree.directories.contains(digest);
      return {directory, file == tree.files.end() || directory ? absl::string_view(digest.hash)
                                                               : file->second};
    };
    return rank(a) < rank(b);
  });

  UploadProgress progress;
  progress.total_blobs = static_cast<int64_t>(all.size());
  for (const Digest& digest : all) progress.total_bytes += digest.size_bytes;
  progress.missing_blobs = static_cast<int64_t>(missing->size());
  for (const Digest& digest : *missing) progress.missing_bytes += digest.size_bytes;
  if (on_progress) on_progress(progress);

  size_t next = 0;
  while (next < missing->size()) {
    std::vector<Digest> part;
    std::vector<BlobUpload> uploads;
    int64_t bytes = 0;
    const bool directories = tree.directories.contains((*missing)[next]);
    while (next < missing->size() && part.size() < kPartBlobs && bytes < kPartBytes &&
           tree.directories.contains((*missing)[next]) == directories) {
      part.push_back((*missing)[next++]);
      uploads.push_back(MakeUpload(tree, part.back()));
      bytes += part.back().size_bytes;
    }
    if (absl::Status s = store.Upload(std::move(uploads)); !s.ok()) return NamePath(tree, part, s);
    progress.uploaded_blobs += static_cast<int64_t>(part.size());
    progress.uploaded_bytes += bytes;
    if (on_progress) on_progress(progress);
  }
  return progress;
}

}  // namespace rally::blob
