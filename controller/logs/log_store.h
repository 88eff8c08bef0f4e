#ifndef RALLY_CONTROLLER_LOGS_LOG_STORE_H_
#define RALLY_CONTROLLER_LOGS_LOG_STORE_H_

#include <cstdint>
#include <functional>
#include <list>
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
// A failed sync ends the process: what the disk then holds is unknown until it is read again.
//
// Threads: thread-safe. One thread of its own syncs what was appended, many logs at a time.
// Blocking: Append, EndOffset, Read and NotifyBeyond on the disk, never for a sync: the first of
//   them reads the whole log to check it.
class LogStore {
 public:
  // Called on the sync thread with the offset up to which the log is durable, or why it isn't.
  using Acknowledge = std::function<void(absl::StatusOr<int64_t> durable)>;

  struct Chunk {
    std::vector<log::Record> records;
    bool complete = false;  // nothing comes after these records
  };

  struct Options {
    size_t idle_logs = 256;  // how many stay open though nobody uses them
  };

  static absl::StatusOr<std::unique_ptr<LogStore>> Open(const std::string& directory,
                                                        const Options& options);
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(const std::string& directory) {
    return Open(directory, Options());
  }
  ~LogStore();

  // Adds records that an agent numbered; what is there already is compared and skipped. When it
  // isn't OK, `acknowledge` is not called.
  // OutOfRange when they start after the end (EndOffset tells what is expected), AlreadyExists when
  // they differ from what is stored, ResourceExhausted when the disk is full.
  absl::Status Append(const core::AttemptKey& key, const std::vector<log::Record>& records,
                      bool complete, Acknowledge acknowledge) ABSL_LOCKS_EXCLUDED(mutex_);

  // 0 for a log that doesn't exist.
  int64_t EndOffset(const core::AttemptKey& key) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<Chunk> Read(const core::AttemptKey& key, int64_t offset, int64_t max_bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing beyond `end` will come; -1: nothing beyond what is there now, unless an end is known.
  // Wakes all who wait for this log. Forgotten when nobody uses the log.
  void SetEnd(const core::AttemptKey& key, int64_t end) ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `wake` once, from any thread, when the log reaches beyond `offset` or is complete;
  // perhaps at once. Cancel with the returned id; a call that has begun isn't waited for.
  int64_t NotifyBeyond(const core::AttemptKey& key, int64_t offset, std::function<void()> wake)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Cancel(const core::AttemptKey& key, int64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiter {
    int64_t id;
    int64_t offset;
    std::function<void()> wake;
  };
  // Shared by the threads that use one log at a moment. There is one for a key at most, since a
  // file can be open for writing only once.
  struct Log {
    absl::Mutex opening;  // held while the file is looked for
    // The rest is guarded by the store's mutex. The file, once there, stays.
    std::unique_ptr<log::RecordFile> file;
    int64_t end = kUnknownEnd;
    std::vector<Waiter> waiters;
    std::list<std::string>::iterator recency;
  };
  using LogRef = std::shared_ptr<Log>;
  struct PendingAck {
    LogRef log;
    log::RecordFile* file;
    bool complete;
    Acknowledge acknowledge;
  };
  static constexpr int64_t kUnknownEnd = -2;

  LogStore(std::string directory, const Options& options);

  std::string PathOf(const core::AttemptKey& key) const;
  absl::StatusOr<LogRef> Acquire(const core::AttemptKey& key) ABSL_LOCKS_EXCLUDED(mutex_);
  void CloseIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The log's file, valid as long as the log is held; null if there is none and it isn't created.
  absl::StatusOr<log::RecordFile*> FileOf(const core::AttemptKey& key, Log& log, bool create)
      ABSL_LOCKS_EXCLUDED(mutex_);
  static bool IsComplete(const Log& log);
  // Takes out the waiters that have something to see.
  static std::vector<Waiter> Ripe(Log& log);
  void SyncLoop();

  const std::string directory_;
  const Options options_;
  absl::Mutex mutex_;
  std::map<std::string, LogRef> logs_ ABSL_GUARDED_BY(mutex_);
  std::list<std::string> by_use_ ABSL_GUARDED_BY(mutex_);  // names, the one used last in front
  int64_t next_waiter_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<PendingAck> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread sync_thread_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOGS_LOG_STORE_H_
