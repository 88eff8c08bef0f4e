#include "agent/workspace/delta_upload.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/blob/open_beneath.h"

namespace rally::workspace {

using ::rally::blob::Digest;

absl::StatusOr<int64_t> UploadDelta(int upper, const CapturedDelta& delta, blob::BlobStore& store) {
  absl::flat_hash_map<Digest, const std::string*> paths;
  std::vector<Digest> wanted;
  for (const auto& [digest, path] : delta.files) {
    if (paths.emplace(digest, &path).second) wanted.push_back(digest);
  }
  for (const auto& [digest, directory] : delta.directories) wanted.push_back(digest);
  if (wanted.empty()) return 0;
  const auto missing = store.FindMissing(wanted);
  if (!missing.ok()) return missing.status();
  int64_t uploaded_bytes = 0;
  std::vector<blob::BlobUpload> files;
  std::vector<blob::BlobUpload> directories;
  for (const Digest& digest : *missing) {
    uploaded_bytes += digest.size_bytes;
    const auto directory = delta.directories.find(digest);
    if (directory != delta.directories.end()) {
      directories.push_back({digest, directory->second});
      continue;
    }
    const auto path = paths.find(digest);
    if (path == paths.end()) {
      return absl::InternalError("the blob store misses a blob that it wasn't asked about");
    }
    files.push_back({digest, [upper, path = path->second]() -> absl::StatusOr<int> {
                       auto file = blob::OpenBeneath(upper, *path, O_RDONLY | O_NONBLOCK);
                       if (!file.ok()) return file.status();
                       return file->Release();
                     }});
  }
  absl::Status status = files.empty() ? absl::OkStatus() : store.Upload(std::move(files));
  if (status.ok() && !directories.empty()) status = store.Upload(std::move(directories));
  if (!status.ok()) return status;
  return uploaded_bytes;
}

}  // namespace rally::workspace
