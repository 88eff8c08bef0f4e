#ifndef RALLY_AGENT_RUNTIME_CONTENT_STORE_H_
#define RALLY_AGENT_RUNTIME_CONTENT_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/runtime/containerd_connection.h"
#include "agent/runtime/image_manifest.h"

namespace rally::runtime {

// One blob on its way into containerd. Pieces are gathered into messages of 1 MiB, so memory stays
// bounded however large the blob is. Dropping it before Commit() leaves what was written for the
// next one to go on from. Not thread-safe. Every method may block on containerd's disk.
class BlobWriter {
 public:
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  const BlobDescriptor& blob() const { return blob_; }

  // How many of the blob's bytes containerd has already; the first Append() goes on from there.
  int64_t offset() const { return offset_ + static_cast<int64_t>(pending_.size()); }

  // kDataLoss when the blob gets longer than its descriptor says.
  absl::Status Append(absl::string_view bytes);

  // kDataLoss when the bytes don't match the digest; the partial blob is then thrown away.
  absl::Status Commit();

 private:
  friend class ContentStore;
  BlobWriter(const ContainerdConnection& connection, const CallLimits& limits,
             absl::string_view lease, const BlobDescriptor& blob);

  // kAlreadyExists: the store has the blob.
  absl::Status Open();
  absl::Status Flush();
  absl::Status Exchange(const content::WriteContentRequest& request);
  // The status that the stream ended with.
  absl::Status Failed();
  void Abort();

  const ContainerdConnection& connection_;  // Outlives this.
  const BlobDescriptor blob_;
  Call call_;
  std::unique_ptr<
      grpc::ClientReaderWriter<content::WriteContentRequest, content::WriteContentResponse>>
      stream_;
  content::WriteContentResponse reply_;
  int64_t offset_ = 0;
  std::string pending_;
  bool finished_ = false;
};

// containerd's blobs, in one namespace. It knows no registries and no image formats beyond the
// labels that tie blobs together. Threads: thread-safe. Blocking: all methods, on containerd.
class ContentStore {
 public:
  explicit ContentStore(const ContainerdConnection& connection) : connection_(connection) {}

  // A whole small blob, its digest checked. kNotFound when it isn't there.
  absl::StatusOr<std::string> Read(const std::string& digest, const CallLimits& limits) const;

  // Null when the store has the blob already (it is then under the lease too). Waits while another
  // writer writes the same blob.
  absl::StatusOr<std::unique_ptr<BlobWriter>> Write(const BlobDescriptor& blob,
                                                    absl::string_view lease,
                                                    const CallLimits& limits) const;

  // Adds labels to a blob; garbage collection follows some of them.
  absl::Status Label(const std::string& digest, const std::map<std::string, std::string>& labels,
                     absl::string_view lease, const CallLimits& limits) const;

 private:
  const ContainerdConnection& connection_;  // Outlives this.
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTENT_STORE_H_
