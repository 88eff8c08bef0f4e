#include "agent/runtime/cancellation.h"

#include <utility>

namespace rally::runtime {

Cancellation::Subscription::~Subscription() {
  if (cancellation_ == nullptr) return;
  absl::MutexLock lock(&cancellation_->mutex_);
  cancellation_->callbacks_.erase(key_);
}

void Cancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return;
  cancelled_ = true;
  for (auto& [key, callback] : callbacks_) callback();
}

bool Cancellation::IsCancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

bool Cancellation::WaitFor(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), timeout);
  return cancelled_;
}

void Cancellation::Subscribe(std::function<void()> callback, Subscription* subscription) {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) {
    callback();
    return;
  }
  subscription->cancellation_ = this;
  subscription->key_ = next_key_++;
  callbacks_.emplace(subscription->key_, std::move(callback));
}

}  // namespace rally::runtime
