#include "agent/logs/attempt_log.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rally::logs {
namespace {

using keeper::Frame;
using keeper::FrameParser;
using keeper::FrameType;
using keeper::FrameWriter;
using keeper::PayloadReader;
using log::RecordFile;
using log::Stream;

constexpr absl::Duration kRetryPause = absl::Milliseconds(200);
constexpr absl::string_view kLostBytesNotice =
    "[rally: the process that keeps this step's output died; some output may be missing here]\n";

absl::Time MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

size_t IndexOf(Stream stream) { return static_cast<size_t>(stream) - 1; }

// What time or a new keeper can heal. A spool that is full is one: the step waits for room.
bool CanPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

absl::Status MakeFifo(const std::string& path) {
  if (mkfifo(path.c_str(), 0600) == 0) return absl::OkStatus();
  if (errno != EEXIST) return absl::ErrnoToStatus(errno, absl::StrCat("making the FIFO ", path));
  struct stat status;
  if (lstat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path, " exists and isn't a FIFO"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<AttemptLog>> AttemptLog::Start(KeeperClient* keeper,
                                                              const Options& options) {
  RecordFile::Options spool_options;
  spool_options.promised_end = options.promised_end;
  absl::StatusOr<std::unique_ptr<RecordFile>> spool =
      RecordFile::Open(options.spool_path, spool_options);
  if (!spool.ok()) return spool.status();
  const bool fresh = (*spool)->created();
  FileDescriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return absl::ErrnoToStatus(errno, "making an eventfd");
  auto attempt_log =
      absl::WrapUnique(new AttemptLog(keeper, options, *std::move(spool), std::move(wake)));
  attempt_log->Publish();
  if (attempt_log->spool_->complete()) {
    // The predecessor may have died between marking and syncing.
    const absl::Status synced = attempt_log->spool_->Sync().status();
    if (!synced.ok()) return synced;
    return attempt_log;
  }

  for (const std::string& fifo : {options.stdout_fifo, options.stderr_fifo}) {
    const absl::Status made = MakeFifo(fifo);
    if (!made.ok()) return made;
  }
  absl::StatusOr<std::unique_ptr<KeeperConnection>> connection = attempt_log->Attach(fresh);
  if (!connection.ok()) return connection.status();
  attempt_log->thread_ =
      std::thread([log = attempt_log.get(), connection = *std::move(connection)]() mutable {
        log->Run(std::move(connection));
      });
  return attempt_log;
}

AttemptLog::AttemptLog(KeeperClient* keeper, const Options& options,
                       std::unique_ptr<RecordFile> spool, FileDescriptor wake)
    : keeper_(keeper),
      options_(options),
      spool_(std::move(spool)),
      wake_(std::move(wake)),
      spooler_(spool_.get(), options_.masker, options_.partial_line_wait) {}

AttemptLog::~AttemptLog() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<int64_t> AttemptLog::Finish(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    finish_wanted_ = true;
  }
  Wake();
  absl::MutexLock lock(&mutex_);
  const auto ended = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return progress_.complete || !progress_.status.ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ended), timeout)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the output of ", options_.key, " didn't end within ",
                     absl::FormatDuration(timeout), " of the step's; ", progress_.end_offset,
                     " bytes are in the log. A process may still hold its pipes open."));
  }
  if (!progress_.status.ok()) return progress_.status;
  return progress_.end_offset;
}

AttemptLog::Progress AttemptLog::WaitFor(int64_t offset, absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto news = [this, offset]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return progress_.end_offset > offset || progress_.complete || !progress_.status.ok();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&news), timeout);
  return progress_;
}

absl::Status AttemptLog::Remove(KeeperClient* keeper, const std::string& key,
                                const std::string& stdout_fifo, const std::string& stderr_fifo) {
  const absl::Status forgotten = keeper->Forget(key);
  if (!forgotten.ok()) return forgotten;
  for (const std::string& fifo : {stdout_fifo, stderr_fifo}) {
    if (unlink(fifo.c_str()) != 0 && errno != ENOENT) {
      return absl::ErrnoToStatus(errno, absl::StrCat("removing the FIFO ", fifo));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<KeeperConnection>> AttemptLog::Attach(bool fresh) {
  absl::StatusOr<std::unique_ptr<KeeperConnection>> connection = keeper_->Connect();
  if (!connection.ok()) return connection.status();
  StreamOffsets offsets;
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    offsets[IndexOf(stream)] = spool_->source_end(stream);
  }
  const absl::StatusOr<keeper::OpenResult> opened =
      (*connection)->Open(options_.key, {options_.stdout_fifo, options_.stderr_fifo}, offsets);
  if (!opened.ok()) return opened.status();
  // A keeper that never heard of an attempt which went on before: its predecessor is dead, and with
  // it what it had read from the FIFOs and not got rid of.
  if (*opened == keeper::OpenResult::kNew && !fresh) notice_owed_ = true;
  if (notice_owed_) {
    const absl::Status noted = NoteLostBytes();
    if (!noted.ok()) return noted;
  }
  const absl::Status attached = (*connection)->Attach(options_.key, offsets);
  if (!attached.ok()) return attached;
  acknowledged_ = offsets;
  ended_ = {};
  finish_sent_ = false;
  return connection;
}

absl::Status AttemptLog::NoteLostBytes() {
  {
    absl::MutexLock lock(&mutex_);
    may_lack_bytes_ = true;
  }
  // The step's own bytes keep their count: the notice accounts for none of them.
  const absl::Status noted = spool_
                                 ->Append(Stream::kStderr, absl::Now(), kLostBytesNotice,
                                          spool_->source_end(Stream::kStderr))
                                 .status();
  notice_owed_ = !noted.ok();
  Publish();
  return noted;
}

void AttemptLog::Run(std::unique_ptr<KeeperConnection> connection) {
  while (!StopWanted()) {
    absl::Status status;
    if (connection == nullptr) {
      absl::StatusOr<std::unique_ptr<KeeperConnection>> again = Attach(/*fresh=*/false);
      if (again.ok()) connection = *std::move(again);
      status = again.status();
    }
    if (status.ok()) {
      status = ReadFrom(connection.get());
      if (status.ok()) return;
      // Should the keeper be dead, then this is the only copy; should it live, it sends only what
      // follows.
      const absl::Status flushed = spooler_.FlushAll();
      spooler_.Drop();
      Publish();
      if (CanPass(status) && !flushed.ok()) status = flushed;
    }
    connection.reset();
    if (!CanPass(status)) {
      absl::MutexLock lock(&mutex_);
      if (!stop_) progress_.status = status;
      return;
    }
    WaitForWake(kRetryPause, -1);
  }
}

absl::Status AttemptLog::ReadFrom(KeeperConnection* connection) {
  while (true) {
    if (StopWanted()) return absl::CancelledError("stopped");
    if (FinishWanted() && !finish_sent_) {
      const absl::Status sent = connection->Send(FinishFrame(options_.key));
      if (!sent.ok()) return sent;
      finish_sent_ = true;
    }
    absl::Status status = TakeFrames(connection);
    if (status.ok()) status = spooler_.FlushDue(MonotonicNow());
    Publish();
    if (!status.ok()) return status;
    if (ended_[0] && ended_[1]) {
      const absl::Status marked = spool_->MarkComplete();
      if (!marked.ok()) return marked;
      Publish();
      return absl::OkStatus();
    }
    status = Acknowledge(connection);
    if (!status.ok()) return status;
    WaitForWake(spooler_.next_due() - MonotonicNow(), connection->fd());
    status = connection->Receive();
    if (!status.ok()) return status;
  }
}

absl::Status AttemptLog::TakeFrames(KeeperConnection* connection) {
  Frame frame;
  while (true) {
    switch (connection->Next(&frame)) {
      case FrameParser::Result::kNeedMore:
        return absl::OkStatus();
      case FrameParser::Result::kBroken:
        return absl::InternalError("the keeper sent what its protocol doesn't allow");
      case FrameParser::Result::kFrame:
        break;
    }
    const absl::Status taken = TakeFrame(frame);
    if (!taken.ok()) return taken;
  }
}

absl::Status AttemptLog::TakeFrame(const Frame& frame) {
  if (frame.type == FrameType::kReply) {
    return ParseReply(absl::string_view(frame.payload.data(), frame.payload.size())).status();
  }
  if (frame.type == FrameType::kDisplaced) {
    return absl::FailedPreconditionError(
        absl::StrCat("the output of ", options_.key, " is read by another process now"));
  }
  PayloadReader payload(frame.payload);
  const auto stream = static_cast<Stream>(payload.U8());
  const int64_t offset = static_cast<int64_t>(payload.U64());
  if (stream != Stream::kStdout && stream != Stream::kStderr) {
    return absl::InternalError("the keeper sent bytes of no stream");
  }
  if (frame.type == FrameType::kEof) return TakeEnd(stream, offset);
  const absl::Time time = absl::FromUnixMicros(static_cast<int64_t>(payload.U64()));
  const std::string_view bytes = payload.Rest();
  if (frame.type != FrameType::kData || !payload.ok()) {
    return absl::InternalError("the keeper sent a frame that isn't for a reader");
  }
  if (offset != spooler_.taken_end(stream)) {
    return absl::DataLossError(absl::StrCat("the keeper sent bytes at offset ", offset, " of ",
                                            options_.key, " where ", spooler_.taken_end(stream),
                                            " was expected"));
  }
  return spooler_.Add(stream, time, absl::string_view(bytes.data(), bytes.size()), MonotonicNow());
}

absl::Status AttemptLog::TakeEnd(Stream stream, int64_t end) {
  const absl::Status flushed = spooler_.FlushLast(stream);
  if (!flushed.ok()) return flushed;
  if (spool_->source_end(stream) != end) {
    return absl::DataLossError(absl::StrCat("a stream of ", options_.key, " ended at offset ", end,
                                            ", but ", spool_->source_end(stream),
                                            " bytes of it are in the log"));
  }
  ended_[IndexOf(stream)] = true;
  return absl::OkStatus();
}

absl::Status AttemptLog::Acknowledge(KeeperConnection* connection) {
  std::string acks;
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    const int64_t end = spool_->source_end(stream);
    if (end == acknowledged_[IndexOf(stream)]) continue;
    acknowledged_[IndexOf(stream)] = end;
    acks += FrameWriter(FrameType::kAck).U8(static_cast<uint8_t>(stream)).U64(end).Take();
  }
  return acks.empty() ? absl::OkStatus() : connection->Send(acks);
}

void AttemptLog::WaitForWake(absl::Duration timeout, int other_fd) {
  pollfd polled[2] = {{wake_.get(), POLLIN, 0}, {other_fd, POLLIN, 0}};
  int timeout_ms = -1;
  if (timeout < absl::Hours(1)) {
    timeout_ms = std::max<int>(0, static_cast<int>(absl::ToInt64Milliseconds(timeout)) + 1);
  }
  poll(polled, 2, timeout_ms);
  uint64_t count;
  // Empty when the other descriptor ended the wait.
  (void)!read(wake_.get(), &count, sizeof(count));
}

void AttemptLog::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread wakes up anyway.
  (void)!write(wake_.get(), &one, sizeof(one));
}

void AttemptLog::Publish() {
  const int64_t end = spool_->end_offset();
  const bool complete = spool_->complete();
  absl::MutexLock lock(&mutex_);
  progress_.end_offset = end;
  progress_.complete = complete;
}

bool AttemptLog::StopWanted() const {
  absl::MutexLock lock(&mutex_);
  return stop_;
}

bool AttemptLog::FinishWanted() const {
  absl::MutexLock lock(&mutex_);
  return finish_wanted_;
}

bool AttemptLog::may_lack_bytes() const {
  absl::MutexLock lock(&mutex_);
  return may_lack_bytes_;
}

}  // namespace rally::logs
