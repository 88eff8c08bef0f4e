#include "agent/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rally::agent {
namespace {

using ::testing::HasSubstr;

std::string FreshPath(const std::string& name) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/", name, ".sqlite");
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove(absl::StrCat(path, suffix).c_str());
  return path;
}

v1::AttemptRecord Record(const std::string& build, int step, v1::AttemptState state) {
  v1::AttemptRecord record;
  record.set_state(state);
  record.mutable_prepare()->mutable_key()->set_build_id(build);
  record.mutable_prepare()->mutable_key()->set_step(step);
  record.mutable_prepare()->mutable_key()->set_attempt(1);
  record.mutable_prepare()->mutable_spec()->set_image("docker.io/library/busybox:latest");
  return record;
}

TEST(JournalTest, KeepsTheNewestRecordOfEachAttempt) {
  const std::string path = FreshPath("newest");
  {
    auto journal = Journal::Open(path);
    ASSERT_EQ(journal.status(), absl::OkStatus());
    EXPECT_TRUE((*journal)->found_attempts().empty());
    ASSERT_EQ((*journal)->Put(Record("b1", 0, v1::ATTEMPT_STATE_PREPARING)), absl::OkStatus());
    v1::AttemptRecord running = Record("b1", 0, v1::ATTEMPT_STATE_RUNNING);
    running.set_deadline_boot_ns(123456789);
    running.set_image_digest(std::string("\0binary", 7));
    ASSERT_EQ((*journal)->Put(running), absl::OkStatus());
    ASSERT_EQ((*journal)->Put(Record("b1", 1, v1::ATTEMPT_STATE_PREPARED)), absl::OkStatus());
    ASSERT_EQ((*journal)->Remove(Record("b1", 1, v1::ATTEMPT_STATE_PREPARED).prepare().key()),
              absl::OkStatus());
    ASSERT_EQ((*journal)->Put(Record("b0", 7, v1::ATTEMPT_STATE_ENDED)), absl::OkStatus());
  }
  auto journal = Journal::Open(path);
  ASSERT_EQ(journal.status(), absl::OkStatus());
  const auto& found = (*journal)->found_attempts();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].prepare().key().build_id(), "b0");
  EXPECT_EQ(found[0].state(), v1::ATTEMPT_STATE_ENDED);
  EXPECT_EQ(found[1].prepare().key().build_id(), "b1");
  EXPECT_EQ(found[1].state(), v1::ATTEMPT_STATE_RUNNING);
  EXPECT_EQ(found[1].deadline_boot_ns(), 123456789);
}

TEST(JournalTest, TheIncarnationBelongsToTheFile) {
  const std::string path = FreshPath("incarnation");
  std::string first;
  {
    auto journal = Journal::Open(path);
    ASSERT_EQ(journal.status(), absl::OkStatus());
    first = (*journal)->incarnation();
    EXPECT_EQ(first.size(), 32u);
    EXPECT_EQ((*journal)->found_boot_id(), "");
    ASSERT_EQ((*journal)->SetBootId("boot-1"), absl::OkStatus());
  }
  {
    auto journal = Journal::Open(path);
    ASSERT_EQ(journal.status(), absl::OkStatus());
    EXPECT_EQ((*journal)->incarnation(), first);
    EXPECT_EQ((*journal)->found_boot_id(), "boot-1");
  }
  auto other = Journal::Open(FreshPath("incarnation"));
  ASSERT_EQ(other.status(), absl::OkStatus());
  EXPECT_NE((*other)->incarnation(), first);
}

TEST(JournalTest, TheEpochOnlyGrows) {
  const std::string path = FreshPath("epoch");
  {
    auto journal = Journal::Open(path);
    ASSERT_EQ(journal.status(), absl::OkStatus());
    EXPECT_EQ((*journal)->highest_epoch(), 0);
    ASSERT_EQ((*journal)->RaiseEpoch(7), absl::OkStatus());
    ASSERT_EQ((*journal)->RaiseEpoch(3), absl::OkStatus());
    EXPECT_EQ((*journal)->highest_epoch(), 7);
  }
  auto journal = Journal::Open(path);
  ASSERT_EQ(journal.status(), absl::OkStatus());
  EXPECT_EQ((*journal)->highest_epoch(), 7);
}

TEST(JournalTest, ThreadsShareIt) {
  const std::string path = FreshPath("threads");
  {
    auto journal = Journal::Open(path);
    ASSERT_EQ(journal.status(), absl::OkStatus());
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&journal, t] {
        for (int i = 0; i < 20; ++i) {
          EXPECT_EQ((*journal)->Put(Record(absl::StrCat("b", t), i, v1::ATTEMPT_STATE_RUNNING)),
                    absl::OkStatus());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  auto journal = Journal::Open(path);
  ASSERT_EQ(journal.status(), absl::OkStatus());
  EXPECT_EQ((*journal)->found_attempts().size(), 160u);
}

TEST(JournalTest, AFileThatIsNoJournalIsRefusedAndLeftAlone) {
  const std::string path = FreshPath("garbage");
  const std::string text(8192, 'x');
  std::ofstream(path) << text;
  const absl::Status status = Journal::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr(path));
  EXPECT_THAT(status.message(), HasSubstr("move the file away"));
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

}  // namespace
}  // namespace rally::agent
