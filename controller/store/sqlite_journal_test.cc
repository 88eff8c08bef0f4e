#include "controller/store/sqlite_journal.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SqliteJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/journal-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
            std::to_string(getpid()) + ".db";
  }

  std::unique_ptr<SqliteJournal> Open() {
    auto journal = SqliteJournal::Open(path_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }

  static v1::JournalEvent Cancel(const std::string& build) {
    v1::JournalEvent event;
    event.mutable_cancel_requested()->set_build_id(build);
    return event;
  }

  static std::vector<std::string> Replayed(Journal& journal) {
    std::vector<std::string> builds;
    absl::Status status = journal.Replay([&](const v1::JournalEvent& event) {
      builds.push_back(event.cancel_requested().build_id());
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return builds;
  }

  std::string path_;
};

TEST_F(SqliteJournalTest, GivesEventsBackInOrderAfterReopening) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append({Cancel("a"), Cancel("b")}).ok());
  ASSERT_TRUE(journal->Append({Cancel("c")}).ok());
  journal.reset();
  EXPECT_THAT(Replayed(*Open()), ElementsAre("a", "b", "c"));
}

TEST_F(SqliteJournalTest, EpochGrowsWithEveryWriter) {
  EXPECT_EQ(*Open()->NextEpoch(), 1);
  EXPECT_EQ(*Open()->NextEpoch(), 2);
}

TEST_F(SqliteJournalTest, ReplayStopsAtTheVisitorsError) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append({Cancel("a"), Cancel("b")}).ok());
  int visited = 0;
  absl::Status status = journal->Replay([&](const v1::JournalEvent&) {
    ++visited;
    return absl::InternalError("no further");
  });
  EXPECT_EQ(status, absl::InternalError("no further"));
  EXPECT_EQ(visited, 1);
}

TEST_F(SqliteJournalTest, WhatWasAppendedSurvivesSigkill) {
  const pid_t child = fork();
  if (child == 0) {
    auto journal = SqliteJournal::Open(path_);
    for (int i = 0; i < 50; ++i) (*journal)->Append({Cancel(std::to_string(i))}).IgnoreError();
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Replayed(*Open()).size(), 50u);
}

TEST_F(SqliteJournalTest, RefusesAFormatOfANewerVersion) {
  Open().reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  absl::Status status = SqliteJournal::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer rally-controller"));
}

TEST_F(SqliteJournalTest, RefusesAFileThatIsNoDatabase) {
  FILE* file = fopen(path_.c_str(), "w");
  fputs("this is not a database, however long it may be, and it never was one.", file);
  fclose(file);
  EXPECT_EQ(SqliteJournal::Open(path_).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rally::store
