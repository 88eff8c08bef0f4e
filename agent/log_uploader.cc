#include "agent/log_uploader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/attempt_name.h"
#include "common/rpc/status.h"
#include "glog/logging.h"

namespace rally::agent {
namespace {

constexpr int64_t kMaxAppendBytes = 256 << 10;
// Of one log, sent and not acknowledged. The controller syncs many appends at a time.
constexpr int64_t kWindowBytes = 4 << 20;
constexpr absl::Duration kWatchTimeout = absl::Milliseconds(250);
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

}  // namespace

LogUploader::LogUploader(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::LogService::NewStub(std::move(channel))), backoff_(kFirstPause, kLongestPause) {}

LogUploader::~LogUploader() { Stop(); }

void LogUploader::Start(OnDurable on_durable) {
  on_durable_ = std::move(on_durable);
  thread_ = std::thread([this] { Run(); });
}

void LogUploader::Stop() {
  std::vector<std::thread> watchers;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
    for (auto& [name, entry] : entries_) {
      if (entry->watcher.joinable()) watchers.push_back(std::move(entry->watcher));
    }
    changed_.notify_all();
  }
  for (std::thread& watcher : watchers) watcher.join();
  if (thread_.joinable()) thread_.join();
}

void LogUploader::Add(const v1::AttemptKey& key, std::shared_ptr<logs::AttemptLog> log,
                      absl::optional<int64_t> from) {
  auto entry = std::make_unique<Entry>();
  entry->key = key;
  entry->log = std::move(log);
  entry->known = from.has_value();
  entry->sent = entry->acked = from.value_or(0);
  const std::string name = AttemptName(key);
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return;
  if (auto early = early_resumes_.find(name); early != early_resumes_.end()) {
    if (!entry->known) entry->sent = entry->acked = early->second;
    entry->known = true;
    early_resumes_.erase(early);
  }
  auto [it, added] = entries_.emplace(name, std::move(entry));
  if (!added) return;
  it->second->watcher = std::thread([this, watched = it->second.get()] { Watch(watched); });
}

void LogUploader::Watch(Entry* entry) {
  int64_t end = -1;
  while (true) {
    // Beyond -1 is at once: a log that's complete already says so.
    const auto progress = entry->log->WaitFor(end, kWatchTimeout);
    std::lock_guard<std::mutex> lock(mutex_);
    if (entry->dropped || stopping_) return;
    end = progress.end_offset;
    if (!entry->ended) {
      entry->end = end;
      entry->ended = progress.complete || !progress.status.ok();
    }
    changed_.notify_all();
    if (entry->ended) return;
  }
}

void LogUploader::Resume(const v1::AttemptKey& key, int64_t offset) {
  std::lock_guard<std::mutex> lock(mutex_);
  // The controller is there: whoever waits to dial again needn't.
  resumed_ = true;
  changed_.notify_all();
  auto it = entries_.find(AttemptName(key));
  if (it == entries_.end()) {
    // After a restart the session may be there before the log is open.
    early_resumes_[AttemptName(key)] = std::max<int64_t>(offset, 0);
    return;
  }
  // While appends are under way, their answers tell the same, and newer.
  if (it->second->known) return;
  it->second->known = true;
  it->second->sent = it->second->acked = std::max<int64_t>(offset, 0);
  changed_.notify_all();
}

void LogUploader::CloseAt(const v1::AttemptKey& key, int64_t end) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = entries_.find(AttemptName(key));
  if (it == entries_.end()) return;
  it->second->end = end;
  it->second->ended = true;
  changed_.notify_all();
}

void LogUploader::Drop(const v1::AttemptKey& key) {
  std::unique_lock<std::mutex> lock(mutex_);
  early_resumes_.erase(AttemptName(key));
  auto it = entries_.find(AttemptName(key));
  if (it == entries_.end()) return;
  Entry* entry = it->second.get();
  entry->dropped = true;
  changed_.wait(lock, [entry] { return !entry->reading; });
  std::thread watcher = std::move(entry->watcher);
  lock.unlock();
  if (watcher.joinable()) watcher.join();
  lock.lock();
  entries_.erase(AttemptName(key));
}

bool LogUploader::Sendable(const Entry& entry) {
  if (!entry.known || entry.dropped || entry.durable || entry.complete_sent) return false;
  if (entry.sent < entry.end) return entry.sent - entry.acked < kWindowBytes;
  // What is left to say is that there is no more. Only its own answer may come then.
  return entry.ended && entry.acked >= entry.end && entry.unanswered == 0;
}

LogUploader::Entry* LogUploader::PickSendable(Clock::time_point now, Clock::time_point* wake_at) {
  *wake_at = Clock::time_point::max();
  Entry* first = nullptr;
  for (auto& [name, entry] : entries_) {
    if (!Sendable(*entry)) continue;
    if (entry->not_before > now) {
      *wake_at = std::min(*wake_at, entry->not_before);
      continue;
    }
    if (name > last_picked_) {
      last_picked_ = name;
      return entry.get();
    }
    if (first == nullptr) first = entry.get();
  }
  if (first != nullptr) last_picked_ = AttemptName(first->key);
  return first;
}

bool LogUploader::FillAppend(const logs::AttemptLog& log, int64_t from, v1::LogAppend* append) {
  auto records = log.spool().Read(from, kMaxAppendBytes);
  if (!records.ok()) {
    LOG(ERROR) << LogPrefix(append->key()) << "its spool can't be read: " << records.status();
    return false;
  }
  for (log::Record& record : *records) {
    v1::LogRecord* to = append->add_records();
    to->set_offset(record.offset);
    to->set_stream(record.stream == log::Stream::kStderr ? v1::LOG_STREAM_STDERR
                                                         : v1::LOG_STREAM_STDOUT);
    const int64_t nanos = absl::ToUnixNanos(record.time);
    to->mutable_time()->set_seconds(nanos / 1'000'000'000);
    to->mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    to->set_data(std::move(record.bytes));
  }
  return true;
}

void LogUploader::WriteAppends(Stream* stream) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_ && !broken_) {
    Clock::time_point wake_at;
    Entry* entry = PickSendable(Clock::now(), &wake_at);
    if (entry == nullptr) {
      if (wake_at == Clock::time_point::max()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, wake_at);
      }
      continue;
    }
    v1::LogAppend append;
    *append.mutable_key() = entry->key;
    const int64_t from = entry->sent;
    entry->reading = true;
    lock.unlock();
    const bool read = FillAppend(*entry->log, from, &append);
    lock.lock();
    entry->reading = false;
    changed_.notify_all();
    if (entry->dropped) continue;
    if (!read) {
      // What is left of it is lost: the host's disk is failing.
      entry->end = from;
      entry->ended = true;
      continue;
    }
    if (append.records_size() > 0) {
      const v1::LogRecord& last = *append.records().rbegin();
      entry->sent = last.offset() + static_cast<int64_t>(last.data().size());
    }
    append.set_complete(entry->ended && entry->sent >= entry->end);
    entry->complete_sent = append.complete();
    ++entry->unanswered;
    lock.unlock();
    const bool written = stream->Write(append);
    lock.lock();
    if (!written) broken_ = true;
  }
}

void LogUploader::OnAck(const v1::LogAck& ack) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
    auto it = entries_.find(AttemptName(ack.key()));
    if (it == entries_.end()) return;
    Entry* entry = it->second.get();
    entry->unanswered = std::max(0, entry->unanswered - 1);
    if (!ack.error().empty()) {
      LOG_IF(WARNING, entry->errors % 100 == 0)
          << LogPrefix(ack.key()) << "the controller didn't take its log: " << ack.error();
      entry->sent = std::min(std::max<int64_t>(ack.expected_offset(), 0), entry->end);
      entry->acked = std::min(entry->acked, entry->sent);
      entry->complete_sent = false;
      const absl::Duration pause =
          std::min(kFirstPause * (1 << std::min(entry->errors++, 16)), kLongestPause);
      entry->not_before = Clock::now() + absl::ToChronoNanoseconds(pause);
      return;
    }
    entry->errors = 0;
    entry->acked = std::max(entry->acked, ack.durable_offset());
    if (entry->durable || !entry->complete_sent || entry->unanswered > 0 ||
        entry->acked < entry->end) {
      return;
    }
    entry->durable = true;
  }
  on_durable_(ack.key());
}

void LogUploader::ReadAcks(Stream* stream) {
  v1::LogAck ack;
  while (stream->Read(&ack)) OnAck(ack);
  std::lock_guard<std::mutex> lock(mutex_);
  broken_ = true;
  changed_.notify_all();
}

// One stream, until it breaks. It has no deadline, as it lives as long as the agent; the channel's
// keepalive finds out when the other side is gone.
void LogUploader::Converse() {
  grpc::ClientContext context;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    context_ = &context;
    broken_ = false;
  }
  std::unique_ptr<Stream> stream = stub_->Append(&context);
  std::thread reader([this, &stream] { ReadAcks(stream.get()); });
  WriteAppends(stream.get());
  context.TryCancel();
  reader.join();
  const grpc::Status status = stream->Finish();
  std::lock_guard<std::mutex> lock(mutex_);
  context_ = nullptr;
  // At once, and not when the next stream begins: that there is something to send again is what it
  // begins for.
  for (auto& [name, entry] : entries_) {
    entry->sent = entry->acked;
    entry->complete_sent = false;
    entry->unanswered = 0;
  }
  LOG_IF(INFO, !stopping_) << "the log stream ended: " << rpc::FromGrpc(status);
}

void LogUploader::Run() {
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      // No stream before the first log: an idle agent has one connection.
      changed_.wait(lock, [this] {
        return stopping_ || std::any_of(entries_.begin(), entries_.end(),
                                        [](const auto& e) { return Sendable(*e.second); });
      });
      if (stopping_) return;
    }
    const Clock::time_point begin = Clock::now();
    Converse();
    if (Clock::now() - begin > absl::ToChronoNanoseconds(kLongestPause)) backoff_.Reset();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(backoff_.Next()),
                      [this] { return stopping_ || resumed_; });
    resumed_ = false;
  }
}

}  // namespace rally::agent
