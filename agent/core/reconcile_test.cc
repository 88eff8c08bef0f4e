#include "agent/core/reconcile.h"

#include <gtest/gtest.h>

#include <vector>

namespace rally::agent {
namespace {

constexpr Found kAllFound[] = {Found::kNothing, Found::kNoTask, Found::kCreated, Found::kRunning,
                               Found::kStopped};

struct Row {
  Phase journalled;
  Found found;
  Recovery recovery;
};

TEST(ReconcileTest, AfterARestartOfTheAgent) {
  const std::vector<Row> rows = {
      {Phase::kPreparing, Found::kNothing, Recovery::kDiscard},
      {Phase::kPreparing, Found::kNoTask, Recovery::kDiscard},
      {Phase::kPreparing, Found::kCreated, Recovery::kDiscard},
      {Phase::kPrepared, Found::kCreated, Recovery::kKeepPrepared},
      {Phase::kPrepared, Found::kNothing, Recovery::kDiscard},
      {Phase::kPrepared, Found::kNoTask, Recovery::kDiscard},
      {Phase::kPrepared, Found::kStopped, Recovery::kDiscard},
      {Phase::kPrepared, Found::kRunning, Recovery::kReportGone},
      {Phase::kStarting, Found::kCreated, Recovery::kKeepPrepared},
      {Phase::kStarting, Found::kRunning, Recovery::kAdopt},
      {Phase::kStarting, Found::kStopped, Recovery::kAdopt},
      {Phase::kStarting, Found::kNothing, Recovery::kReportGone},
      {Phase::kStarting, Found::kNoTask, Recovery::kReportGone},
      {Phase::kRunning, Found::kRunning, Recovery::kAdopt},
      {Phase::kRunning, Found::kStopped, Recovery::kAdopt},
      {Phase::kRunning, Found::kCreated, Recovery::kReportGone},
      {Phase::kRunning, Found::kNothing, Recovery::kReportGone},
      {Phase::kRunning, Found::kNoTask, Recovery::kReportGone},
      {Phase::kEnded, Found::kNothing, Recovery::kResend},
      {Phase::kEnded, Found::kStopped, Recovery::kResend},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Recover(row.journalled, row.found, /*rebooted=*/false, /*needs_container=*/true),
              row.recovery)
        << ToString(row.journalled) << " found=" << static_cast<int>(row.found);
  }
}

TEST(ReconcileTest, AContainerMadeAtTheGrantIsNotMissedBefore) {
  EXPECT_EQ(Recover(Phase::kPrepared, Found::kNothing, false, false), Recovery::kKeepPrepared);
  EXPECT_EQ(Recover(Phase::kPrepared, Found::kCreated, false, false), Recovery::kDiscard);
}

TEST(ReconcileTest, NothingOutlivesAReboot) {
  for (Found found : kAllFound) {
    EXPECT_EQ(Recover(Phase::kPreparing, found, true, true), Recovery::kDiscard);
    EXPECT_EQ(Recover(Phase::kPrepared, found, true, true), Recovery::kDiscard);
    EXPECT_EQ(Recover(Phase::kStarting, found, true, true), Recovery::kReportReboot);
    EXPECT_EQ(Recover(Phase::kRunning, found, true, true), Recovery::kReportReboot);
    EXPECT_EQ(Recover(Phase::kEnded, found, true, true), Recovery::kResend);
  }
}

// What may have run is never called prepared, since a grant would run it twice.
TEST(ReconcileTest, OnlyAParkedContainerStaysPrepared) {
  for (Phase phase : {Phase::kPreparing, Phase::kPrepared, Phase::kStarting, Phase::kRunning}) {
    for (Found found : kAllFound) {
      if (Recover(phase, found, false, true) == Recovery::kKeepPrepared) {
        EXPECT_EQ(found, Found::kCreated);
        EXPECT_NE(phase, Phase::kRunning);
      }
    }
  }
}

}  // namespace
}  // namespace rally::agent
