// Budgets, eviction and pins of the disk store.
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "controller/blob/disk_store_fixture.h"
#include "gmock/gmock.h"

namespace rally::cas {
namespace {

using blob::Digest;
using blob::DigestOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DiskStoreRoomTest : public DiskStoreFixture {};

TEST_F(DiskStoreRoomTest, WhatWasUsedLongestAgoGoesFirst) {
  options_.limits.max_blobs = 100;
  Open();
  const std::vector<Digest> old = PutMany("old", 89);
  Advance(absl::Hours(1));
  EXPECT_EQ(store_->ReadAll(old[0]).value(), "old0");
  EXPECT_THAT(store_->FindMissing({old[1]}).value(), IsEmpty());
  store_->AwaitEviction();
  EXPECT_EQ(store_->evicted(), 0) << "the high mark isn't reached";
  Advance(absl::Hours(1));
  const std::vector<Digest> young = PutMany("young", 2);
  store_->AwaitEviction();
  EXPECT_EQ(store_->used().blobs, 80);
  EXPECT_EQ(store_->evicted(), 11);
  EXPECT_EQ(CountFiles(), 80);
  for (int i = 0; i < 89; ++i) EXPECT_EQ(HasFile(old[i]), i < 2 || i >= 13) << i;
  EXPECT_TRUE(HasFile(young[0]));
}

TEST_F(DiskStoreRoomTest, AFullStoreRefusesAndRecoversByItself) {
  options_.limits.max_blobs = 20;
  Open();
  for (int i = 0; i < 20; ++i) Put(absl::StrCat("young", i));
  const std::string more = "more";
  const absl::Status full = store_->WriteAll(DigestOf(more), more);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      full.message(),
      HasSubstr("the blob store is full: its 20 blobs take 80.0 KiB, 4.0 KiB more are wanted, "
                "and --blob-files lets it have 20 blobs. Try again later, or raise "
                "--blob-files of rally-controller (0 of its blobs"));
  EXPECT_THAT(full.message(), HasSubstr(DigestOf(more).hash));
  EXPECT_EQ(CountFiles(), 20);
  EXPECT_EQ(store_->WriteAll(DigestOf("young3"), "young3"), absl::OkStatus())
      << "what is there needs no room";
  // The grace of all has passed.
  Advance(absl::Minutes(11));
  store_->AwaitEviction();
  EXPECT_EQ(store_->WriteAll(DigestOf(more), more), absl::OkStatus());
}

TEST_F(DiskStoreRoomTest, WhoIsToldThatABlobIsThereHasTimeToReferToIt) {
  options_.limits.max_blobs = 10;
  Open();
  const std::vector<Digest> blobs = PutMany("b", 9);
  Advance(absl::Minutes(30));
  ASSERT_THAT(store_->FindMissing({blobs[0]}).value(), IsEmpty());
  Advance(absl::Minutes(9));
  Put("one");
  store_->AwaitEviction();
  EXPECT_TRUE(HasFile(blobs[0]));
  EXPECT_EQ(store_->used().blobs, 8);
  for (int i = 0; i < 20; ++i) {
    Put(absl::StrCat("more", i));
    Advance(absl::Minutes(20));
    store_->AwaitEviction();
  }
  EXPECT_FALSE(HasFile(blobs[0])) << "the grace ends";
}

TEST_F(DiskStoreRoomTest, BytesCountAsTheDiskCountsThem) {
  options_.limits.max_bytes = 1'000'000;
  Open();
  const Digest big = Put(std::string(500'000, 'x'));
  EXPECT_EQ(store_->used().bytes, 503'808);
  Advance(absl::Hours(1));
  const Digest second = Put(std::string(300'000, 'y'));
  Advance(absl::Hours(1));
  // Together they are over the limit: the third waits until the first is gone.
  options_.longest_wait_for_room = absl::Seconds(10);
  const Digest third = Put(std::string(400'000, 'z'));
  EXPECT_FALSE(HasFile(big));
  EXPECT_TRUE(HasFile(second));
  EXPECT_TRUE(HasFile(third));
  // What can never fit drives nothing out.
  const std::string huge(1'100'000, 'h');
  const absl::Status refused = store_->WriteAll(DigestOf(huge), huge);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << "nobody shall try again";
  EXPECT_THAT(refused.message(),
              HasSubstr("it takes 1.1 MiB and can never fit: the whole blob store may take 976.6 "
                        "KiB. Raise --blob-bytes of rally-controller, or leave the file out"));
  EXPECT_EQ(store_->evicted(), 1);
}

TEST_F(DiskStoreRoomTest, RoomIsReservedBeforeBytesCome) {
  options_.limits.max_bytes = 1'000'000;
  Open();
  const std::string big(600'000, 'x');
  auto writer = store_->NewWriter(DigestOf(big));
  ASSERT_EQ(writer.status(), absl::OkStatus());
  const std::string other(600'000, 'y');
  EXPECT_EQ(store_->NewWriter(DigestOf(other)).status().code(),
            absl::StatusCode::kResourceExhausted);
  writer->reset();
  EXPECT_EQ(store_->NewWriter(DigestOf(other)).status(), absl::OkStatus());
  // A claim of a size that no disk has.
  EXPECT_EQ(store_->NewWriter(Digest{big.empty() ? "" : DigestOf(big).hash, int64_t{1} << 62})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(DiskStoreRoomTest, PinnedBlobsStay) {
  options_.limits.max_blobs = 50;
  Open();
  const std::vector<Digest> pinned = PutMany("pinned", 30);
  std::vector<BlobKey> keys;
  for (const Digest& digest : pinned) keys.push_back(BlobKey::Of(digest));
  store_->Pin(keys);
  store_->Pin({BlobKey::OfEmptyBlob(), BlobKey::Of(DigestOf("comes later"))});
  Advance(absl::Hours(1));
  for (int i = 0; i < 100; ++i) {
    Put(absl::StrCat("flood", i));
    Advance(absl::Minutes(11));
    store_->AwaitEviction();
  }
  Put("comes later");
  EXPECT_GT(store_->evicted(), 50);
  for (const Digest& digest : pinned) EXPECT_TRUE(HasFile(digest));
  store_->Unpin(keys);
  for (int i = 0; i < 100; ++i) {
    Put(absl::StrCat("flood again", i));
    Advance(absl::Minutes(11));
    store_->AwaitEviction();
  }
  for (const Digest& digest : pinned) EXPECT_FALSE(HasFile(digest));
  EXPECT_TRUE(HasFile(DigestOf("comes later")));
}

TEST_F(DiskStoreRoomTest, NothingGoesBeforeEvictionIsAllowed) {
  options_.limits.max_blobs = 20;
  options_.await_pins = true;
  Open();
  const std::vector<Digest> blobs = PutMany("b", 20);
  Advance(absl::Hours(1));
  EXPECT_EQ(store_->WriteAll(DigestOf("x"), "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CountFiles(), 20);
  store_->AllowEviction();
  store_->AwaitEviction();
  Put("x");
  EXPECT_EQ(CountFiles(), 17);
}

TEST_F(DiskStoreRoomTest, TheOrderOfUseOutlivesARestart) {
  options_.limits.max_blobs = 100;
  Open();
  const std::vector<Digest> blobs = PutMany("b", 85);
  Advance(absl::Hours(1));
  ASSERT_EQ(store_->ReadAll(blobs[0]).status(), absl::OkStatus());
  Advance(absl::Hours(1));
  ASSERT_THAT(store_->FindMissing({blobs[1]}).value(), IsEmpty());
  Open();
  store_->AwaitEviction();
  EXPECT_EQ(store_->used().blobs, 85);
  PutMany("more", 6);
  store_->AwaitEviction();
  EXPECT_EQ(store_->used().blobs, 80);
  for (int i = 0; i < 85; ++i) EXPECT_EQ(HasFile(blobs[i]), i < 2 || i >= 13) << i;
}

TEST_F(DiskStoreRoomTest, ADamagedRecordOfUsesCostsNothingButTheOrder) {
  options_.limits.max_blobs = 100;
  Open();
  const std::vector<Digest> blobs = PutMany("b", 50);
  store_.reset();
  ASSERT_TRUE(std::filesystem::exists(root_ / "last-use"));
  std::string bytes;
  {
    std::ifstream file(root_ / "last-use", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::string damaged = bytes.substr(0, random() % (bytes.size() + 1));
    for (int flips = 0; flips < 20 && !damaged.empty(); ++flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    std::ofstream(root_ / "last-use", std::ios::binary | std::ios::trunc) << damaged;
    Open();
    EXPECT_THAT(store_->FindMissing(blobs).value(), IsEmpty());
    store_->AwaitEviction();
    EXPECT_EQ(store_->used().blobs, 50);
  }
}

// Uploads, reads, eviction and damage of the same few blobs at once. What somebody has pinned and
// stored is there, whatever the others do.
TEST_F(DiskStoreRoomTest, NoOneUndoesTheUploadOfAnother) {
  options_.limits.max_blobs = 24;
  options_.grace = absl::ZeroDuration();
  options_.longest_wait_for_room = absl::Milliseconds(5);
  Open();
  std::atomic<int> held{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int i = 0; i < 1500; ++i) {
        const std::string bytes = absl::StrCat("blob ", random() % 40);
        const Digest digest = DigestOf(bytes);
        const std::vector<BlobKey> pins = {BlobKey::Of(digest)};
        store_->Pin(pins);
        const absl::Status stored = store_->WriteAll(digest, bytes);
        if (stored.ok()) {
          ++held;
          EXPECT_TRUE(store_->Contains(digest));
          EXPECT_EQ(store_->ReadAll(digest).value_or("lost"), bytes);
        } else {
          EXPECT_EQ(stored.code(), absl::StatusCode::kResourceExhausted) << stored;
        }
        store_->Unpin(pins);
        seconds_ += i % 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(held, 3000);
  EXPECT_GT(store_->evicted(), 100);
  EXPECT_EQ(store_->pinned_blobs(), 0);
  store_->AwaitEviction();
  EXPECT_EQ(store_->used().blobs, CountFiles());
  EXPECT_LE(store_->used().blobs, 24);
}

}  // namespace
}  // namespace rally::cas
