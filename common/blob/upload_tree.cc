#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "common/blob/open_beneath.h"

namespace rally::blob {
namespace {

// What goes to the store at once, so that progress shows and memory stays bounded.
constexpr int64_t kPartBytes = 32 * 1024 * 1024;
constexpr size_t kPartBlobs = 4'000;
constexpr char kTryAgain[] = "; try again when nothing writes to it";

BlobUpload MakeUpload(const CapturedTree& tree, const Digest& digest) {
  const auto directory = tree.directories.find(digest);
  if (directory != tree.directories.end()) return BlobUpload{digest, directory->second};
  return BlobUpload{
      digest,
      [root = tree.root_fd,
       path = tree.PathOf(tree.files.at(BlobKey::Of(digest)))]() -> absl::StatusOr<int> {
        absl::StatusOr<FileDescriptor> fd =
            OpenBeneath(root->get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (absl::IsNotFound(fd.status())) {
          return absl::InvalidArgumentError(
              absl::StrCat(ShownPath(path), " went away while it was submitted", kTryAgain));
        }
        if (!fd.ok()) return fd.status();
        return fd->Release();
      }};
}

bool HasChanged(const CapturedTree& tree, const CapturedFile& file) {
  absl::StatusOr<FileDescriptor> fd =
      OpenBeneath(tree.root_fd->get(), tree.PathOf(file), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat now;
  return !fd.ok() || fstat(fd->get(), &now) != 0 ||
         !SameContent(tree.scanned->directories[file.directory].files[file.file].stat,
                      FileStat::Of(now));
}

// The store knows digests; people know paths, and what they did to a file meanwhile.
absl::Status NamePath(const CapturedTree& tree, const std::vector<Digest>& part,
                      const absl::Status& status) {
  for (const Digest& digest : part) {
    const auto file = tree.files.find(BlobKey::Of(digest));
    if (file != tree.files.end() && absl::StrContains(status.message(), digest.hash)) {
      const std::string path = ShownPath(tree.PathOf(file->second));
      if (absl::IsInvalidArgument(status) && HasChanged(tree, file->second)) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, " changed while it was submitted", kTryAgain));
      }
      return absl::Status(status.code(), absl::StrCat("uploading ", path, ": ", status.message()));
    }
  }
  return status;
}

// Of directories of the tree.
absl::StatusOr<std::vector<Digest>> FilesOf(const CapturedTree& tree,
                                            const std::vector<Digest>& directories) {
  std::vector<Digest> files;
  absl::flat_hash_set<Digest> seen;
  for (const Digest& digest : directories) {
    Directory directory;
    if (!directory.ParseFromString(tree.directories.at(digest))) {
      return absl::InternalError(
          absl::StrCat("the captured directory ", digest.ToString(), " can't be read"));
    }
    for (const FileNode& file : directory.files()) {
      Digest content = DigestOfNode(file);
      if (tree.directories.contains(content) || !seen.insert(content).second) continue;
      files.push_back(std::move(content));
    }
  }
  return files;
}

std::vector<Digest> AllFilesOf(const CapturedTree& tree) {
  std::vector<Digest> files;
  for (const auto& [key, file] : tree.files) {
    Digest digest = key.ToDigest();
    if (!tree.directories.contains(digest)) files.push_back(std::move(digest));
  }
  return files;
}

// The store's own batches are up to it.
absl::StatusOr<std::vector<Digest>> FindMissingOf(BlobStore& store, const CapturedTree& tree,
                                                  UploadTrust trust) {
  std::vector<Digest> directories;
  for (const auto& [digest, bytes] : tree.directories) directories.push_back(digest);
  absl::StatusOr<std::vector<Digest>> missing = store.FindMissing(directories);
  if (!missing.ok()) return missing;
  absl::StatusOr<std::vector<Digest>> asked =
      trust == UploadTrust::kKnownDirectories ? FilesOf(tree, *missing) : AllFilesOf(tree);
  if (!asked.ok()) return asked;
  if (asked->empty()) return missing;
  absl::StatusOr<std::vector<Digest>> missing_files = store.FindMissing(*asked);
  if (!missing_files.ok()) return missing_files;
  missing->insert(missing->end(), missing_files->begin(), missing_files->end());
  return missing;
}

}  // namespace

absl::StatusOr<UploadProgress> UploadTree(
    BlobStore& store, const CapturedTree& tree,
    const std::function<void(const UploadProgress&)>& on_progress, UploadTrust trust) {
  absl::StatusOr<std::vector<Digest>> missing = FindMissingOf(store, tree, trust);
  if (!missing.ok()) return missing.status();

  // The order of a hash table would spread a directory's files over all parts.
  std::sort(missing->begin(), missing->end(), [&](const Digest& a, const Digest& b) {
    const auto rank = [&](const Digest& digest) {
      const bool is_directory = tree.directories.contains(digest);
      const auto file = is_directory ? tree.files.end() : tree.files.find(BlobKey::Of(digest));
      const CapturedFile at = file == tree.files.end() ? CapturedFile() : file->second;
      return std::make_tuple(is_directory, at.directory, at.file, absl::string_view(digest.hash));
    };
    return rank(a) < rank(b);
  });

  UploadProgress progress;
  progress.total_blobs = static_cast<int64_t>(tree.files.size() + tree.directories.size());
  for (const auto& [key, file] : tree.files) progress.total_bytes += key.size_bytes;
  for (const auto& [digest, bytes] : tree.directories) {
    progress.total_bytes += digest.size_bytes;
    // A file that has the bytes of a directory: once.
    if (tree.files.contains(BlobKey::Of(digest))) {
      --progress.total_blobs;
      progress.total_bytes -= digest.size_bytes;
    }
  }
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
