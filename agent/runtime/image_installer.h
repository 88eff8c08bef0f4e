#ifndef RALLY_AGENT_RUNTIME_IMAGE_INSTALLER_H_
#define RALLY_AGENT_RUNTIME_IMAGE_INSTALLER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/runtime/container_runtime.h"
#include "agent/runtime/containerd_connection.h"
#include "agent/runtime/content_store.h"
#include "agent/runtime/image_source.h"

namespace rally::runtime {

// Brings one image from a source into containerd: documents, blobs, unpacked layers, and last the
// image's record, so that a record always stands for a complete image. Blobs that are there aren't
// fetched. All of it is under one lease until the record holds it.
// Threads: thread-safe. Blocking: Install(), for as long as the network and the disk take.
class ImageInstaller {
 public:
  explicit ImageInstaller(const ContainerdConnection& connection)
      : connection_(connection), content_(connection) {}

  // Installs the manifest or index `digest` of `source` as `name`. `source` may be null when all of
  // it should be in the store; kNotFound then names what isn't. The errors don't name the image.
  absl::StatusOr<Image> Install(const std::string& name, const std::string& digest,
                                ImageSource* source, const CallLimits& limits) const;

  // The image that the record `name` stands for, if it is there and unpacked; else kNotFound.
  absl::StatusOr<Image> Find(const std::string& name, const CallLimits& limits) const;

 private:
  struct Parts;

  // The document, from the store or else from the source, and in the store under the lease.
  absl::StatusOr<ManifestDocument> Manifest(const std::string& digest, ImageSource* source,
                                            const Lease& lease, const CallLimits& limits) const;
  absl::Status Store(const std::string& digest, absl::string_view bytes, const Lease& lease,
                     const CallLimits& limits) const;
  absl::Status Fetch(const std::vector<BlobDescriptor>& blobs, ImageSource* source,
                     const Lease& lease, const CallLimits& limits) const;
  absl::Status Label(const Parts& parts, const Lease& lease, const CallLimits& limits) const;
  absl::Status Record(const std::string& name, const Parts& parts, const CallLimits& limits) const;
  absl::StatusOr<Image> Describe(const std::string& name, const Parts& parts,
                                 const CallLimits& limits) const;
  absl::StatusOr<ImageUser> Account(const Parts& parts, const CallLimits& limits) const;

  const ContainerdConnection& connection_;  // Outlives this.
  const ContentStore content_;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_IMAGE_INSTALLER_H_
