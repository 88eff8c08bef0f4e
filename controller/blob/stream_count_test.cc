#include "controller/blob/stream_count.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

std::vector<StreamCount::Place> TakeAll(StreamCount* count, const char* peer) {
  std::vector<StreamCount::Place> places;
  while (StreamCount::Place place = count->Take(peer)) places.push_back(std::move(place));
  return places;
}

TEST(StreamCountTest, OnePeerLeavesAQuarterToOthers) {
  StreamCount count(8);
  auto greedy = TakeAll(&count, "greedy");
  EXPECT_EQ(greedy.size(), 6u);
  const auto others = TakeAll(&count, "another");
  EXPECT_EQ(others.size(), 2u);
  EXPECT_FALSE(count.Take("a third"));
  greedy.pop_back();
  EXPECT_TRUE(count.Take("a third"));
  EXPECT_TRUE(count.Take("greedy")) << "each place was given back";
}

TEST(StreamCountTest, FewPlacesAreOfUseToo) {
  StreamCount one(1);
  EXPECT_EQ(TakeAll(&one, "a").size(), 1u);
  StreamCount none(0);
  EXPECT_FALSE(none.Take("a"));
}

TEST(StreamCountTest, PlacesAreScarceForThePeerThatHasManyAndForAllWhenFewAreLeft) {
  StreamCount count(16);
  std::vector<StreamCount::Place> places;
  const auto take = [&](const char* peer, int number) {
    for (int i = 0; i < number; ++i) places.push_back(count.Take(peer));
  };
  take("a", 9);
  EXPECT_FALSE(count.IsScarce("a"));
  take("a", 1);
  EXPECT_TRUE(count.IsScarce("a"));
  EXPECT_FALSE(count.IsScarce("b"));
  take("b", 2);
  EXPECT_FALSE(count.IsScarce("b"));
  take("c", 1);
  EXPECT_TRUE(count.IsScarce("b"));
  places.clear();
  EXPECT_FALSE(count.IsScarce("a"));
}

TEST(StreamCountTest, APeerIsAHost) {
  EXPECT_EQ(PeerOf("ipv4:10.0.0.1:4711"), "ipv4:10.0.0.1");
  EXPECT_EQ(PeerOf("ipv4:10.0.0.1:4712"), PeerOf("ipv4:10.0.0.1:4711"));
  EXPECT_EQ(PeerOf("ipv6:%5B::1%5D:4711"), "ipv6:%5B::1%5D");
  EXPECT_EQ(PeerOf("unix:/run/rally.sock"), "unix:/run/rally.sock");
  EXPECT_EQ(PeerOf("unix:"), "unix:");
  EXPECT_EQ(PeerOf(""), "");
}

}  // namespace
}  // namespace rally::cas
