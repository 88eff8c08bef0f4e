#ifndef RALLY_AGENT_LOGS_ATTEMPT_LOG_H_
#define RALLY_AGENT_LOGS_ATTEMPT_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/logs/keeper_client.h"
#include "agent/logs/line_spooler.h"
#include "agent/logs/masker.h"
#include "common/file_descriptor.h"
#include "common/log/record_file.h"

namespace rally::logs {

// One attempt's output on its way from the keeper to the spool file. It may be destroyed, or die
// with its process, at any moment: the next one for the same attempt goes on at the same byte. It
// sends nothing to the controller; whoever does reads spool() and waits by WaitFor(). Ownership:
// owns the spool's file and a thread; the client and the masker must outlive it. The spool's file
// stays until its owner deletes it. Threads: thread-safe. Blocking: as the methods say; the
// destructor waits for the thread, which never waits longer than the client's timeout. Errors: a
// failure that can pass (full disk, dead keeper) is retried and the step held back meanwhile; any
// other ends the log, and WaitFor() and Finish() report it.
class AttemptLog {
 public:
  struct Options {
    std::string key;          // BUILD-INDEX-ATTEMPT
    std::string stdout_fifo;  // Made if they don't exist.
    std::string stderr_fifo;
    std::string spool_path;
    // What of the log has been acknowledged, see RecordFile::Options.
    int64_t promised_end = 0;
    absl::Duration partial_line_wait = absl::Milliseconds(100);
    Masker* masker = nullptr;  // None: the bytes are logged as they are.
  };

  // Begins, or goes on after a restart. When it returns OK, the keeper holds both FIFOs: the
  // container may be created. A spool that is complete needs no keeper any more.
  static absl::StatusOr<std::unique_ptr<AttemptLog>> Start(KeeperClient* keeper,
                                                           const Options& options);
  ~AttemptLog();

  // To be called when no process of the step lives any more: without it the log never ends. Blocks
  // until all output is in the spool and on stable storage, and returns the log's end offset.
  // kDeadlineExceeded after `timeout`: something still holds a FIFO open; call again or give up.
  absl::StatusOr<int64_t> Finish(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Progress {
    int64_t end_offset = 0;
    bool complete = false;
    absl::Status status;  // Why the log ended before it was complete.
  };
  // Blocks until the log reaches beyond `offset`, has ended, or `timeout` is over.
  Progress WaitFor(int64_t offset, absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mutex_);

  // For reading; nobody else may append.
  const log::RecordFile& spool() const { return *spool_; }

  // The keeper died and may have taken up to 128 KiB of each stream with it. The log has a line
  // that says so.
  bool may_lack_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The last step of an attempt's life: makes the keeper forget it and removes the FIFOs. Whatever
  // wasn't read is gone. Static, since an attempt may have to be given up without a log.
  static absl::Status Remove(KeeperClient* keeper, const std::string& key,
                             const std::string& stdout_fifo, const std::string& stderr_fifo);

 private:
  AttemptLog(KeeperClient* keeper, const Options& options, std::unique_ptr<log::RecordFile> spool,
             FileDescriptor wake);

  // Connects and attaches. `fresh` when the keeper can't have held the attempt before.
  absl::StatusOr<std::unique_ptr<KeeperConnection>> Attach(bool fresh);
  void Run(std::unique_ptr<KeeperConnection> connection);
  // Reads until the log is complete (OK), or the connection or the spool fails, or Stop.
  absl::Status ReadFrom(KeeperConnection* connection);
  absl::Status TakeFrames(KeeperConnection* connection);
  absl::Status TakeFrame(const keeper::Frame& frame);
  absl::Status TakeEnd(log::Stream stream, int64_t end);
  absl::Status Acknowledge(KeeperConnection* connection);
  absl::Status NoteLostBytes() ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitForWake(absl::Duration timeout, int other_fd);
  void Wake();
  void Publish() ABSL_LOCKS_EXCLUDED(mutex_);
  bool StopWanted() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool FinishWanted() const ABSL_LOCKS_EXCLUDED(mutex_);

  KeeperClient* const keeper_;  // Outlives this.
  const Options options_;
  const std::unique_ptr<log::RecordFile> spool_;
  const FileDescriptor wake_;  // An eventfd that ends the thread's poll().

  // The thread's own, and Start()'s before the thread exists.
  LineSpooler spooler_;
  StreamOffsets acknowledged_{};
  std::array<bool, log::kStreams> ended_{};
  bool finish_sent_ = false;
  bool notice_owed_ = false;  // That bytes may be lost isn't in the log yet.

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool finish_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool may_lack_bytes_ ABSL_GUARDED_BY(mutex_) = false;
  Progress progress_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Last, so that it sees everything else made.
};

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_ATTEMPT_LOG_H_
