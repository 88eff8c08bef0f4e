#include "agent/core/attempt_phase.h"

#include <gtest/gtest.h>

#include <vector>

namespace rally::agent {
namespace {

struct Row {
  Phase phase;
  bool granted;
  bool ending;
  Order order;
  Response response;
};

TEST(AttemptPhaseTest, EveryOrderInEveryPhase) {
  const std::vector<Row> rows = {
      {Phase::kPreparing, false, false, Order::kPrepare, Response::kIgnore},
      {Phase::kPrepared, false, false, Order::kPrepare, Response::kReportAgain},
      {Phase::kStarting, true, false, Order::kPrepare, Response::kIgnore},
      {Phase::kRunning, true, false, Order::kPrepare, Response::kReportAgain},
      {Phase::kEnded, true, false, Order::kPrepare, Response::kReportAgain},

      {Phase::kPreparing, false, false, Order::kStartGrant, Response::kAcceptGrant},
      {Phase::kPreparing, true, false, Order::kStartGrant, Response::kIgnore},
      {Phase::kPreparing, false, true, Order::kStartGrant, Response::kIgnore},
      {Phase::kPrepared, false, false, Order::kStartGrant, Response::kAcceptGrant},
      {Phase::kPrepared, false, true, Order::kStartGrant, Response::kIgnore},
      {Phase::kStarting, true, false, Order::kStartGrant, Response::kIgnore},
      {Phase::kRunning, true, false, Order::kStartGrant, Response::kReportAgain},
      {Phase::kEnded, true, false, Order::kStartGrant, Response::kReportAgain},

      {Phase::kPreparing, false, false, Order::kCancel, Response::kEndBeforeStart},
      {Phase::kPreparing, false, true, Order::kCancel, Response::kIgnore},
      {Phase::kPrepared, false, false, Order::kCancel, Response::kEndBeforeStart},
      {Phase::kStarting, true, false, Order::kCancel, Response::kEndProcess},
      {Phase::kRunning, true, false, Order::kCancel, Response::kEndProcess},
      {Phase::kRunning, true, true, Order::kCancel, Response::kIgnore},
      {Phase::kEnded, true, false, Order::kCancel, Response::kReportAgain},

      {Phase::kPreparing, false, false, Order::kDiscard, Response::kDrop},
      {Phase::kPrepared, false, false, Order::kDiscard, Response::kDrop},
      {Phase::kStarting, true, false, Order::kDiscard, Response::kDrop},
      {Phase::kRunning, true, true, Order::kDiscard, Response::kDrop},
      {Phase::kEnded, true, false, Order::kDiscard, Response::kDrop},

      {Phase::kPreparing, false, false, Order::kResultAck, Response::kIgnore},
      {Phase::kPrepared, false, false, Order::kResultAck, Response::kIgnore},
      {Phase::kStarting, true, false, Order::kResultAck, Response::kIgnore},
      {Phase::kRunning, true, false, Order::kResultAck, Response::kIgnore},
      {Phase::kEnded, true, false, Order::kResultAck, Response::kForget},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Respond(row.phase, row.granted, row.ending, row.order), row.response)
        << ToString(row.phase) << " granted=" << row.granted << " ending=" << row.ending
        << " order=" << static_cast<int>(row.order);
  }
}

}  // namespace
}  // namespace rally::agent
