#ifndef RALLY_CONTROLLER_LOGS_LOG_STORE_H_
#define RALLY_CONTROLLER_LOGS_LOG_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/log/record.h"
#include "common/log/record_file.h"
#include "controller/core/event.h"

namespace rally::controller {

// The logs of all attempts, a file each, below one directory. Readers may follow a log while it
// grows; what they are shown may not be durable yet, what is acknowledged to agents always is.
//
// Threads: thread-safe. One thread of its own syncs what was appended, many logs at a time.
// Blocking: Append and Read for the page cache, never for a sync.
class LogStore {
 public:
  // Called on the sync thread with the offset up to which the log is durable, or why it isn't.
  using Acknowledge = std::function<void(absl::StatusOr<int64_t> durable)>;

  struct Chunk {
    std::vector<log::Record> records;
    bool complete = false;  // nothing comes after these records
  };

  static absl::StatusOr<std::unique_ptr<LogStore>> Open(const std::string& directory);
  ~LogStore();

  // Adds records that an agent numbered; what is there already is compared and skipped.
  // OutOfRange when they start after the end (EndOffset tells what is expected), AlreadyExists when
  // they differ from what is stored, ResourceExhausted when the disk is full.
  absl::Status Append(const core::AttemptKey& key, const std::vector<log::Record>& records,
                      bool complete, Acknowledge acknowledge) ABSL_LOCKS_EXCLUDED(mutex_);

  int64_t EndOffset(const core::AttemptKey& key) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<Chunk> Read(const core::AttemptKey& key, int64_t offset, int64_t max_bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing beyond `end` will come; -1: nothing beyond what is there now.
  void SetEnd(const core::AttemptKey& key, int64_t end) ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `wake` once, from any thread, when the log reaches beyond `offset` or is complete;
  // perhaps at once. Cancel with the returned id; after Cancel returned it isn't called.
  int64_t NotifyBeyond(const core::AttemptKey& key, int64_t offset, std::function<void()> wake)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Cancel(const core::AttemptKey& key, int64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiter {
    int64_t id;
    int64_t offset;
    std::shared_ptr<std::function<void()>> wake;
  };
  // Shared by the threads that use one log at a moment; closed when idle and complete.
  struct Log {
    std::shared_ptr<log::RecordFile> file;
    int64_t end = kUnknownEnd;
    std::vector<Waiter> waiters;
  };
  struct PendingAck {
    std::shared_ptr<log::RecordFile> file;
    bool complete;
    Acknowledge acknowledge;
  };
  static constexpr int64_t kUnknownEnd = -2;

  explicit LogStore(std::string directory);

  std::string PathOf(const core::AttemptKey& key) const;
  absl::StatusOr<std::shared_ptr<log::RecordFile>> FileOf(const core::AttemptKey& key, bool create)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool IsComplete(const Log& log);
  // Takes out the waiters that have something to see.
  static std::vector<Waiter> Ripe(Log& log);
  void Forget(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncLoop();

  const std::string directory_;
  absl::Mutex mutex_;
  std::map<std::string, Log> logs_ ABSL_GUARDED_BY(mutex_);
  int64_t next_waiter_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<PendingAck> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread sync_thread_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOGS_LOG_STORE_H_
