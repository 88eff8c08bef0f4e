#include "agent/workspace/delta_upload.h"

#include <fcntl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/blob/delta.h"
#include "common/blob/directory.h"
#include "common/blob/open_beneath.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

// The captured directories in front of a reader that doesn't have them.
class CapturedFirst : public blob::DirectoryReader {
 public:
  CapturedFirst(const CapturedDelta& delta, blob::DirectoryReader& below)
      : delta_(delta), below_(below) {}

  absl::StatusOr<std::shared_ptr<const blob::Directory>> Read(const Digest& digest) override {
    const auto found = delta_.directories.find(digest);
    if (found != delta_.directories.end()) return found->second.message;
    return below_.Read(digest);
  }
  void Prefetch(absl::Span<const Digest> digests) override {
    std::vector<Digest> below;
    for (const Digest& digest : digests) {
      if (!delta_.directories.contains(digest)) below.push_back(digest);
    }
    if (!below.empty()) below_.Prefetch(below);
  }

 private:
  const CapturedDelta& delta_;
  blob::DirectoryReader& below_;
};

}  // namespace

absl::StatusOr<DeltaCounts> CountChanges(const CapturedDelta& delta, const Digest& input_root,
                                         blob::DirectoryReader& reader) {
  DeltaCounts counts;
  if (delta.root == input_root) return counts;
  CapturedFirst captured(delta, reader);
  const auto changes = blob::Diff(captured, input_root, delta.root);
  if (!changes.ok()) return changes.status();
  for (const blob::DeltaEntry& change : *changes) {
    switch (change.kind) {
      case blob::DeltaEntry::Kind::kAdded:
        ++counts.added;
        break;
      case blob::DeltaEntry::Kind::kChanged:
        ++counts.changed;
        break;
      case blob::DeltaEntry::Kind::kRemoved:
        ++counts.removed;
        break;
    }
  }
  return counts;
}

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
      directories.push_back({digest, directory->second.bytes});
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
