#ifndef RALLY_COMMON_BLOB_CAS_CALLS_H_
#define RALLY_COMMON_BLOB_CAS_CALLS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/batch_update.h"
#include "common/blob/blob_key.h"
#include "common/blob/cas_client.h"
#include "common/blob/digest.h"
#include "common/blob/received_bytes.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace rally::blob {

// Whether the same call may end differently a little later.
bool MayPass(const absl::Status& status);
// A blob's name binds its content: somebody else's upload of it is as good.
inline bool IsStored(const absl::Status& status) {
  return status.ok() || absl::IsAlreadyExists(status);
}
// What was given as a blob's content has another digest.
absl::Status NotWhatItSays(const Digest& digest);
void SetDeadline(absl::Time deadline, grpc::ClientContext* context);

// The RPCs of CasClient, one method each, with deadline and repetition; ByteStream's are in
// cas_streams.cc. It does not decide which
// blobs travel together.
// Ownership: its own stubs. Threads: thread-safe. Blocking: each method, on the network.
class CasClient::Calls {
 public:
  // The next bytes of a blob to `to`, and how many: as many as asked for, or fewer at the end. Each
  // attempt opens it anew.
  using NextBytes = std::function<absl::StatusOr<size_t>(char* to, size_t bytes)>;
  using OpenBytes = std::function<absl::StatusOr<NextBytes>()>;
  using Sink = std::function<absl::Status(absl::string_view)>;

  Calls(std::shared_ptr<grpc::Channel> channel, Options options);

  const Options& options() const { return options_; }

  // Once, without repetition.
  absl::StatusOr<build::bazel::remote::execution::v2::ServerCapabilities> AskCapabilities(
      absl::Time deadline);

  // The smaller of our own limit and the server's, which is asked until it has answered once.
  absl::StatusOr<int64_t> BatchLimit();

  // In one request.
  absl::Status FindMissing(absl::Span<const Digest> digests, absl::flat_hash_set<BlobKey>* missing);
  // `fill(i, to)` puts the bytes of blob i, as many as its digest says, to `to`.
  using Fill = std::function<absl::Status(size_t, char*)>;
  absl::Status UploadBatch(absl::Span<const Digest> digests, const Fill& fill);
  // Of different digests. `take(i, bytes)` gets the verified bytes of blob i, each once.
  using Take = std::function<void(size_t, Pieces)>;
  absl::Status BatchRead(absl::Span<const Digest> digests, const Take& take);
  // Goes on with what the server has of an earlier attempt, also of another process.
  absl::Status StreamWrite(const Digest& digest, const OpenBytes& open);
  // Goes on where it was when the connection breaks; verified. An error of the sink's ends it, and
  // comes through as it is.
  absl::Status StreamRead(const Digest& digest, const Sink& sink);

 private:
  absl::Status Repeat(absl::string_view what, const std::function<absl::Status()>& attempt) const;
  // What a server said, with words of our own where it has none.
  absl::Status FromServer(int code, absl::string_view message) const;
  absl::Status BlobStatus(const build::bazel::remote::execution::v2::Digest& digest,
                          const google::rpc::Status& status) const;
  // Leaves in the batch what was not stored, and returns why: a final reason if there is one.
  absl::Status KeepUnstored(const absl::flat_hash_map<BlobKey, absl::Status>& answers,
                            BatchUpdate* batch) const;
  // Reads blobs, and forgets those that were taken: a final reason if others failed.
  absl::Status BatchReadOnce(absl::Span<const Digest> digests, const Take& take, bool server_checks,
                             absl::flat_hash_map<BlobKey, size_t>* wanted);
  // How many bytes of an upload the server has, as far as it tells.
  int64_t ReceivedBytes(const std::string& upload);
  // From a byte on.
  absl::Status WriteOnce(const Digest& digest, const std::string& upload, int64_t begin,
                         const OpenBytes& open);
  // An error of the sink's is told apart by `sunk`, which then holds it.
  absl::Status ReadOnce(const Digest& digest, bool server_checks, Hasher* hasher, const Sink& sink,
                        absl::Status* sunk);
  std::string ResourcePrefix() const;
  absl::Time StreamDeadline(const Digest& digest) const;

  const Options options_;
  const std::unique_ptr<build::bazel::remote::execution::v2::ContentAddressableStorage::Stub> cas_;
  const std::unique_ptr<build::bazel::remote::execution::v2::Capabilities::Stub> capabilities_;
  const std::unique_ptr<google::bytestream::ByteStream::Stub> byte_stream_;
  const std::shared_ptr<grpc::Channel> channel_;  // For messages of bytes.
  absl::Mutex mutex_;
  int64_t server_batch_limit_ ABSL_GUARDED_BY(mutex_) = -1;  // -1: not known yet.
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_CAS_CALLS_H_
