#include "controller/blob/idle_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "grpc/grpc.h"

namespace rally::cas {
namespace {

constexpr char kWhy[] = "nothing was sent or taken on this stream for too long; try again";

}  // namespace

absl::Duration MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

IdleWatch::Stream::Stream(IdleWatch* watch, grpc::CallbackServerContext* context)
    : watch_(watch), call_(context->c_call()), peer_(PeerOf(context->peer())) {
  absl::MutexLock lock(&watch_->mutex_);
  watch_->streams_.insert(this);
}

IdleWatch::Stream::~Stream() {
  absl::MutexLock lock(&watch_->mutex_);
  watch_->streams_.erase(this);
}

void IdleWatch::Stream::ClientsTurn() {
  waits_since_ = absl::ToInt64Nanoseconds(watch_->limits_.now());
}

IdleWatch::IdleWatch(IdleLimits limits, std::vector<StreamCount*> counts)
    : limits_(std::move(limits)), counts_(std::move(counts)), thread_([this] { Run(); }) {}

IdleWatch::~IdleWatch() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void IdleWatch::Run() {
  while (true) {
    std::vector<grpc_call*> idle;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](IdleWatch* watch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(watch->mutex_) {
            return watch->stopping_ || !watch->streams_.empty();
          },
          this));
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), limits_.check_every)) return;
      idle = FindIdle();
    }
    // Not under the lock: the stream's end may come within this call. A cancelled call sends no
    // more of its messages, which a client that takes none would hold up for ever.
    for (grpc_call* const call : idle) {
      grpc_call_cancel_with_status(call, GRPC_STATUS_UNAVAILABLE, kWhy, nullptr);
      grpc_call_unref(call);
    }
  }
}

std::vector<grpc_call*> IdleWatch::FindIdle() {
  const absl::Duration now = limits_.now();
  const absl::Duration shortest = std::min(limits_.most, limits_.most_when_scarce);
  std::vector<grpc_call*> idle;
  for (Stream* const stream : streams_) {
    int64_t since = stream->waits_since_;
    if (since == Stream::kDoesNotWait) continue;
    const absl::Duration waited = now - absl::Nanoseconds(since);
    if (waited < shortest || waited < LimitFor(stream->peer_)) continue;
    // Once is enough; and it may have moved just now.
    if (!stream->waits_since_.compare_exchange_strong(since, Stream::kDoesNotWait)) continue;
    grpc_call_ref(stream->call_);
    idle.push_back(stream->call_);
  }
  return idle;
}

absl::Duration IdleWatch::LimitFor(const std::string& peer) const {
  const bool scarce = std::any_of(counts_.begin(), counts_.end(),
                                  [&](StreamCount* count) { return count->IsScarce(peer); });
  return scarce ? limits_.most_when_scarce : limits_.most;
}

}  // namespace rally::cas
