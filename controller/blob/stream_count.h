#ifndef RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_
#define RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_

#include <atomic>
#include <utility>

namespace rally::cas {

// How many streams are open, with a bound: each holds a descriptor, and memory if it compresses.
// Ownership: must outlive its places. Threads: thread-safe. Blocking: never.
class StreamCount {
 public:
  explicit StreamCount(int limit) : limit_(limit) {}

  // One stream's part of the bound, given back at its end. False if there was none left.
  class Place {
   public:
    Place() = default;
    explicit Place(StreamCount* count) : count_(count) {}
    Place(Place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(count_, other.count_);
      return *this;
    }
    ~Place() {
      if (count_ != nullptr) --count_->open_;
    }
    explicit operator bool() const { return count_ != nullptr; }

   private:
    StreamCount* count_ = nullptr;
  };

  Place Take() {
    if (++open_ <= limit_) return Place(this);
    --open_;
    return Place();
  }

 private:
  const int limit_;
  std::atomic<int> open_{0};
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_STREAM_COUNT_H_
