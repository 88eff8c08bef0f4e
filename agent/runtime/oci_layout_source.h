#ifndef RALLY_AGENT_RUNTIME_OCI_LAYOUT_SOURCE_H_
#define RALLY_AGENT_RUNTIME_OCI_LAYOUT_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/image_source.h"

namespace rally::runtime {

// An OCI image layout among files that a step made: a directory, or a plain tar of one. Nothing
// beyond the given directory is opened, whatever links the files hold, and nothing but regular
// files is read. Digests of blobs are checked by whoever stores them. Ownership: owns its open
// file. Threads: not thread-safe. Blocking: on the disk. Errors: kNotFound (no such path or blob),
// kFailedPrecondition (no layout, several manifests), kPermissionDenied (a link that leaves the
// directory), kDataLoss.
class OciLayoutSource : public ImageSource {
 public:
  // Opens `path` beneath `root_fd` and reads its index.
  static absl::StatusOr<std::unique_ptr<OciLayoutSource>> Open(int root_fd,
                                                               const std::string& path);

  // The entry of the index that `digest` names, or the only one when it is "".
  absl::StatusOr<BlobDescriptor> Choose(const std::string& digest) const;

  absl::StatusOr<ManifestDocument> ReadManifest(const std::string& digest,
                                                const CallLimits& limits) override;
  absl::Status FetchBlobs(const std::vector<BlobDescriptor>& blobs, const BlobReceiver& receive,
                          const CallLimits& limits) override;

  // The files of a layout, in a directory or in a tar.
  class Files;

  ~OciLayoutSource() override;

 private:
  OciLayoutSource(std::string path, std::unique_ptr<Files> files);

  const std::string path_;  // As the user wrote it, for messages.
  const std::unique_ptr<Files> files_;
  std::vector<BlobDescriptor> manifests_;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_OCI_LAYOUT_SOURCE_H_
