#include "agent/outbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace rally::agent {
namespace {

v1::AgentMessage Message(int seq) {
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_seq(seq);
  return message;
}

TEST(OutboxTest, KeepsTheOrder) {
  Outbox outbox;
  outbox.Open();
  for (int i = 0; i < 3; ++i) outbox.Send(Message(i));
  v1::AgentMessage message;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(outbox.Take(absl::Seconds(10), &message), Outbox::Taken::kMessage);
    EXPECT_EQ(message.heartbeat().seq(), i);
  }
  EXPECT_EQ(outbox.Take(absl::ZeroDuration(), &message), Outbox::Taken::kTimeout);
}

TEST(OutboxTest, OutsideOfASessionNothingIsKept) {
  Outbox outbox;
  outbox.Send(Message(1));
  v1::AgentMessage message;
  EXPECT_EQ(outbox.Take(absl::Seconds(10), &message), Outbox::Taken::kClosed);
  outbox.Open();
  EXPECT_EQ(outbox.Take(absl::ZeroDuration(), &message), Outbox::Taken::kTimeout);
  outbox.Send(Message(2));
  outbox.Close();
  outbox.Open();
  EXPECT_EQ(outbox.Take(absl::ZeroDuration(), &message), Outbox::Taken::kTimeout);
}

TEST(OutboxTest, TooMuchBreaksTheSessionOnly) {
  Outbox outbox;
  outbox.Open();
  for (size_t i = 0; i <= Outbox::kMaxMessages; ++i) outbox.Send(Message(i));
  v1::AgentMessage message;
  EXPECT_EQ(outbox.Take(absl::Seconds(10), &message), Outbox::Taken::kOverflow);
  outbox.Open();
  outbox.Send(Message(7));
  ASSERT_EQ(outbox.Take(absl::Seconds(10), &message), Outbox::Taken::kMessage);
  EXPECT_EQ(message.heartbeat().seq(), 7);
}

TEST(OutboxTest, ClosingWakesWhoeverWaits) {
  Outbox outbox;
  outbox.Open();
  Outbox::Taken taken = Outbox::Taken::kTimeout;
  std::thread waiter([&] {
    v1::AgentMessage message;
    taken = outbox.Take(absl::Seconds(60), &message);
  });
  outbox.Close();
  waiter.join();
  EXPECT_EQ(taken, Outbox::Taken::kClosed);
}

}  // namespace
}  // namespace rally::agent
