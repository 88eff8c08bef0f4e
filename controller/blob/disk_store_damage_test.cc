// What happens to the disk store from outside: damage, SIGKILL, full disks, restarts.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controller/blob/disk_store_fixture.h"
#include "gmock/gmock.h"

namespace rally::cas {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class DiskStoreDamageTest : public DiskStoreFixture {};

TEST_F(DiskStoreDamageTest, WrongBytesAreNeverHandedOutAndUploadsHeal) {
  Open();
  std::mt19937 random(11);
  int in_quarantine = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes(1 + random() % (round % 10 == 0 ? 400'000 : 5'000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const Digest digest = Put(bytes);
    std::string damaged = bytes;
    const int kind = static_cast<int>(random() % 7);
    switch (kind) {
      case 0:  // a bit flips
        damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
        break;
      case 1:
        damaged.resize(random() % damaged.size());
        break;
      case 2:
        damaged.clear();
        break;
      case 3:
        damaged += "x";
        break;
      case 4:  // as a torn write: the right size, and zeros at the end
        damaged.back() = static_cast<char>(damaged.back() + 1);
        damaged.replace(damaged.size() / 2, damaged.size(), damaged.size() - damaged.size() / 2,
                        '\0');
        if (damaged == bytes) damaged[0] ^= 1;
        break;
      default:
        break;
    }
    if (kind == 5) {
      fs::remove(FileOf(digest));
    } else if (kind == 6) {
      fs::remove(FileOf(digest));
      fs::create_directory(FileOf(digest));
    } else {
      Overwrite(digest, damaged);
    }
    // Either question may come first.
    if (round % 2 == 0) {
      EXPECT_THAT(store_->ReadAll(digest).status().code(), absl::StatusCode::kNotFound) << kind;
    } else if (kind != 0 && kind != 4) {
      EXPECT_THAT(store_->FindMissing({digest}).value(), ElementsAre(digest)) << kind;
    }
    if (round % 3 != 0 || kind == 0 || kind == 4) {
      EXPECT_FALSE(store_->ReadAll(digest).ok()) << kind;
      EXPECT_THAT(store_->FindMissing({digest}).value(), ElementsAre(digest)) << kind;
    }
    Put(bytes);
    ASSERT_EQ(store_->ReadAll(digest).value(), bytes) << kind;
  }
  for (const auto& entry : fs::directory_iterator(root_ / "quarantine")) {
    in_quarantine += entry.exists() ? 1 : 0;
  }
  EXPECT_GT(store_->quarantined(), 700);
  EXPECT_EQ(in_quarantine, 64) << "damage must not fill the disk";
  EXPECT_EQ(store_->used().blobs, 1000);
}

TEST_F(DiskStoreDamageTest, StrangersInItsFoldersAreNoBlobs) {
  Open();
  const Digest digest = Put("hello");
  store_.reset();
  const fs::path shard = FileOf(digest).parent_path();
  for (const std::string name : {"x", "-", "zz-1"}) std::ofstream(shard / name) << "x";
  std::ofstream(shard / absl::StrCat(digest.hash.substr(2), "-05")) << "hello";
  std::ofstream(shard / absl::StrCat(digest.hash.substr(2), "-")) << "hello";
  Open();
  EXPECT_EQ(store_->used().blobs, 1);
  EXPECT_EQ(store_->ReadAll(digest).value(), "hello");
}

// The process is killed at any moment of many uploads, again and again on the same folder. Whatever
// has a blob's name then is the blob.
TEST_F(DiskStoreDamageTest, SigkillLeavesNoPartialBlob) {
  std::mt19937 random(5);
  int blobs = 0;
  for (int round = 0; round < 15; ++round) {
    int progress[2];
    ASSERT_EQ(pipe2(progress, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = DiskStore::Open(root_.string(), options_);
      if (!store.ok()) _exit(1);
      std::vector<std::thread> threads;
      for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
          std::mt19937 contents(round * 10 + thread);
          while (true) {
            std::string bytes(1 + contents() % 300'000, static_cast<char>(contents()));
            bytes += std::to_string(contents());
            auto writer = (*store)->NewWriter(DigestOf(bytes));
            if (!writer.ok()) _exit(2);
            for (size_t at = 0; at < bytes.size(); at += 10'000) {
              if (!(*writer)->Append(bytes.substr(at, 10'000)).ok()) _exit(3);
              if (write(progress[1], ".", 1) != 1) _exit(4);
            }
            if (!(*writer)->Commit().ok()) _exit(5);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    close(progress[1]);
    // Some die while they open the store, some in the midst of uploads.
    const int pieces = round % 5 == 0 ? 0 : static_cast<int>(random() % 1'000);
    char piece;
    for (int i = 0; i < pieces; ++i) ASSERT_EQ(read(progress[0], &piece, 1), 1);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    close(progress[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it failed by itself: " << WEXITSTATUS(status);
  }
  Open();
  EXPECT_EQ(CountFiles("tmp"), 0);
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "cas")) {
    if (!entry.is_regular_file()) continue;
    ++blobs;
    const Digest digest = DigestOf(ReadFile(entry.path()));
    EXPECT_EQ(entry.path(), FileOf(digest));
    EXPECT_THAT(store_->FindMissing({digest}).value(), IsEmpty());
  }
  EXPECT_GT(blobs, 20);
  EXPECT_EQ(store_->used().blobs, blobs);
}

TEST_F(DiskStoreDamageTest, ServesWhileItStillLooksAtWhatItHas) {
  Open();
  const Digest known = Put("known");
  const Digest other = Put("other");
  // The store's own thread asks for the time when it begins to look.
  absl::Notification look;
  store_.reset();
  options_.clock = [this, &look, user = std::this_thread::get_id()] {
    if (std::this_thread::get_id() != user) look.WaitForNotification();
    return absl::FromUnixSeconds(seconds_);
  };
  auto opened = DiskStore::Open(root_.string(), options_);
  ASSERT_EQ(opened.status(), absl::OkStatus());
  store_ = *std::move(opened);
  EXPECT_EQ(store_->ReadAll(known).value(), "known");
  EXPECT_THAT(store_->FindMissing({known, DigestOf("new"), other}).value(),
              ElementsAre(DigestOf("new")));
  Put("new");
  EXPECT_EQ(store_->ReadAll(DigestOf("new")).value(), "new");
  fs::remove(FileOf(other));
  EXPECT_THAT(store_->FindMissing({other}).value(), ElementsAre(other));
  EXPECT_FALSE(store_->IsIndexComplete());
  look.Notify();
  store_->AwaitEviction();
  EXPECT_TRUE(store_->IsIndexComplete());
  EXPECT_EQ(store_->used().blobs, 2);
  store_.reset();  // before `look` goes
}

TEST_F(DiskStoreDamageTest, AHundredThousandBlobsAreServedAtOnce) {
  Open();
  store_.reset();
  // As the store makes them, but for their contents, which nobody reads here.
  std::mt19937_64 random(1);
  std::vector<Digest> digests;
  for (int i = 0; i < 100'000; ++i) {
    Digest digest = DigestOf(std::to_string(random()));
    digest.size_bytes = 0x10000 + i;
    const int fd = open(FileOf(digest).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    ASSERT_GE(fd, 0);
    if (i % 1000 == 0) {
      ASSERT_EQ(ftruncate(fd, digest.size_bytes), 0);
      digests.push_back(digest);
    }
    close(fd);
  }
  const absl::Time begun = absl::Now();
  auto opened = DiskStore::Open(root_.string(), options_);
  ASSERT_EQ(opened.status(), absl::OkStatus());
  store_ = *std::move(opened);
  EXPECT_THAT(store_->FindMissing(digests).value(), IsEmpty());
  const absl::Time served = absl::Now();
  const bool was_complete = store_->IsIndexComplete();
  store_->AwaitEviction();
  const absl::Time filled = absl::Now();
  EXPECT_EQ(store_->used().blobs, 100'000);
  std::cout << "first answer after " << served - begun << ", index "
            << (was_complete ? "was complete" : "complete") << " after " << filled - begun << "\n";
  EXPECT_LT(served - begun, absl::Seconds(2));
}

// Small filesystems, in a mount namespace of the test's own. They need root.
class SmallDiskTest : public DiskStoreFixture {
 protected:
  // Runs `body` in a thread that sees a tmpfs at `root_`; false when that isn't allowed.
  bool OnSmallDisk(const std::string& size, const std::function<void()>& body) {
    bool mounted = false;
    std::thread([&] {
      if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") != 0 ||
          mount("tmpfs", root_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) != 0) {
        return;
      }
      mounted = true;
      Open();
      if (store_ != nullptr) body();
      store_.reset();
    }).join();
    return mounted;
  }
};

TEST_F(SmallDiskTest, FullByOthersItRefusesAndGoesOnWhenThereIsRoom) {
  options_.limits.keep_free_percent = 5;
  const bool mounted = OnSmallDisk("size=4m,mode=0700", [this] {
    const std::string bytes(200'000, 'a');
    Put(bytes);
    const fs::path others = root_ / "others";
    std::ofstream(others) << std::string(3'700'000, 'x');
    const std::string more(200'000, 'b');
    EXPECT_EQ(store_->WriteAll(DigestOf(more), more).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(store_->FindMissing({DigestOf(more)}).value(), ElementsAre(DigestOf(more)));
    EXPECT_EQ(store_->ReadAll(DigestOf(bytes)).value(), bytes);
    fs::remove(others);
    EXPECT_EQ(store_->WriteAll(DigestOf(more), more), absl::OkStatus());
    EXPECT_EQ(store_->Sync(), absl::OkStatus());
  });
  if (!mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
}

TEST_F(SmallDiskTest, WithoutAnyReserveTheDisksOwnErrorIsAsClear) {
  const bool mounted = OnSmallDisk("size=4m,mode=0700", [this] {
    // Reserved by nobody, and gone between the look and the write.
    const std::string bytes(300'000, 'b');
    auto writer = store_->NewWriter(DigestOf(bytes));
    ASSERT_EQ(writer.status(), absl::OkStatus());
    std::ofstream(root_ / "others") << std::string(8'000'000, 'x');
    const absl::Status status = (*writer)->Append(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    writer->reset();
    EXPECT_FALSE(store_->Contains(DigestOf(bytes)));
    fs::remove(root_ / "others");
    EXPECT_EQ(store_->WriteAll(DigestOf(bytes), bytes), absl::OkStatus());
  });
  if (!mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
}

TEST_F(SmallDiskTest, InodesRunOutBeforeBytes) {
  const bool mounted = OnSmallDisk("size=64m,nr_inodes=400,mode=0700", [this] {
    std::vector<Digest> stored;
    absl::Status status;
    for (int i = 0; i < 400 && status.ok(); ++i) {
      const std::string bytes = absl::StrCat("blob ", i);
      status = store_->WriteAll(DigestOf(bytes), bytes);
      if (status.ok()) stored.push_back(DigestOf(bytes));
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_GT(stored.size(), 90u);
    EXPECT_THAT(store_->FindMissing(stored).value(), IsEmpty());
    Advance(absl::Minutes(11));
    store_->AwaitEviction();
    EXPECT_EQ(store_->WriteAll(DigestOf("one more"), "one more"), absl::OkStatus());
  });
  if (!mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
}

TEST_F(SmallDiskTest, EvictionKeepsUpWithUploads) {
  options_.limits.keep_free_percent = 5;
  options_.grace = absl::ZeroDuration();
  options_.longest_wait_for_room = absl::Seconds(5);
  const bool mounted = OnSmallDisk("size=16m,mode=0700", [this] {
    for (int i = 0; i < 500; ++i) {
      ++seconds_;
      const std::string bytes = absl::StrCat(i, std::string(200'000, 'x'));
      ASSERT_EQ(store_->WriteAll(DigestOf(bytes), bytes), absl::OkStatus()) << i;
    }
    EXPECT_GT(store_->evicted(), 400);
    store_->AwaitEviction();  // What is about to be evicted is no longer counted.
    EXPECT_EQ(store_->used().blobs, CountFiles());
  });
  if (!mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
}

}  // namespace
}  // namespace rally::cas
