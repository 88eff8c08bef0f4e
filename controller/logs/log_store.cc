#include "controller/logs/log_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

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

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  const std::string text = absl::StrCat("making the folder ", path, ": ", strerror(errno));
  return errno == ENOSPC ? absl::ResourceExhaustedError(text) : absl::InternalError(text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(const std::string& directory) {
  if (absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  return std::unique_ptr<LogStore>(new LogStore(directory));
}

LogStore::LogStore(std::string directory) : directory_(std::move(directory)) {
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

absl::StatusOr<std::shared_ptr<log::RecordFile>> LogStore::FileOf(const core::AttemptKey& key,
                                                                  bool create) {
  if (!IsSafeName(key.build_id) || key.step < 0 || key.attempt < 1) {
    return absl::InvalidArgumentError(absl::StrCat("no attempt is called ", NameOf(key)));
  }
  Log& log = logs_[NameOf(key)];
  if (log.file != nullptr) return log.file;
  struct stat info;
  if (!create && stat(PathOf(key).c_str(), &info) != 0) return std::shared_ptr<log::RecordFile>();
  if (create) {
    absl::Status made = MakeDirectory(absl::StrCat(directory_, "/", key.build_id));
    if (!made.ok()) return made;
  }
  absl::StatusOr<std::unique_ptr<log::RecordFile>> file = log::RecordFile::Open(PathOf(key));
  if (!file.ok()) return file.status();
  log.file = *std::move(file);
  return log.file;
}

bool LogStore::IsComplete(const Log& log) {
  const int64_t stored = log.file == nullptr ? 0 : log.file->end_offset();
  return (log.file != nullptr && log.file->complete()) ||
         (log.end != kUnknownEnd && stored >= log.end);
}

std::vector<LogStore::Waiter> LogStore::Ripe(Log& log) {
  const bool complete = IsComplete(log);
  const int64_t stored = log.file == nullptr ? 0 : log.file->end_offset();
  std::vector<Waiter> ripe;
  auto first_ripe = std::stable_partition(
      log.waiters.begin(), log.waiters.end(),
      [&](const Waiter& waiter) { return !complete && stored <= waiter.offset; });
  ripe.assign(std::make_move_iterator(first_ripe), std::make_move_iterator(log.waiters.end()));
  log.waiters.erase(first_ripe, log.waiters.end());
  return ripe;
}

void LogStore::Forget(const std::string& name) {
  auto it = logs_.find(name);
  if (it == logs_.end() || !it->second.waiters.empty()) return;
  const Log& log = it->second;
  // A complete file reopens as complete; an end that is only known here must be kept.
  if (log.file != nullptr ? log.file->complete() : log.end == kUnknownEnd) logs_.erase(it);
}

absl::Status LogStore::Append(const core::AttemptKey& key, const std::vector<log::Record>& records,
                              bool complete, Acknowledge acknowledge) {
  std::shared_ptr<log::RecordFile> file;
  {
    absl::MutexLock lock(&mutex_);
    auto opened = FileOf(key, /*create=*/true);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
  }
  for (const log::Record& record : records) {
    auto end = file->AppendAt(record.offset, record.stream, record.time, record.bytes);
    if (!end.ok()) return end.status();
  }
  std::vector<Waiter> ripe;
  {
    absl::MutexLock lock(&mutex_);
    Log& log = logs_[NameOf(key)];
    if (complete) log.end = file->end_offset();
    ripe = Ripe(log);
    pending_.push_back({std::move(file), complete, std::move(acknowledge)});
  }
  for (Waiter& waiter : ripe) (*waiter.wake)();
  return absl::OkStatus();
}

int64_t LogStore::EndOffset(const core::AttemptKey& key) {
  absl::MutexLock lock(&mutex_);
  auto file = FileOf(key, /*create=*/false);
  const int64_t end = file.ok() && *file != nullptr ? (*file)->end_offset() : 0;
  Forget(NameOf(key));
  return end;
}

absl::StatusOr<LogStore::Chunk> LogStore::Read(const core::AttemptKey& key, int64_t offset,
                                               int64_t max_bytes) {
  std::shared_ptr<log::RecordFile> file;
  bool was_complete;
  {
    absl::MutexLock lock(&mutex_);
    auto opened = FileOf(key, /*create=*/false);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
    was_complete = IsComplete(logs_[NameOf(key)]);
    Forget(NameOf(key));
  }
  Chunk chunk;
  if (file != nullptr) {
    auto records = file->Read(offset, max_bytes);
    if (!records.ok()) return records.status();
    chunk.records = *std::move(records);
  }
  const int64_t stored = file == nullptr ? 0 : file->end_offset();
  const int64_t read_to =
      chunk.records.empty()
          ? offset
          : chunk.records.back().offset + static_cast<int64_t>(chunk.records.back().bytes.size());
  chunk.complete = was_complete && read_to >= stored;
  return chunk;
}

void LogStore::SetEnd(const core::AttemptKey& key, int64_t end) {
  std::vector<Waiter> ripe;
  {
    absl::MutexLock lock(&mutex_);
    auto it = logs_.find(NameOf(key));
    // Nobody reads or writes it now: who asks later is told the end by the core's state.
    if (it == logs_.end()) return;
    Log& log = it->second;
    if (log.end != kUnknownEnd && end < 0) return;
    log.end = end >= 0 ? end : (log.file == nullptr ? 0 : log.file->end_offset());
    ripe = Ripe(log);
  }
  for (Waiter& waiter : ripe) (*waiter.wake)();
}

int64_t LogStore::NotifyBeyond(const core::AttemptKey& key, int64_t offset,
                               std::function<void()> wake) {
  std::vector<Waiter> ripe;
  int64_t id;
  {
    absl::MutexLock lock(&mutex_);
    FileOf(key, /*create=*/false).status().IgnoreError();  // an unreadable log never wakes anybody
    Log& log = logs_[NameOf(key)];
    id = next_waiter_++;
    log.waiters.push_back({id, offset, std::make_shared<std::function<void()>>(std::move(wake))});
    ripe = Ripe(log);
  }
  for (Waiter& waiter : ripe) (*waiter.wake)();
  return id;
}

void LogStore::Cancel(const core::AttemptKey& key, int64_t id) {
  absl::MutexLock lock(&mutex_);
  auto it = logs_.find(NameOf(key));
  if (it == logs_.end()) return;
  auto& waiters = it->second.waiters;
  waiters.erase(std::remove_if(waiters.begin(), waiters.end(),
                               [id](const Waiter& waiter) { return waiter.id == id; }),
                waiters.end());
  Forget(NameOf(key));
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
    std::map<log::RecordFile*, absl::StatusOr<int64_t>> durable;
    for (PendingAck& ack : batch) {
      auto it = durable.find(ack.file.get());
      if (it == durable.end()) it = durable.emplace(ack.file.get(), ack.file->Sync()).first;
      if (ack.complete && it->second.ok()) {
        absl::Status marked = ack.file->MarkComplete();
        if (!marked.ok()) it->second = marked;
      }
      ack.acknowledge(it->second);
    }
  }
}

}  // namespace rally::controller
