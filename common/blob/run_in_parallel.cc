#include "common/blob/run_in_parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace rally::blob {

absl::Status RunInParallel(size_t count, int threads,
                           const std::function<absl::Status(size_t)>& run) {
  std::atomic<size_t> next{0};
  absl::Mutex mutex;
  absl::Status first_error;
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      absl::Status status = run(i);
      if (status.ok()) continue;
      absl::MutexLock lock(&mutex);
      if (first_error.ok()) first_error = std::move(status);
      next = count;
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min<size_t>(count, std::max(threads, 1)); ++i) {
    helpers.emplace_back(work);
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  return first_error;
}

}  // namespace rally::blob
