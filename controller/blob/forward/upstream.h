#ifndef RALLY_CONTROLLER_BLOB_FORWARD_UPSTREAM_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_UPSTREAM_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "controller/blob/idle_watch.h"
#include "controller/blob/stream_count.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace rally::cas {

// The store that forwarded calls go on to, and what all of them share.
// Ownership: outlives every forwarded call. Threads: thread-safe. Blocking: never.
class Upstream {
 public:
  struct Options {
    // The part of the store that is Rally's, whatever instance a client speaks of.
    std::string instance;
    std::string name;  // In messages.
    absl::Duration call_deadline = absl::Seconds(60);
    // Added to a stream's deadline for each MiB.
    absl::Duration deadline_per_mib = absl::Seconds(1);
    // In flight at a time, which bounds the memory: a call holds a request and an answer of a few
    // MiB, a stream one frame.
    int max_calls = 64;
    int max_streams = 256;
    IdleLimits idle;  // Of streams.
  };

  Upstream(const std::shared_ptr<grpc::Channel>& channel, Options options);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // Of the whole call; the client's own deadline, if it's sooner.
  void SetDeadline(const grpc::CallbackServerContext& server, absl::Duration bound,
                   grpc::ClientContext* client) const;
  absl::Duration StreamBound(int64_t size_bytes) const;
  // What the client is told when the store answers so.
  grpc::Status Explain(const grpc::Status& status) const;
  grpc::Status TooBusy() const;

  const Options& options() const { return options_; }
  build::bazel::remote::execution::v2::ContentAddressableStorage::Stub* cas() { return cas_.get(); }
  build::bazel::remote::execution::v2::Capabilities::Stub* capabilities() {
    return capabilities_.get();
  }
  google::bytestream::ByteStream::Stub* byte_stream() { return byte_stream_.get(); }
  StreamCount& calls() { return calls_; }
  StreamCount& streams() { return streams_; }
  IdleWatch& idle_watch() { return idle_watch_; }

 private:
  const Options options_;
  const std::unique_ptr<build::bazel::remote::execution::v2::ContentAddressableStorage::Stub> cas_;
  const std::unique_ptr<build::bazel::remote::execution::v2::Capabilities::Stub> capabilities_;
  const std::unique_ptr<google::bytestream::ByteStream::Stub> byte_stream_;
  StreamCount calls_;
  StreamCount streams_;
  IdleWatch idle_watch_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_UPSTREAM_H_
