#ifndef RALLY_AGENT_JOURNAL_H_
#define RALLY_AGENT_JOURNAL_H_

#include <sqlite3.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rally/v1/agent_journal.pb.h"

namespace rally::agent {

// What the agent must still know when it was killed: its incarnation, the highest epoch that it
// obeyed, and a record for every attempt that it holds. SQLite, one connection, one writer thread.
// It decides nothing; a caller that has to be durable before it acts waits for Put() to return.
//
// Ownership: owns the file; the caller keeps other processes away from it.
// Threads: thread-safe. Writes of several threads share a transaction.
// Blocking: the writes, until they are on stable storage (well under a millisecond on an SSD).
// Errors: ResourceExhausted (the disk is full: nothing changed, try again), DataLoss (the file is
//   damaged). A write that the disk failed ends the process, since what is on disk is unknown then;
//   the next start reads what is there.
class Journal {
 public:
  // Opens or makes the journal at `path`.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  absl::Status Put(const v1::AttemptRecord& record);
  absl::Status Remove(const v1::AttemptKey& key);
  // Lower ones change nothing.
  absl::Status RaiseEpoch(int64_t epoch);
  absl::Status SetBootId(const std::string& boot_id);

  // What Open() found, in the order of their names.
  const std::vector<v1::AttemptRecord>& found_attempts() const { return found_attempts_; }
  // Of the last SetBootId() of an earlier process; "" in a new journal.
  const std::string& found_boot_id() const { return found_boot_id_; }
  // Random, made together with the file.
  const std::string& incarnation() const { return incarnation_; }
  int64_t highest_epoch() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // One change, owned by the thread that waits for it.
  struct Write {
    const char* sql = nullptr;
    std::vector<std::string> parameters;  // The name as text, a value as a blob.
    absl::Status status;
    bool done = false;
  };

  explicit Journal(sqlite3* db) : db_(db) {}

  absl::Status Configure();
  absl::Status Load();
  absl::Status LoadMeta();
  absl::Status LoadAttempts();
  absl::Status Perform(Write* write) ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Commit(const std::deque<Write*>& batch);
  absl::Status Execute(const char* sql);
  absl::Status Execute(const Write& write);
  absl::Status Error(int code, const char* what) const;

  sqlite3* const db_;  // Used by the writer thread only, once it runs.
  std::vector<v1::AttemptRecord> found_attempts_;
  std::string found_boot_id_;
  std::string incarnation_;

  mutable absl::Mutex mutex_;
  // Bounded by the number of threads, since each waits for its own.
  std::deque<Write*> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t highest_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread writer_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_JOURNAL_H_
