#ifndef RALLY_CONTROLLER_BLOB_IDLE_WATCH_H_
#define RALLY_CONTROLLER_BLOB_IDLE_WATCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/blob/stream_count.h"
#include "grpcpp/server_context.h"

namespace rally::cas {

// Of a clock that doesn't jump.
absl::Duration MonotonicNow();

// For how long a stream may wait for its client. gRPC tells of whole messages only, up to a MiB of
// a slow line's time, so these are long.
struct IdleLimits {
  absl::Duration most = absl::Minutes(2);
  // While places for streams are scarce.
  absl::Duration most_when_scarce = absl::Seconds(30);
  absl::Duration check_every = absl::Seconds(1);
  std::function<absl::Duration()> now = MonotonicNow;
};

// Ends streams whose client is there, by what its connection says, but neither sends nor takes
// anything: they hold places that others could use. To the stream it is as if the connection broke
// off; the client is told that it is UNAVAILABLE, and may try again.
//
// Ownership: the counts must outlive it, and it its streams. Threads: has one of its own;
//   thread-safe. Blocking: the destructor, a little.
class IdleWatch {
 public:
  // The streams' places are of these.
  IdleWatch(IdleLimits limits, std::vector<StreamCount*> counts);
  ~IdleWatch();
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

  // What the watch knows of one stream: a member of its reactor. The server's turn is first.
  // Threads: thread-safe. Blocking: never, so it may be called with a lock held.
  class Stream {
   public:
    Stream(IdleWatch* watch, grpc::CallbackServerContext* context);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // It's the client's turn from now on: to send a message, or to take one.
    void ClientsTurn();
    // What happens next doesn't depend on the client.
    void ServersTurn() { waits_since_ = kDoesNotWait; }

   private:
    friend class IdleWatch;
    static constexpr int64_t kDoesNotWait = -1;

    IdleWatch* const watch_;
    grpc_call* const call_;
    const std::string peer_;
    std::atomic<int64_t> waits_since_{kDoesNotWait};  // Nanoseconds of the watch's clock.
  };

 private:
  void Run();
  // Each with a reference, so that it lives until it is cancelled.
  std::vector<grpc_call*> FindIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration LimitFor(const std::string& peer) const;

  const IdleLimits limits_;
  const std::vector<StreamCount*> counts_;
  absl::Mutex mutex_;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_IDLE_WATCH_H_
