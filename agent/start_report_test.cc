#include "agent/start_report.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::agent {
namespace {

class StartReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto secret = MakeStartReport(path_);
    ASSERT_EQ(secret.status(), absl::OkStatus());
    secret_ = *secret;
  }
  void Append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  void Replace(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }

  const std::string path_ = absl::StrCat(::testing::TempDir(), "/start_report");
  std::string secret_;
};

TEST_F(StartReportTest, AnyUserOfAnImageMayWriteToIt) {
  struct stat found;
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0622u);
  EXPECT_EQ(secret_.size(), 32u);
}

TEST_F(StartReportTest, EveryContainerHasASecretOfItsOwn) {
  const auto other = MakeStartReport(path_);
  ASSERT_EQ(other.status(), absl::OkStatus());
  EXPECT_NE(*other, secret_);
  EXPECT_FALSE(ReadStartFailure(path_, secret_).has_value());
  EXPECT_TRUE(ReadStartFailure(path_, *other).has_value());
}

TEST_F(StartReportTest, AnEmptyOneMeansThatTheCommandWasExecuted) {
  Replace("");
  EXPECT_FALSE(ReadStartFailure(path_, secret_).has_value());
}

TEST_F(StartReportTest, WhatAStepWritesIntoItMeansNothing) {
  for (const std::string text : {"20 no", "\n20 no", "00000000000000000000000000000000\n20 no"}) {
    Replace(text);
    EXPECT_FALSE(ReadStartFailure(path_, secret_).has_value()) << text;
  }
}

TEST_F(StartReportTest, WithoutAFileOrASecretNobodyKnows) {
  EXPECT_FALSE(ReadStartFailure(path_, "").has_value());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_FALSE(ReadStartFailure(path_, secret_).has_value());
}

TEST_F(StartReportTest, SaysWhyAndWhetherAnotherHostMayDoBetter) {
  Append(absl::StrCat(ENOTDIR, " cannot enter x: Not a directory"));
  auto failure = ReadStartFailure(path_, secret_);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->message, "cannot enter x: Not a directory");
  EXPECT_FALSE(failure->may_retry);

  Replace(absl::StrCat(secret_, "\n", EAGAIN, " cannot make a process"));
  failure = ReadStartFailure(path_, secret_);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->message, "cannot make a process");
  EXPECT_TRUE(failure->may_retry);
}

TEST_F(StartReportTest, AnInitThatSaysNothingMayDoBetterElsewhere) {
  const auto failure = ReadStartFailure(path_, secret_);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->message, "its init ended without saying why");
  EXPECT_TRUE(failure->may_retry);
}

TEST_F(StartReportTest, TheMessageIsAlwaysText) {
  Append("20 \xff");
  EXPECT_EQ(ReadStartFailure(path_, secret_)->message, "\\377");
}

}  // namespace
}  // namespace rally::agent
