#include "agent/outbox.h"

#include <utility>

namespace rally::agent {

void Outbox::Send(v1::AgentMessage message) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!open_ || overflowed_) return;
  if (messages_.size() >= kMaxMessages) {
    overflowed_ = true;
    messages_.clear();
  } else {
    messages_.push_back(std::move(message));
  }
  changed_.notify_one();
}

void Outbox::Open() {
  std::lock_guard<std::mutex> lock(mutex_);
  messages_.clear();
  overflowed_ = false;
  open_ = true;
}

void Outbox::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  messages_.clear();
  open_ = false;
  changed_.notify_one();
}

Outbox::Taken Outbox::Take(absl::Duration timeout, v1::AgentMessage* message) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool ready = changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] {
    return !open_ || overflowed_ || !messages_.empty();
  });
  if (!ready) return Taken::kTimeout;
  if (!open_) return Taken::kClosed;
  if (overflowed_) return Taken::kOverflow;
  *message = std::move(messages_.front());
  messages_.pop_front();
  return Taken::kMessage;
}

}  // namespace rally::agent
