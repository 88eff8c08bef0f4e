#include "agent/logs/attempt_log.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/logs/step_for_test.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::logs {
namespace {

using log::Stream;
using testing::Eventually;

constexpr absl::Duration kPatience = absl::Seconds(60);

std::unique_ptr<AttemptLog> StartOrDie(StepForTest* step) {
  auto log = AttemptLog::Start(step->keeper(), step->options());
  EXPECT_EQ(log.status(), absl::OkStatus());
  return log.ok() ? *std::move(log) : nullptr;
}

TEST(AttemptLogTest, LinesOfBothStreamsArriveAndTheLogEnds) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  step.Write(Stream::kStdout, "hello\n");
  const AttemptLog::Progress progress = log->WaitFor(0, kPatience);
  EXPECT_EQ(progress.end_offset, 6);
  EXPECT_FALSE(progress.complete);
  step.Write(Stream::kStderr, "no newline at the end");
  step.CloseWriters();
  const absl::StatusOr<int64_t> end = log->Finish(kPatience);
  ASSERT_EQ(end.status(), absl::OkStatus());
  EXPECT_EQ(*end, 27);
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), "hello\n");
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStderr), "no newline at the end");
  EXPECT_TRUE(log->WaitFor(27, kPatience).complete);
  EXPECT_FALSE(log->may_lack_bytes());
}

TEST(AttemptLogTest, AStepWithoutOutputEndsWithAnEmptyLog) {
  StepForTest step;
  auto log = StartOrDie(&step);
  EXPECT_EQ(*log->Finish(kPatience), 0);
  EXPECT_TRUE(log->spool().complete());
}

TEST(AttemptLogTest, AFinishedLogNeedsNoKeeper) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  step.Write(Stream::kStdout, "done\n");
  step.CloseWriters();
  ASSERT_EQ(*log->Finish(kPatience), 5);
  log.reset();
  ASSERT_EQ(step.keeper()->Forget(step.options().key), absl::OkStatus());
  log = StartOrDie(&step);
  EXPECT_EQ(*log->Finish(absl::ZeroDuration()), 5);
  EXPECT_EQ(step.keeper()->List()->size(), 0u);
}

TEST(AttemptLogTest, FinishReportsAProcessThatHoldsThePipe) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  step.Write(Stream::kStdout, "still here\n");
  ASSERT_EQ(log->WaitFor(0, kPatience).end_offset, 11);
  EXPECT_TRUE(absl::IsDeadlineExceeded(log->Finish(absl::Milliseconds(20)).status()));
  step.Write(Stream::kStdout, "and now done\n");
  step.CloseWriters();
  EXPECT_EQ(*log->Finish(kPatience), 24);
}

TEST(AttemptLogTest, TheFifosAreItsUsersOnlyAndARemovedAttemptLeavesNothing) {
  StepForTest step;
  auto log = StartOrDie(&step);
  struct stat status;
  ASSERT_EQ(stat(step.options().stdout_fifo.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  log.reset();
  const AttemptLog::Options options = step.options();
  ASSERT_EQ(
      AttemptLog::Remove(step.keeper(), options.key, options.stdout_fifo, options.stderr_fifo),
      absl::OkStatus());
  EXPECT_NE(access(options.stdout_fifo.c_str(), F_OK), 0);
  EXPECT_NE(access(options.stderr_fifo.c_str(), F_OK), 0);
  EXPECT_TRUE(step.keeper()->List()->empty());
}

TEST(AttemptLogTest, SomethingElseInAFifosPlaceIsRefused) {
  StepForTest step;
  std::ofstream(step.options().stderr_fifo) << "a file";
  EXPECT_TRUE(
      absl::IsFailedPrecondition(AttemptLog::Start(step.keeper(), step.options()).status()));
}

TEST(AttemptLogTest, TheNextOneGoesOnAtTheSameByte) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = absl::StrCat(i % 5 == 0 ? "" : "line ", i, i % 3 == 0 ? "" : "\n");
    step.Write(Stream::kStdout, piece);
    expected += piece;
    if (i % 2 == 0) continue;
    log.reset();
    log = StartOrDie(&step);
  }
  step.CloseWriters();
  ASSERT_EQ(log->Finish(kPatience).status(), absl::OkStatus());
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), expected);
}

TEST(AttemptLogTest, TinyWritesOfTwoStreamsKeepTheirLinesWhole) {
  StepForTest step;
  AttemptLog::Options options = step.options();
  options.partial_line_wait = absl::InfiniteDuration();
  auto log = *AttemptLog::Start(step.keeper(), options);
  step.OpenWriters();
  std::string expected[2];
  for (int i = 0; i < 3000; ++i) {
    const std::string lines[2] = {absl::StrCat("out ", i, "\n"), absl::StrCat("err ", i, "\n")};
    // A byte of one, a byte of the other: read as they come, not a line would stay whole.
    for (size_t at = 0; at < lines[0].size(); ++at) {
      step.Write(Stream::kStdout, lines[0].substr(at, 1));
      step.Write(Stream::kStderr, lines[1].substr(at, 1));
    }
    expected[0] += lines[0];
    expected[1] += lines[1];
  }
  step.CloseWriters();
  ASSERT_EQ(log->Finish(kPatience).status(), absl::OkStatus());
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), expected[0]);
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStderr), expected[1]);
  const auto records = *log->spool().Read(0, 1 << 20);
  for (const log::Record& record : records) ASSERT_EQ(record.bytes.back(), '\n');
}

TEST(AttemptLogTest, AKilledKeeperCostsAtMostWhatItHeldAndTheLogSaysSo) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  step.Write(Stream::kStdout, "before\n");
  ASSERT_EQ(log->WaitFor(0, kPatience).end_offset, 7);
  step.KillKeeper();
  ASSERT_TRUE(Eventually(kPatience, [&] { return log->may_lack_bytes(); }));
  step.Write(Stream::kStdout, "after\n");
  step.CloseWriters();
  ASSERT_EQ(log->Finish(kPatience).status(), absl::OkStatus());
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), "before\nafter\n");
  EXPECT_TRUE(absl::StrContains(StreamOf(log->spool(), Stream::kStderr), "output may be missing"));
}

TEST(AttemptLogTest, ASecondReaderDisplacesTheFirstWhichSaysSo) {
  StepForTest step;
  auto log = StartOrDie(&step);
  AttemptLog::Options options = step.options();
  options.spool_path += ".other";
  auto other = *AttemptLog::Start(step.keeper(), options);
  ASSERT_TRUE(
      Eventually(kPatience, [&] { return !log->WaitFor(0, absl::ZeroDuration()).status.ok(); }));
  EXPECT_TRUE(absl::IsFailedPrecondition(log->Finish(kPatience).status()));
  EXPECT_EQ(*other->Finish(kPatience), 0);
}

TEST(AttemptLogTest, AStepWithoutAReaderIsHeldBackByThePipe) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  log.reset();
  const size_t accepted = step.WriteUntilFull(Stream::kStdout);
  EXPECT_GE(accepted, 128u * 1024);
  EXPECT_LE(accepted, 128u * 1024 + 64u * 1024) << "the keeper holds more than it may";
  log = StartOrDie(&step);
  step.CloseWriters();
  EXPECT_EQ(*log->Finish(kPatience), static_cast<int64_t>(accepted));
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), std::string(accepted, 'x'));
}

// A file size limit stands for a full disk.
TEST(AttemptLogTest, AFullDiskHoldsTheStepBackAndLosesNothing) {
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit{200'000, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const size_t accepted = step.WriteUntilFull(Stream::kStdout);
  EXPECT_LT(accepted, 600'000u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(log->Finish(absl::Milliseconds(1)).status()));
  EXPECT_LE(log->spool().end_offset(), 200'000);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);

  step.CloseWriters();
  EXPECT_EQ(*log->Finish(kPatience), static_cast<int64_t>(accepted));
  EXPECT_EQ(StreamOf(log->spool(), Stream::kStdout), std::string(accepted, 'x'));
  EXPECT_FALSE(log->may_lack_bytes());
}

TEST(AttemptLogTest, AFloodGoesThroughWhole) {
  constexpr int64_t kTotal = 100 * 1000 * 1000;
  StepForTest step;
  auto log = StartOrDie(&step);
  step.OpenWriters();
  std::string block;
  for (int i = 0; block.size() < 1'000'000; ++i) absl::StrAppend(&block, "line ", i, " of many\n");
  block.resize(1'000'000);
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t done = 0; done < kTotal; done += block.size()) step.Write(Stream::kStdout, block);
  step.CloseWriters();
  EXPECT_EQ(*log->Finish(kPatience), kTotal);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("mb_per_second", static_cast<int>(kTotal / 1e6 / took.count()));
  int64_t offset = 0;
  while (offset < kTotal) {
    std::string got;
    const auto records = log->spool().Read(offset, block.size());
    for (const log::Record& record : *records) got += record.bytes;
    ASSERT_TRUE(got == block) << "at offset " << offset;
    offset += got.size();
  }
  EXPECT_EQ(offset, kTotal);
}

}  // namespace
}  // namespace rally::logs
