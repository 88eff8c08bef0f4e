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

constexpr size_t kBlobsPerPortion = 10'000;
constexpr int64_t kLargeFileBytes = 1024 * 1024;
constexpr int64_t kDirectoryBytesAtOnce = 4 * 1024 * 1024;

// Adds to `sent_bytes`.
absl::Status Send(blob::BlobStore& store, std::vector<blob::BlobUpload> uploads,
                  int64_t* sent_bytes) {
  if (uploads.empty()) return absl::OkStatus();
  for (const blob::BlobUpload& upload : uploads) *sent_bytes += upload.digest.size_bytes;
  return store.Upload(std::move(uploads));
}

// Goes through the files in portions, so that what a blob takes while it is asked about and sent,
// many times what its entry takes, is needed for one portion only. A blob that occurs again in a
// later one isn't missing by then.
class FilesUpload {
 public:
  FilesUpload(int upper, const CapturedFiles& files, blob::BlobStore& store)
      : upper_(upper), files_(files), store_(store), next_(files.begin()) {}

  absl::StatusOr<int64_t> Run() {
    while (next_ != files_.end()) {
      if (absl::Status status = SendPortion(); !status.ok()) return status;
    }
    if (absl::Status status = Send(store_, std::move(large_files_), &sent_bytes_); !status.ok()) {
      return status;
    }
    return sent_bytes_;
  }

 private:
  absl::Status SendPortion() {
    std::vector<Digest> wanted;
    absl::flat_hash_map<BlobKey, const std::string*> paths;
    for (; wanted.size() < kBlobsPerPortion && next_ != files_.end(); ++next_) {
      const auto& [content, path] = *next_;
      if (paths.emplace(content, &path).second) wanted.push_back(content.ToDigest());
    }
    const auto missing = store_.FindMissing(wanted);
    if (!missing.ok()) return missing.status();
    std::vector<blob::BlobUpload> uploads;
    for (const Digest& digest : *missing) {
      const auto path = paths.find(BlobKey::Of(digest));
      if (path == paths.end()) {
        return absl::InternalError("the blob store misses a blob that it wasn't asked about");
      }
      if (digest.size_bytes <= kLargeFileBytes) {
        uploads.push_back(UploadOf(digest, *path->second));
      } else if (large_contents_.insert(path->first).second) {
        large_files_.push_back(UploadOf(digest, *path->second));
      }
    }
    return Send(store_, std::move(uploads), &sent_bytes_);
  }

  blob::BlobUpload UploadOf(const Digest& digest, const std::string& path) const {
    return {digest, [upper = upper_, path = &path]() -> absl::StatusOr<int> {
              auto file = blob::OpenBeneath(upper, *path, O_RDONLY | O_NONBLOCK);
              if (!file.ok()) return file.status();
              return file->Release();
            }};
  }

  const int upper_;
  const CapturedFiles& files_;
  blob::BlobStore& store_;
  CapturedFiles::const_iterator next_;
  // Sent together after the other files, so that none of them is waited for alone.
  std::vector<blob::BlobUpload> large_files_;
  absl::flat_hash_set<BlobKey> large_contents_;
  int64_t sent_bytes_ = 0;
};

}  // namespace

DeltaUpload::DeltaUpload(int upper, const CapturedFiles& files, blob::BlobStore& store)
    : store_(store) {
  if (files.empty()) return;
  files_thread_ = std::thread(
      [this, upper, &files, &store] { uploaded_bytes_ = FilesUpload(upper, files, store).Run(); });
}

DeltaUpload::~DeltaUpload() { WaitForFiles().IgnoreError(); }

absl::Status DeltaUpload::WaitForFiles() {
  if (files_thread_.joinable()) files_thread_.join();
  return uploaded_bytes_.status();
}

absl::StatusOr<int64_t> DeltaUpload::Finish(const Directories& directories) {
  if (absl::Status status = WaitForFiles(); !status.ok()) return status;
  // Each is in memory once more while it is sent.
  std::vector<blob::BlobUpload> uploads;
  int64_t bytes = 0;
  for (const auto& [digest, message] : directories) {
    if (bytes + digest.size_bytes > kDirectoryBytesAtOnce) {
      absl::Status status = Send(store_, std::exchange(uploads, {}), &*uploaded_bytes_);
      if (!status.ok()) return status;
      bytes = 0;
    }
    uploads.push_back({digest, message});
    bytes += digest.size_bytes;
  }
  absl::Status status = Send(store_, std::move(uploads), &*uploaded_bytes_);
  if (!status.ok()) return status;
  return uploaded_bytes_;
}

}  // namespace rally::workspace
