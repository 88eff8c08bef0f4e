#ifndef RALLY_COMMON_BLOB_CAS_CLIENT_H_
#define RALLY_COMMON_BLOB_CAS_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/blob/blob_store.h"
#include "grpcpp/channel.h"

namespace rally::blob {

// A store behind gRPC, reached with the portable core of the Remote Execution API only:
// FindMissingBlobs, BatchUpdateBlobs, BatchReadBlobs, ByteStream Read and Write, GetCapabilities.
// So the server may be anybody's. One that also knows ByteStream's QueryWriteStatus gets the rest
// only of a large blob whose upload broke off. It does not compress, and does not remember which
// blobs the server has.
//
// Ownership: shares the channel. Threads: thread-safe.
// Blocking: every method; each RPC has Options::call_deadline, and is repeated with growing pauses
//   at most Options::max_attempts times when the server can't be reached or says to try again, more
//   often while Options::patience lasts, and less often when it says that it's full. Of a batch
//   only what failed so is sent again; a read goes on where it broke off. A stream's deadline grows
//   with the blob's size.
// Errors: as BlobStore, whatever the server's words for them; they name server and blob. Others
//   than those of the table come through from the server.
class CasClient : public BlobStore {
 public:
  struct Options {
    std::string instance;
    // What messages call the server.
    std::string name = "the blob service";
    absl::Duration call_deadline = absl::Seconds(60);
    // Added to a stream's deadline for each MiB.
    absl::Duration deadline_per_mib = absl::Seconds(1);
    // Of one request or answer with many blobs. Each in flight is in memory at both ends, which
    // costs more than calls do from here on; gRPC's default limit is 4 MiB a message.
    int64_t batch_limit_bytes = 1024 * 1024;
    // Blobs above go by ByteStream, smaller ones by batches.
    int64_t max_batched_blob_bytes = 256 * 1024;
    // Batches and streams of one Upload or Read in flight at a time.
    int max_streams = 4;
    int max_attempts = 5;
    // A server that can't be reached is tried at least so long, in however many attempts.
    absl::Duration patience;
    absl::Duration first_pause = absl::Milliseconds(100);
  };

  CasClient(std::shared_ptr<grpc::Channel> channel, Options options);
  ~CasClient() override;

  absl::StatusOr<std::vector<Digest>> FindMissing(absl::Span<const Digest> digests) override;
  absl::Status Upload(std::vector<BlobUpload> uploads) override;
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const Digest> digests) override;
  absl::Status ReadEach(absl::Span<const Digest> digests, const Take& take) override;
  absl::Status ReadToFile(const Digest& digest, int fd) override;

  // Whether the server answers, and can be used: it has to know SHA-256 and version 2 of the API.
  // One that can't be reached is tried until `patience` is over. Unavailable, naming it, then;
  // FailedPrecondition when it's no such server.
  absl::Status CheckServer(absl::Duration patience);

 private:
  class Calls;  // cas_calls.h
  std::unique_ptr<Calls> calls_;
  std::atomic<int> callers_{0};  // Uploads and Reads that run now.
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_CAS_CLIENT_H_
