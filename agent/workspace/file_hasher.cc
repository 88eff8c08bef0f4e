#include "agent/workspace/file_hasher.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::workspace {
namespace {

// What opening a file costs, counted in bytes hashed meanwhile.
constexpr int64_t kBytesPerFile = 8 << 10;
// What a thread takes at a time. Less than the longest queue has.
constexpr int64_t kCostAtATime = 256 << 10;
static_assert(kCostAtATime < kBytesPerFile * FileHasher::kMaxQueued);
constexpr unsigned kMaxThreads = 8;

}  // namespace

FileHasher::~FileHasher() { Abandon(); }

void FileHasher::Add(FileDescriptor file, int64_t size_bytes, std::string path,
                     blob::Digest* digest) {
  Work work{std::move(file), size_bytes, std::move(path), digest};
  const int64_t cost = CostOf(work);
  if (threads_.empty() && cost <= inline_bytes_left_) {
    inline_bytes_left_ -= cost;
    Record(Hash(work));
    return;
  }
  if (threads_.empty()) {
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads);
    for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Run(); });
  }
  absl::MutexLock lock(&mutex_);
  const auto has_room = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queue_.size() < kMaxQueued;
  };
  mutex_.Await(absl::Condition(&has_room));
  queue_.push_back(std::move(work));
  queued_cost_ += cost;
}

absl::Status FileHasher::Finish() {
  Join();
  absl::MutexLock lock(&mutex_);
  return first_error_;
}

void FileHasher::Abandon() {
  given_up_ = true;
  Join();
}

int64_t FileHasher::CostOf(const Work& work) { return work.size_bytes + kBytesPerFile; }

absl::Status FileHasher::Hash(const Work& work) {
  const auto keep_going = [this] {
    if (given_up_) return absl::CancelledError("given up");
    return keep_going_ ? keep_going_() : absl::OkStatus();
  };
  if (absl::Status status = keep_going(); !status.ok()) return status;
  auto digest =
      blob::DigestOfFile(work.file.get(), std::numeric_limits<int64_t>::max(), keep_going);
  if (!digest.ok()) {
    return absl::Status(digest.status().code(),
                        absl::StrCat(work.path, ": ", digest.status().message()));
  }
  if (digest->size_bytes != work.size_bytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(work.path, " changed while it was captured: a process still writes to it"));
  }
  *work.digest = *std::move(digest);
  return absl::OkStatus();
}

void FileHasher::Record(const absl::Status& status) {
  if (status.ok()) return;
  absl::MutexLock lock(&mutex_);
  if (first_error_.ok()) first_error_ = status;
  given_up_ = true;
}

void FileHasher::Run() {
  while (true) {
    std::vector<Work> taken;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return queued_cost_ >= kCostAtATime || finishing_;
      };
      mutex_.Await(absl::Condition(&wanted));
      if (queue_.empty()) return;
      for (int64_t cost = 0; cost < kCostAtATime && !queue_.empty(); cost += CostOf(taken.back())) {
        taken.push_back(std::move(queue_.front()));
        queue_.pop_front();
        queued_cost_ -= CostOf(taken.back());
      }
    }
    for (const Work& work : taken) Record(Hash(work));
  }
}

void FileHasher::Join() {
  {
    absl::MutexLock lock(&mutex_);
    finishing_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace rally::workspace
