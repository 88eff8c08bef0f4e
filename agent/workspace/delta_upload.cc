#include "agent/workspace/delta_upload.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/blob/blob_key.h"
#include "common/blob/open_beneath.h"

namespace rally::workspace {
namespace {

using ::rally::blob::BlobKey;
using ::rally::blob::Digest;
using Directories = decltype(CapturedDelta::directories);

constexpr size_t kBlobsPerPortion = 10'000;
constexpr int64_t kLargeFileBytes = 1024 * 1024;
constexpr int64_t kDirectoryBytesAtOnce = 4 * 1024 * 1024;

// Goes through a delta in portions, so that what a blob takes while it is asked about and sent,
// many times what its entry takes, is needed for one portion only. A blob that occurs again in a
// later one isn't missing by then.
class DeltaUpload {
 public:
  DeltaUpload(int upper, const CapturedDelta& delta, blob::BlobStore& store)
      : upper_(upper),
        delta_(delta),
        store_(store),
        next_file_(delta.files.begin()),
        next_directory_(delta.directories.begin()) {}

  absl::StatusOr<int64_t> Run() {
    while (next_file_ != delta_.files.end() || next_directory_ != delta_.directories.end()) {
      if (absl::Status status = SendPortion(); !status.ok()) return status;
    }
    return uploaded_bytes_;
  }

 private:
  absl::Status SendPortion() {
    std::vector<Digest> wanted;
    absl::flat_hash_map<BlobKey, const std::string*> paths;
    for (; wanted.size() < kBlobsPerPortion && next_file_ != delta_.files.end(); ++next_file_) {
      const auto& [content, path] = *next_file_;
      if (paths.emplace(content, &path).second) wanted.push_back(content.ToDigest());
    }
    for (; wanted.size() < kBlobsPerPortion && next_directory_ != delta_.directories.end();
         ++next_directory_) {
      wanted.push_back(next_directory_->first);
    }
    const auto missing = store_.FindMissing(wanted);
    if (!missing.ok()) return missing.status();
    std::vector<blob::BlobUpload> files;
    std::vector<const Directories::value_type*> directories;
    for (const Digest& digest : *missing) {
      const auto path = paths.find(BlobKey::Of(digest));
      if (path == paths.end()) {
        const auto directory = delta_.directories.find(digest);
        if (directory == delta_.directories.end()) {
          return absl::InternalError("the blob store misses a blob that it wasn't asked about");
        }
        directories.push_back(&*directory);
        continue;
      }
      if (digest.size_bytes <= kLargeFileBytes) {
        files.push_back(FileUpload(digest, *path->second));
      } else if (large_contents_.insert(path->first).second) {
        large_files_.push_back(FileUpload(digest, *path->second));
      }
    }
    absl::Status status = Send(std::move(files));
    if (status.ok() && next_file_ == delta_.files.end()) {
      status = Send(std::exchange(large_files_, {}));
    }
    return status.ok() ? SendDirectories(directories) : status;
  }

  blob::BlobUpload FileUpload(const Digest& digest, const std::string& path) const {
    return {digest, [upper = upper_, path = &path]() -> absl::StatusOr<int> {
              auto file = blob::OpenBeneath(upper, *path, O_RDONLY | O_NONBLOCK);
              if (!file.ok()) return file.status();
              return file->Release();
            }};
  }

  // Each is in memory once more while it is sent.
  absl::Status SendDirectories(const std::vector<const Directories::value_type*>& directories) {
    std::vector<blob::BlobUpload> uploads;
    int64_t bytes = 0;
    for (const auto* directory : directories) {
      if (bytes + directory->first.size_bytes > kDirectoryBytesAtOnce) {
        absl::Status status = Send(std::exchange(uploads, {}));
        if (!status.ok()) return status;
        bytes = 0;
      }
      uploads.push_back({directory->first, directory->second});
      bytes += directory->first.size_bytes;
    }
    return Send(std::move(uploads));
  }

  absl::Status Send(std::vector<blob::BlobUpload> uploads) {
    if (uploads.empty()) return absl::OkStatus();
    for (const blob::BlobUpload& upload : uploads) uploaded_bytes_ += upload.digest.size_bytes;
    return store_.Upload(std::move(uploads));
  }

  const int upper_;
  const CapturedDelta& delta_;
  blob::BlobStore& store_;
  CapturedFiles::const_iterator next_file_;
  Directories::const_iterator next_directory_;
  // Sent together after the other files, so that none of them is waited for alone.
  std::vector<blob::BlobUpload> large_files_;
  absl::flat_hash_set<BlobKey> large_contents_;
  int64_t uploaded_bytes_ = 0;
};

}  // namespace

absl::StatusOr<int64_t> UploadDelta(int upper, const CapturedDelta& delta, blob::BlobStore& store) {
  return DeltaUpload(upper, delta, store).Run();
}

}  // namespace rally::workspace
