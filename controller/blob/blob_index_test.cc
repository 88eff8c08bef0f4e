#include "controller/blob/blob_index.h"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/blob/digest.h"
#include "controller/blob/disk_budget.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Presence = BlobIndex::Presence;

BlobKey Key(const std::string& bytes) { return BlobKey::Of(blob::DigestOf(bytes)); }

void FillEmpty(BlobIndex& index) {
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) index.Fill(shard, {});
}

void Add(BlobIndex& index, const BlobKey& key, uint32_t now, uint32_t keep_until = 0) {
  index.Claim(key);
  index.Release(key, Presence::kPresent, now, keep_until);
}

std::vector<BlobKey> Evictable(BlobIndex& index, uint32_t now) {
  std::vector<BlobKey> keys;
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) {
    index.ForEachEvictable(shard, now, [&](const BlobKey& key, uint32_t) { keys.push_back(key); });
  }
  return keys;
}

TEST(BlobKeyTest, IsTheDigest) {
  const blob::Digest digest = blob::DigestOf("hello");
  EXPECT_EQ(BlobKey::Of(digest).ToDigest(), digest);
  EXPECT_EQ(BlobKey::Of(digest).shard(), std::stoi(digest.hash.substr(0, 2), nullptr, 16));
  EXPECT_FALSE(BlobKey::Of(digest) == BlobKey::Of(blob::Digest{digest.hash, 4}));
}

TEST(BlobIndexTest, KnowsNothingBeforeItIsFilled) {
  BlobIndex index;
  const BlobKey key = Key("a");
  EXPECT_EQ(index.Use(key, 1), Presence::kUnknown);
  EXPECT_EQ(index.Claim(key), Presence::kUnknown);
  index.Release(key, Presence::kAbsent, 1);
  EXPECT_EQ(index.Use(key, 1), Presence::kUnknown);
  EXPECT_EQ(index.entries(), 0);
  FillEmpty(index);
  EXPECT_TRUE(index.IsComplete());
  EXPECT_EQ(index.Use(key, 1), Presence::kAbsent);
}

TEST(BlobIndexTest, CountsWhatIsThereOnce) {
  BlobIndex index;
  const BlobKey key = Key("a");
  Add(index, key, 1);
  Add(index, key, 2);
  index.Fill(key.shard(), {{key, 1, 0}});
  EXPECT_EQ(index.used().blobs, 1);
  EXPECT_EQ(index.used().bytes, 4096);
  index.Claim(key);
  index.Release(key, Presence::kAbsent, 3);
  EXPECT_EQ(index.used().blobs, 0);
  EXPECT_EQ(index.used().bytes, 0);
  EXPECT_EQ(index.entries(), 0);
}

TEST(BlobIndexTest, OnlyWhatNobodyNeedsMayGo) {
  BlobIndex index;
  FillEmpty(index);
  const BlobKey key = Key("a");
  Add(index, key, /*now=*/100, /*keep_until=*/200);
  EXPECT_THAT(Evictable(index, 199), IsEmpty());
  EXPECT_THAT(Evictable(index, 200), ElementsAre(key));
  EXPECT_FALSE(index.TryClaimToEvict(key, 199, 1000));
  EXPECT_FALSE(index.TryClaimToEvict(key, 200, 99)) << "it was used after that";
  index.Pin({key});
  index.Pin({key});
  EXPECT_FALSE(index.TryClaimToEvict(key, 200, 1000));
  index.Unpin({key}, 150);
  EXPECT_FALSE(index.TryClaimToEvict(key, 200, 1000));
  index.Unpin({key}, 150);
  EXPECT_FALSE(index.TryClaimToEvict(key, 200, 149)) << "unpinning counts as a use";
  EXPECT_EQ(index.Use(key, 160, 300), Presence::kPresent);
  EXPECT_FALSE(index.TryClaimToEvict(key, 200, 1000));
  ASSERT_TRUE(index.TryClaimToEvict(key, 300, 160));
  EXPECT_FALSE(index.TryClaimToEvict(key, 300, 1000)) << "it is claimed";
  index.Release(key, Presence::kAbsent, 0);
  EXPECT_EQ(index.Use(key, 300), Presence::kAbsent);
}

TEST(BlobIndexTest, PinsHoldWhatComesLater) {
  BlobIndex index;
  FillEmpty(index);
  const BlobKey key = Key("a");
  EXPECT_EQ(index.Pin({key}), 1);
  EXPECT_EQ(index.Use(key, 1), Presence::kAbsent);
  EXPECT_EQ(index.pinned_blobs(), 1);
  Add(index, key, 1);
  EXPECT_THAT(Evictable(index, 1000), IsEmpty());
  index.Unpin({key}, 1);
  EXPECT_EQ(index.pinned_blobs(), 0);
  EXPECT_THAT(Evictable(index, 1000), ElementsAre(key));
  // One that never came leaves nothing, and one unpin too many changes nothing.
  index.Pin({Key("b")});
  index.Unpin({Key("b"), Key("b"), Key("c")}, 1);
  EXPECT_EQ(index.entries(), 1);
}

TEST(BlobIndexTest, WhoeverNeedsAClaimedBlobWaitsForItsFate) {
  BlobIndex index;
  FillEmpty(index);
  const BlobKey key = Key("a");
  Add(index, key, 1);
  ASSERT_TRUE(index.TryClaimToEvict(key, 1, 1));
  absl::Notification started;
  std::atomic<bool> gone{false};
  Presence seen = Presence::kUnknown;
  bool seen_after = false;
  std::thread user([&] {
    started.Notify();
    seen = index.Use(key, 2);
    seen_after = gone;
  });
  started.WaitForNotification();
  gone = true;
  index.Release(key, Presence::kAbsent, 0);
  user.join();
  EXPECT_TRUE(seen_after);
  EXPECT_EQ(seen, Presence::kAbsent);
}

TEST(DiskBudgetTest, CountsBlocks) {
  EXPECT_EQ(UseOf(1).bytes, 4096);
  EXPECT_EQ(UseOf(4096).bytes, 4096);
  EXPECT_EQ(UseOf(4097).bytes, 8192);
  EXPECT_GT(UseOf(std::numeric_limits<int64_t>::max()).bytes, int64_t{1} << 60);
}

TEST(DiskBudgetTest, TheSmallestLimitCounts) {
  const DiskRoom room = {1000, 300, 100, 20};
  const DiskUse used = {200, 10};
  // 5 % of the disk stay free for others.
  EXPECT_EQ(HardLimit({}, room, used).bytes, 200 + 300 - 50);
  EXPECT_EQ(HardLimit({}, room, used).blobs, 10 + 20 - 5);
  EXPECT_EQ(HardLimit({400, 7, 5}, room, used).bytes, 400);
  EXPECT_EQ(HardLimit({400, 7, 5}, room, used).blobs, 7);
  EXPECT_EQ(HardLimit({4000, 0, 5}, room, used).bytes, 450);
  // Others took nearly all.
  EXPECT_EQ(HardLimit({}, {1000, 10, 100, 0}, used).bytes, 160);
  EXPECT_EQ(HardLimit({}, {1000, 0, 0, 0}, {20, 1}).bytes, 0);
  // A filesystem that doesn't count inodes.
  EXPECT_EQ(HardLimit({}, {1000, 300, 0, 0}, used).blobs, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(HighMark({1000, 100}).bytes, 900);
  EXPECT_EQ(LowMark({1000, 100}).blobs, 80);
}

}  // namespace
}  // namespace rally::cas
