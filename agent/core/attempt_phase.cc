#include "agent/core/attempt_phase.h"

namespace rally::agent {
namespace {

Response RespondToPrepare(Phase phase) {
  switch (phase) {
    case Phase::kPreparing:
    case Phase::kStarting:
      return Response::kIgnore;
    case Phase::kPrepared:
    case Phase::kRunning:
    case Phase::kEnded:
      return Response::kReportAgain;
  }
  return Response::kIgnore;
}

Response RespondToGrant(Phase phase, bool granted, bool ending) {
  switch (phase) {
    case Phase::kPreparing:
    case Phase::kPrepared:
      return granted || ending ? Response::kIgnore : Response::kAcceptGrant;
    case Phase::kStarting:
      return Response::kIgnore;
    case Phase::kRunning:
    case Phase::kEnded:
      return Response::kReportAgain;
  }
  return Response::kIgnore;
}

Response RespondToCancel(Phase phase, bool ending) {
  switch (phase) {
    case Phase::kPreparing:
    case Phase::kPrepared:
      return ending ? Response::kIgnore : Response::kEndBeforeStart;
    case Phase::kStarting:
    case Phase::kRunning:
      return ending ? Response::kIgnore : Response::kEndProcess;
    case Phase::kEnded:
      return Response::kReportAgain;
  }
  return Response::kIgnore;
}

}  // namespace

Response Respond(Phase phase, bool granted, bool ending, Order order) {
  switch (order) {
    case Order::kPrepare:
      return RespondToPrepare(phase);
    case Order::kStartGrant:
      return RespondToGrant(phase, granted, ending);
    case Order::kCancel:
      return RespondToCancel(phase, ending);
    case Order::kDiscard:
      return Response::kDrop;
    case Order::kResultAck:
      return phase == Phase::kEnded ? Response::kForget : Response::kIgnore;
  }
  return Response::kIgnore;
}

absl::string_view ToString(Phase phase) {
  switch (phase) {
    case Phase::kPreparing:
      return "preparing";
    case Phase::kPrepared:
      return "prepared";
    case Phase::kStarting:
      return "starting";
    case Phase::kRunning:
      return "running";
    case Phase::kEnded:
      return "ended";
  }
  return "unknown";
}

}  // namespace rally::agent
