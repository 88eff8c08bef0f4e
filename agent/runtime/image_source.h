#ifndef RALLY_AGENT_RUNTIME_IMAGE_SOURCE_H_
#define RALLY_AGENT_RUNTIME_IMAGE_SOURCE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/runtime/content_store.h"
#include "agent/runtime/image_manifest.h"

namespace rally::runtime {

// A manifest or index as it was delivered: its digest is over exactly these bytes.
struct ManifestDocument {
  std::string bytes;
  std::string media_type;
};

// Takes blobs from a source: opens a writer (unless the store has the blob), lets the source fill
// it, and commits. A source may call it from several threads.
using BlobReceiver = std::function<absl::Status(
    const BlobDescriptor& blob, const std::function<absl::Status(BlobWriter&)>& deliver)>;

// Where an image's documents and blobs come from: a registry, or files. It does not check digests
// of blobs (the store does), nor decide which it needs. For one import at a time; not thread-safe.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  // The document with this digest, checked.
  virtual absl::StatusOr<ManifestDocument> ReadManifest(const std::string& digest,
                                                        const CallLimits& limits) = 0;

  // Calls `receive` for each of `blobs`, in any order; the first failure ends it.
  virtual absl::Status FetchBlobs(const std::vector<BlobDescriptor>& blobs,
                                  const BlobReceiver& receive, const CallLimits& limits) = 0;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_IMAGE_SOURCE_H_
