#ifndef RALLY_TESTS_BLOB_FAULTY_CAS_SERVER_H_
#define RALLY_TESTS_BLOB_FAULTY_CAS_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/digest.h"
#include "grpcpp/grpcpp.h"

namespace rally::testing {

// A blob store of the Remote Execution API in memory that does what it is told to do wrong, on a
// free port of the loopback. It is strict with its client: what breaks the limits that it
// advertises is refused, and ByteStream names have to be well formed.
// Threads: thread-safe. Blocking: as faults say.
class FaultyCasServer {
 public:
  struct Faults {
    absl::Duration delay;  // before each answer
    // So many attempts of each different call end with this status; then it is done.
    int failing_attempts = 0;
    grpc::StatusCode status = grpc::StatusCode::UNAVAILABLE;
    // Likewise for each single blob within a batch.
    int failing_blob_attempts = 0;
    grpc::StatusCode blob_status = grpc::StatusCode::UNAVAILABLE;
    // Reads: bytes of the right number but with one changed, or no blob at all; FindMissing finds
    // them nevertheless.
    bool wrong_bytes = false;
    bool lost = false;
    // So many streams of each blob end with this status at half of what is left, or go on for one
    // byte too long.
    int cut_streams = 0;
    grpc::StatusCode cut_status = grpc::StatusCode::UNAVAILABLE;
    bool surplus_byte = false;
    // So many uploads of each blob by ByteStream end so once half of it was received. What was
    // received can be gone on with, unless the server knows no QueryWriteStatus, or damages it.
    int cut_uploads = 0;
    bool knows_write_status = false;
    bool damages_uploads = false;
    // Answers that leave out a blob, or name one that no client can know.
    bool forgetful = false;
    bool nonsense = false;
    // Capabilities.
    bool without_capabilities = false;
    int64_t max_batch_bytes = 0;  // 0: no limit, as it says
    std::vector<build::bazel::remote::execution::v2::DigestFunction::Value> digest_functions = {
        build::bazel::remote::execution::v2::DigestFunction::SHA256};
    int low_version = 2;
    int high_version = 2;
  };

  // What clients did.
  struct Seen {
    int64_t capabilities_calls = 0;
    int64_t find_calls = 0;
    int64_t update_calls = 0;
    int64_t batch_read_calls = 0;
    int64_t write_calls = 0;
    int64_t read_calls = 0;
    int64_t updated_blobs = 0;  // within batches, each time that they came
    int64_t largest_find = 0;
    int64_t largest_batch_bytes = 0;
    std::vector<int64_t> read_offsets;
    std::vector<int64_t> write_offsets;
    bool compression_wanted = false;
  };

  explicit FaultyCasServer(Faults faults);
  FaultyCasServer() : FaultyCasServer(Faults()) {}
  ~FaultyCasServer();

  std::shared_ptr<grpc::Channel> NewChannel() const;
  const std::string& address() const { return address_; }

  // From the next call on, as if no attempt had been made yet.
  void SetFaults(Faults faults) ABSL_LOCKS_EXCLUDED(mutex_);
  Seen seen() const ABSL_LOCKS_EXCLUDED(mutex_);
  blob::Digest Put(const std::string& bytes) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Cas;
  class ByteStream;
  class Capabilities;

  // Counts the call, waits as long as it has to, and says how it fails, if it does.
  grpc::Status Enter(int64_t Seen::*counter, const std::string& call) ABSL_LOCKS_EXCLUDED(mutex_);
  grpc::Status EnterBatch(int64_t Seen::*counter, const std::string& call, int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void SawCompression() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether this attempt of `what` is one of the first `count`.
  bool IsAmongFirst(int count, const std::string& what) ABSL_LOCKS_EXCLUDED(mutex_);
  // As the faults have it. False: there is none.
  bool Load(const std::string& name, std::string* bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  Faults faults() const ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Notification stopping_;
  mutable absl::Mutex mutex_;
  Faults faults_ ABSL_GUARDED_BY(mutex_);
  Seen seen_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> attempts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> blobs_ ABSL_GUARDED_BY(mutex_);    // by HASH/SIZE
  std::map<std::string, std::string> uploads_ ABSL_GUARDED_BY(mutex_);  // by resource name; cut
  std::unique_ptr<Cas> cas_;
  std::unique_ptr<ByteStream> byte_stream_;
  std::unique_ptr<Capabilities> capabilities_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace rally::testing

#endif  // RALLY_TESTS_BLOB_FAULTY_CAS_SERVER_H_
