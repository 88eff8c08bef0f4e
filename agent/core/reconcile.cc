#include "agent/core/reconcile.h"

namespace rally::agent {
namespace {

Recovery RecoverPrepared(Found found, bool rebooted, bool needs_container) {
  if (rebooted) return Recovery::kDiscard;
  switch (found) {
    case Found::kCreated:
      return needs_container ? Recovery::kKeepPrepared : Recovery::kDiscard;
    case Found::kNothing:
      return needs_container ? Recovery::kDiscard : Recovery::kKeepPrepared;
    case Found::kNoTask:
    case Found::kStopped:  // Somebody killed the parked process.
      return Recovery::kDiscard;
    case Found::kRunning:  // Against the journal, yet it did run.
      return Recovery::kReportGone;
  }
  return Recovery::kDiscard;
}

// `may_be_parked`: the journal was written before the start, so a crash between leaves it parked.
Recovery RecoverStarted(Found found, bool rebooted, bool may_be_parked) {
  if (rebooted) return Recovery::kReportReboot;
  switch (found) {
    case Found::kCreated:
      return may_be_parked ? Recovery::kKeepPrepared : Recovery::kReportGone;
    case Found::kRunning:
    case Found::kStopped:
      return Recovery::kAdopt;
    case Found::kNothing:
    case Found::kNoTask:
      return Recovery::kReportGone;
  }
  return Recovery::kReportGone;
}

}  // namespace

Recovery Recover(Phase journalled, Found found, bool rebooted, bool needs_container) {
  switch (journalled) {
    case Phase::kPreparing:
      return Recovery::kDiscard;
    case Phase::kPrepared:
      return RecoverPrepared(found, rebooted, needs_container);
    case Phase::kStarting:
      return RecoverStarted(found, rebooted, /*may_be_parked=*/true);
    case Phase::kRunning:
      return RecoverStarted(found, rebooted, /*may_be_parked=*/false);
    case Phase::kEnded:
      return Recovery::kResend;
  }
  return Recovery::kReportGone;
}

absl::string_view ToString(Recovery recovery) {
  switch (recovery) {
    case Recovery::kDiscard:
      return "discarded";
    case Recovery::kKeepPrepared:
      return "kept prepared";
    case Recovery::kAdopt:
      return "adopted";
    case Recovery::kReportGone:
      return "reported as gone";
    case Recovery::kReportReboot:
      return "reported as ended by a reboot";
    case Recovery::kResend:
      return "its result is sent again";
  }
  return "unknown";
}

}  // namespace rally::agent
