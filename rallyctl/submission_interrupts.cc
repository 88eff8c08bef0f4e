#include "rallyctl/submission_interrupts.h"

#include <unistd.h>

#include <cstdio>

#include "rallyctl/exit_status.h"

namespace rally::rallyctl {
namespace {

// From the thread of the interrupts, which doesn't own the terminal.
void Say(const char* what) {
  // The terminal has written ^C where the progress was to go on.
  dprintf(STDERR_FILENO, "%srallyctl: interrupted; %s\n",
          isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "", what);
}

[[noreturn]] void End(const char* why) {
  Say(why);
  _exit(static_cast<int>(ExitStatus::kCancelled));
}

constexpr char kNoBuild[] = "no build was made. The next submit goes on with what was uploaded";
constexpr char kWaiting[] =
    "waiting for the controller to say whether it took the build. Ctrl-C once more ends at once";
constexpr char kUnknown[] =
    "the build may have been accepted, and would go on: rallyctl list shows it then";

}  // namespace

SubmissionInterrupts::SubmissionInterrupts() : interrupts_([this](int) { OnInterrupt(); }) {}

void SubmissionInterrupts::BeginCall() {
  absl::MutexLock lock(&mutex_);
  phase_ = Phase::kAsking;
}

void SubmissionInterrupts::EndWithoutBuild() {
  absl::MutexLock lock(&mutex_);
  phase_ = Phase::kNoBuild;
  if (interrupted_) End(kNoBuild);
}

void SubmissionInterrupts::EndWithBuild() {
  absl::MutexLock lock(&mutex_);
  phase_ = Phase::kBuild;
}

void SubmissionInterrupts::SetFollower(BuildFollower* follower) {
  absl::MutexLock lock(&mutex_);
  follower_ = follower;
  if (follower_ != nullptr && interrupted_) follower_->Interrupt();
}

bool SubmissionInterrupts::interrupted() const {
  absl::MutexLock lock(&mutex_);
  return interrupted_;
}

void SubmissionInterrupts::OnInterrupt() {
  absl::MutexLock lock(&mutex_);
  switch (phase_) {
    case Phase::kNoBuild:
      End(kNoBuild);
    case Phase::kAsking:
      if (interrupted_) End(kUnknown);
      interrupted_ = true;
      Say(kWaiting);
      return;
    case Phase::kBuild:
      interrupted_ = true;
      if (follower_ != nullptr) follower_->Interrupt();
      return;
  }
}

}  // namespace rally::rallyctl
