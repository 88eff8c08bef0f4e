#include "controller/service/report_queue.h"

namespace rally::controller {
namespace {

// More than an agent has to say about all its attempts while blobs are synced.
constexpr size_t kWaitingLimit = 4096;

absl::Status TooMuch() {
  return absl::UnavailableError("the controller has too much to do; try again in a moment");
}

}  // namespace

void ReportQueue::Add(core::Event event, bool refers_to_blobs) {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (failed_) return;
    status = AddLocked(std::move(event), refers_to_blobs);
  }
  if (!status.ok()) FailOnce(status);
}

absl::Status ReportQueue::AddLocked(core::Event event, bool refers_to_blobs) {
  if (!syncing_ && (!refers_to_blobs || parts_.blobs_are_durable())) {
    return parts_.loop->TryPost(std::move(event)) ? absl::OkStatus() : TooMuch();
  }
  if (waiting_.size() >= kWaitingLimit) return TooMuch();
  waiting_.push_back(std::move(event));
  if (!syncing_) {
    syncing_ = parts_.workers->TryPost([self = shared_from_this()] { self->SyncAndPost(); });
  }
  return syncing_ ? absl::OkStatus() : TooMuch();
}

void ReportQueue::SyncAndPost() {
  while (true) {
    std::deque<core::Event> batch;
    {
      absl::MutexLock lock(&mutex_);
      batch.swap(waiting_);
      syncing_ = !batch.empty() && !failed_;
      if (!syncing_) return;
    }
    absl::Status status = parts_.sync_blobs();
    for (core::Event& event : batch) {
      if (status.ok() && !parts_.loop->TryPost(std::move(event))) status = TooMuch();
    }
    if (!status.ok()) FailOnce(status);
  }
}

void ReportQueue::FailOnce(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (failed_) return;
    failed_ = true;
    waiting_.clear();
  }
  fail_(status);
}

}  // namespace rally::controller
