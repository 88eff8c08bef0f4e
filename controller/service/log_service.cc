#include "controller/service/log_service.h"

#include <memory>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "controller/service/queued_stream.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {
namespace {

// Appends of one stream that aren't durable yet; more wait unread.
constexpr int kUnacknowledgedLimit = 256;
// Attempts of one stream that needn't be looked up again.
constexpr size_t kKnownLimit = 4096;

bool Exists(const core::Core& core, const core::AttemptKey& key) {
  const core::Build* build = core.FindBuild(key.build_id);
  return build != nullptr && key.step >= 0 && key.step < build->steps.size() && key.attempt >= 1 &&
         key.attempt <= build->steps[key.step].attempt;
}

}  // namespace

// What is going on on one stream; outlives it as long as something is. One append is dealt with at
// a time: whoever is done with it lets the stream read the next.
class LogService::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  using Handle = QueuedStream<v1::LogAppend, v1::LogAck>::Handle;

  Conversation(const Parts& parts, std::shared_ptr<Handle> handle)
      : parts_(parts), handle_(std::move(handle)) {}

  void Take(v1::LogAppend append) {
    auto shared = std::make_shared<v1::LogAppend>(std::move(append));
    if (known_.count(NameOf(shared->key())) > 0) return StoreOnWorker(shared);
    const bool asked = parts_.loop->Query([self = shared_from_this(), shared](const auto& core) {
      if (!Exists(core, wire::FromProto(shared->key()))) {
        return self->Refuse(shared->key(), "there is no such attempt", 0);
      }
      if (self->known_.size() >= kKnownLimit) self->known_.clear();
      self->known_.insert(NameOf(shared->key()));
      self->StoreOnWorker(shared);
    });
    if (!asked) Stop();
  }

 private:
  using Name = std::tuple<std::string, int, int>;
  static Name NameOf(const v1::AttemptKey& key) {
    return {key.build_id(), key.step(), key.attempt()};
  }

  void Stop() {
    handle_->Close({grpc::StatusCode::UNAVAILABLE,
                    "the controller has too much to do; try again in a moment"});
  }

  void StoreOnWorker(const std::shared_ptr<v1::LogAppend>& append) {
    const bool taken =
        parts_.workers->TryPost([self = shared_from_this(), append] { self->Store(*append); });
    if (!taken) Stop();
  }

  void Store(v1::LogAppend& append) {
    const core::AttemptKey key = wire::FromProto(append.key());
    std::vector<log::Record> records;
    records.reserve(append.records_size());
    for (v1::LogRecord& record : *append.mutable_records()) {
      log::Record& to = records.emplace_back();
      to.offset = record.offset();
      to.stream =
          record.stream() == v1::LOG_STREAM_STDERR ? log::Stream::kStderr : log::Stream::kStdout;
      to.time = wire::FromProto(record.time());
      to.bytes = std::move(*record.mutable_data());
    }
    {
      absl::MutexLock lock(&mutex_);
      ++unacknowledged_;
    }
    absl::Status status = parts_.logs->Append(
        key, records, append.complete(),
        [self = shared_from_this(), proto = append.key()](const absl::StatusOr<int64_t>& durable) {
          self->Acknowledge(proto, durable);
        });
    if (!status.ok()) {
      {
        absl::MutexLock lock(&mutex_);
        --unacknowledged_;
      }
      return Refuse(append.key(), std::string(status.message()), parts_.logs->EndOffset(key));
    }
    {
      absl::MutexLock lock(&mutex_);
      waits_for_acknowledgement_ = unacknowledged_ >= kUnacknowledgedLimit;
      if (waits_for_acknowledgement_) return;
    }
    handle_->ContinueReading();
  }

  void Refuse(const v1::AttemptKey& key, std::string error, int64_t expected) {
    v1::LogAck ack;
    *ack.mutable_key() = key;
    ack.set_error(std::move(error));
    ack.set_expected_offset(expected);
    handle_->Send(std::move(ack));
    handle_->ContinueReading();
  }

  // On the log store's thread.
  void Acknowledge(const v1::AttemptKey& key, const absl::StatusOr<int64_t>& durable) {
    v1::LogAck ack;
    *ack.mutable_key() = key;
    if (durable.ok()) {
      ack.set_durable_offset(*durable);
    } else {
      ack.set_error(std::string(durable.status().message()));
      ack.set_expected_offset(parts_.logs->EndOffset(wire::FromProto(key)));
    }
    handle_->Send(std::move(ack));
    bool read_on;
    {
      absl::MutexLock lock(&mutex_);
      --unacknowledged_;
      read_on = std::exchange(waits_for_acknowledgement_, false);
    }
    if (read_on) handle_->ContinueReading();
  }

  const Parts parts_;
  const std::shared_ptr<Handle> handle_;
  std::set<Name> known_;  // of whoever deals with the append

  absl::Mutex mutex_;
  int unacknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  bool waits_for_acknowledgement_ ABSL_GUARDED_BY(mutex_) = false;
};

class LogService::Stream : public QueuedStream<v1::LogAppend, v1::LogAck> {
 public:
  Stream(const Parts& parts, grpc::CallbackServerContext* context)
      : QueuedStream(context), conversation_(std::make_shared<Conversation>(parts, handle())) {
    Start();
  }

 private:
  bool OnMessage(v1::LogAppend& append) override {
    conversation_->Take(std::move(append));
    return false;
  }

  const std::shared_ptr<Conversation> conversation_;
};

grpc::ServerBidiReactor<v1::LogAppend, v1::LogAck>* LogService::Append(
    grpc::CallbackServerContext* context) {
  return new Stream(parts_, context);
}

}  // namespace rally::controller
