#ifndef RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_
#define RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace rally::cas {

// Who has a call, by grpc::ServerContext::peer(): the host, as one may have any number of
// connections.
std::string PeerOf(absl::string_view address);

// How many streams are open, with a bound: each holds a descriptor, and memory if it compresses.
// One peer has at most three quarters, so that there is something left for others.
// Ownership: must outlive its places. Threads: thread-safe. Blocking: never.
class StreamCount {
 public:
  explicit StreamCount(int limit) : limit_(limit), limit_per_peer_(limit - limit / 4) {}

  // One stream's part of the bound, given back at its end. False if there was none left.
  class Place {
   public:
    Place() = default;
    Place(StreamCount* count, absl::string_view peer) : count_(count), peer_(peer) {}
    Place(Place&& other) noexcept
        : count_(std::exchange(other.count_, nullptr)), peer_(std::move(other.peer_)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(count_, other.count_);
      std::swap(peer_, other.peer_);
      return *this;
    }
    ~Place() {
      if (count_ != nullptr) count_->GiveBack(peer_);
    }
    explicit operator bool() const { return count_ != nullptr; }

   private:
    StreamCount* count_ = nullptr;
    std::string peer_;
  };

  Place Take(absl::string_view peer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether more than three quarters are taken, of all places or of those that this peer may have.
  bool IsScarce(absl::string_view peer) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void GiveBack(absl::string_view peer) ABSL_LOCKS_EXCLUDED(mutex_);

  const int limit_;
  const int limit_per_peer_;
  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, int> open_by_peer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_
