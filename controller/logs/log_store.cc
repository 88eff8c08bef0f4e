#include "controller/logs/log_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/failpoint.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

// How long appended bytes wait for others, so that one sync serves many. Acknowledgements aren't on
// any step's critical path.
constexpr absl::Duration kGroupCommit = absl::Milliseconds(20);

// Build ids come from the controller, but a key may come from an agent: a name must stay a name.
bool IsSafeName(const std::string& id) {
  return !id.empty() && id.size() <= 64 &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) { return isalnum(c) || c == '-'; });
}

std::string NameOf(const core::AttemptKey& key) {
  return absl::StrCat(key.build_id, "/", key.step, "-", key.attempt);
}

absl::Status Failure(int error, const std::string& doing) {
  const std::string text = absl::StrCat(doing, ": ", strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(text)
                                            : absl::InternalError(text);
}

// The names in a folder survive a power loss only when the folder itself was synced.
absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failure(errno, absl::StrCat("opening the folder ", path));
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : Failure(error, absl::StrCat("syncing ", path));
}

absl::Status MakeDirectory(const std::string& path, const std::string& parent) {
  if (mkdir(path.c_str(), 0700) == 0) return SyncDirectory(parent);
  if (errno == EEXIST) return absl::OkStatus();
  return Failure(errno, absl::StrCat("making the folder ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(const std::string& directory,
                                                         const Options& options) {
  absl::Status made = MakeDirectory(directory, absl::StrCat(directory, "/.."));
  if (!made.ok()) return made;
  return std::unique_ptr<LogStore>(new LogStore(directory, options));
}

LogStore::LogStore(std::string directory, const Options& options)
    : directory_(std::move(directory)), options_(options) {
  sync_thread_ = std::thread([this] { SyncLoop(); });
}

LogStore::~LogStore() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  sync_thread_.join();
}

std::string LogStore::PathOf(const core::AttemptKey& key) const {
  return absl::StrCat(directory_, "/", NameOf(key), ".log");
}

absl::StatusOr<LogStore::LogRef> LogStore::Acquire(const core::AttemptKey& key) {
  if (!IsSafeName(key.build_id) || key.step < 0 || key.attempt < 1) {
    return absl::InvalidArgumentError(absl::StrCat("no attempt is called ", NameOf(key)));
  }
  const std::string name = NameOf(key);
  absl::MutexLock lock(&mutex_);
  LogRef& log = logs_[name];
  if (log == nullptr) {
    log = std::make_shared<Log>();
    by_use_.push_front(name);
    log->recency = by_use_.begin();
    LogRef held = log;  // so that it isn't the idle one
    CloseIdle();
    return held;
  }
  by_use_.splice(by_use_.begin(), by_use_, log->recency);
  return log;
}

// Here nobody can get hold of a log that only the map holds, so its file is closed for good when
// it's opened again.
void LogStore::CloseIdle() {
  size_t excess = logs_.size() - std::min(logs_.size(), options_.idle_logs);
  for (auto it = by_use_.end(); excess > 0 && it != by_use_.begin(); --excess) {
    --it;
    auto found = logs_.find(*it);
    if (found->second.use_count() > 1 || !found->second->waiters.empty()) continue;
    logs_.erase(found);
    it = by_use_.erase(it);
  }
}

absl::StatusOr<log::RecordFile*> LogStore::FileOf(const core::AttemptKey& key, Log& log,
                                                  bool create) {
  absl::MutexLock opening(&log.opening);
  {
    absl::MutexLock lock(&mutex_);
    if (log.file != nullptr) return log.file.get();
  }
  struct stat info;
  if (!create && stat(PathOf(key).c_str(), &info) != 0) return nullptr;
  if (create) {
    absl::Status made = MakeDirectory(absl::StrCat(directory_, "/", key.build_id), directory_);
    if (!made.ok()) return made;
  }
  absl::StatusOr<std::unique_ptr<log::RecordFile>> file = log::RecordFile::Open(PathOf(key));
  if (!file.ok()) return file.status();
  absl::MutexLock lock(&mutex_);
  log.file = *std::move(file);
  return log.file.get();
}

bool LogStore::IsComplete(const Log& log) {
  const int64_t stored = log.file == nullptr ? 0 : log.file->end_offset();
  return (log.file != nullptr && log.file->complete()) ||
         (log.end != kUnknownEnd && stored >= log.end);
}

std::vector<LogStore::Waiter> LogStore::Ripe(Log& log) {
  const bool complete = IsComplete(log);
  const int64_t stored = log.file == nullptr ? 0 : log.file->end_offset();
  auto first_ripe = std::stable_partition(
      log.waiters.begin(), log.waiters.end(),
      [&](const Waiter& waiter) { return !complete && stored <= waiter.offset; });
  std::vector<Waiter> ripe(std::make_move_iterator(first_ripe),
                           std::make_move_iterator(log.waiters.end()));
  log.waiters.erase(first_ripe, log.waiters.end());
  return ripe;
}

absl::Status LogStore::Append(const core::AttemptKey& key, const std::vector<log::Record>& records,
                              bool complete, Acknowledge acknowledge) {
  auto log = Acquire(key);
  if (!log.ok()) return log.status();
  auto file = FileOf(key, **log, /*create=*/true);
  if (!file.ok()) return file.status();
  for (const log::Record& record : records) {
    auto end = (*file)->AppendAt(record.offset, record.stream, record.time, record.bytes);
    if (!end.ok()) return end.status();
  }
  std::vector<Waiter> ripe;
  {
    absl::MutexLock lock(&mutex_);
    if (complete) (*log)->end = (*file)->end_offset();
    ripe = Ripe(**log);
    pending_.push_back({*log, *file, complete, std::move(acknowledge)});
  }
  for (Waiter& waiter : ripe) waiter.wake();
  return absl::OkStatus();
}

int64_t LogStore::EndOffset(const core::AttemptKey& key) {
  auto log = Acquire(key);
  if (!log.ok()) return 0;
  auto file = FileOf(key, **log, /*create=*/false);
  return file.ok() && *file != nullptr ? (*file)->end_offset() : 0;
}

absl::StatusOr<LogStore::Chunk> LogStore::Read(const core::AttemptKey& key, int64_t offset,
                                               int64_t max_bytes) {
  auto log = Acquire(key);
  if (!log.ok()) return log.status();
  auto file = FileOf(key, **log, /*create=*/false);
  if (!file.ok()) return file.status();
  bool was_complete;
  {
    absl::MutexLock lock(&mutex_);
    was_complete = IsComplete(**log);
  }
  Chunk chunk;
  if (*file == nullptr) {
    chunk.complete = was_complete;
    return chunk;
  }
  auto records = (*file)->Read(offset, max_bytes);
  if (!records.ok()) return records.status();
  chunk.records = *std::move(records);
  const int64_t read_to =
      chunk.records.empty()
          ? offset
          : chunk.records.back().offset + static_cast<int64_t>(chunk.records.back().bytes.size());
  chunk.complete = was_complete && read_to >= (*file)->end_offset();
  return chunk;
}

void LogStore::SetEnd(const core::AttemptKey& key, int64_t end) {
  std::vector<Waiter> woken;
  {
    absl::MutexLock lock(&mutex_);
    auto it = logs_.find(NameOf(key));
    // Nobody reads or writes it now: who asks later is told the end by the core's state.
    if (it == logs_.end()) return;
    Log& log = *it->second;
    if (end >= 0) {
      log.end = end;
    } else if (log.end == kUnknownEnd) {
      log.end = log.file == nullptr ? 0 : log.file->end_offset();
    }
    woken = std::exchange(log.waiters, {});
  }
  for (Waiter& waiter : woken) waiter.wake();
}

int64_t LogStore::NotifyBeyond(const core::AttemptKey& key, int64_t offset,
                               std::function<void()> wake) {
  auto log = Acquire(key);
  if (!log.ok()) return 0;
  // One that can't be read never wakes anybody; whoever reads it is told.
  FileOf(key, **log, /*create=*/false).status().IgnoreError();
  std::vector<Waiter> ripe;
  int64_t id;
  {
    absl::MutexLock lock(&mutex_);
    id = next_waiter_++;
    (*log)->waiters.push_back({id, offset, std::move(wake)});
    ripe = Ripe(**log);
  }
  for (Waiter& waiter : ripe) waiter.wake();
  return id;
}

void LogStore::Cancel(const core::AttemptKey& key, int64_t id) {
  std::vector<Waiter> cancelled;  // what they captured is destroyed outside of the lock
  absl::MutexLock lock(&mutex_);
  auto it = logs_.find(NameOf(key));
  if (it == logs_.end()) return;
  auto& waiters = it->second->waiters;
  auto found = std::find_if(waiters.begin(), waiters.end(),
                            [id](const Waiter& waiter) { return waiter.id == id; });
  if (found == waiters.end()) return;
  cancelled.push_back(std::move(*found));
  waiters.erase(found);
}

void LogStore::SyncLoop() {
  while (true) {
    std::vector<PendingAck> batch;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](LogStore* store) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store->mutex_) {
            return store->stopping_ || !store->pending_.empty();
          },
          this));
      if (pending_.empty()) return;
      // Let more come, unless it is the end.
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kGroupCommit);
      batch.swap(pending_);
    }
    std::map<log::RecordFile*, int64_t> durable;
    for (PendingAck& ack : batch) {
      if (durable.count(ack.file) == 0) {
        absl::StatusOr<int64_t> synced = ack.file->Sync();
        if (!synced.ok()) LOG(FATAL) << synced.status() << ": what is durable is unknown, stopping";
        durable[ack.file] = *synced;
      }
      absl::Status marked;
      if (ack.complete) marked = ack.file->MarkComplete();
      Failpoint("before-log-ack");
      if (marked.ok()) {
        ack.acknowledge(durable[ack.file]);
      } else {
        ack.acknowledge(marked);
      }
    }
  }
}

}  // namespace rally::controller
