#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/attempt.h"
#include "agent/attempt_name.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

// The lease of an attempt that must never run beside another one of its step. The controller gives
// the step to somebody else when it hasn't heard of this agent for the lease and a bit more; by
// then this agent has ended it, on its own clock.
namespace rally::agent {
namespace {

// The controller counts on no longer time between SIGTERM and SIGKILL.
constexpr absl::Duration kLongestGrace = absl::Seconds(10);
// How many times within a lease it's looked whether the controller was heard. A process that takes
// over from this one knows it no better.
constexpr int64_t kLooksPerLease = 4;

int64_t LeaseNanos(const v1::AttemptRecord& record) {
  return record.grant().has_exclusive_lease()
             ? google::protobuf::util::TimeUtil::DurationToNanoseconds(
                   record.grant().exclusive_lease())
             : 0;
}

}  // namespace

bool Attempt::LeaseIsOut() const {
  const int64_t lease = LeaseNanos(record_);
  const int64_t heard = std::max(record_.heard_boot_ns(), tools_.contact->boot_nanos());
  return lease > 0 && BootNanos() >= heard + lease;
}

// On the clock's thread.
void Attempt::WatchLease() {
  int64_t next = 0;
  bool is_out = false;
  bool persist = false;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t lease = LeaseNanos(record_);
    if (lease == 0 || phase_ == Phase::kEnded || process_ended_ || left_ || dropped_ || detached_ ||
        ending_ != 0) {
      return;
    }
    is_out = LeaseIsOut();
    const int64_t heard = std::max(record_.heard_boot_ns(), tools_.contact->boot_nanos());
    persist = !is_out && process_started_ && heard > record_.heard_boot_ns();
    record_.set_heard_boot_ns(heard);
    next = std::min(heard + lease, BootNanos() + lease / kLooksPerLease);
  }
  if (is_out) {
    LOG(WARNING) << LogPrefix(key_) << DescribeLease();
    BeginEnding(v1::END_KIND_ERRORED, std::min(tools_.limits.kill_grace, kLongestGrace));
    return;
  }
  if (persist) {
    const absl::Status status = Persist();
    LOG_IF(WARNING, !status.ok()) << LogPrefix(key_) << status;
  }
  tools_.clock->CallAt(next, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->WatchLease();
  });
}

std::string Attempt::DescribeLease() const {
  const absl::Duration lease = absl::Nanoseconds(LeaseNanos(record()));
  return absl::StrCat("the agent heard nothing of the controller for ", absl::FormatDuration(lease),
                      ", and ended the step lest it runs twice at a time (rerun = \"exclusive\")");
}

}  // namespace rally::agent
