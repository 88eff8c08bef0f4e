#include "agent/workspace/background_work.h"

#include <sys/resource.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::testing::ElementsAre;

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, 0); }

TEST(BackgroundWorkTest, RunsInOrderAndEndsWithAllDone) {
  std::vector<int> done;
  {
    BackgroundWork work;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(work.Add([&done, i] { done.push_back(i); }));
    work.WaitUntilIdle();
    EXPECT_THAT(done, ElementsAre(0, 1, 2));
    EXPECT_TRUE(work.Add([&done] { done.push_back(3); }));
  }
  EXPECT_THAT(done, ElementsAre(0, 1, 2, 3));
}

TEST(BackgroundWorkTest, OnlyWhatIsAddedLaterHasALowPriority) {
  const int usual = NiceOfThisThread();
  int before = -1, after = -1;
  BackgroundWork work;
  work.Add([&before] { before = NiceOfThisThread(); });
  work.LowerPriority();
  work.Add([&after] { after = NiceOfThisThread(); });
  work.WaitUntilIdle();
  EXPECT_EQ(before, usual);
  EXPECT_GT(after, usual);
  EXPECT_EQ(NiceOfThisThread(), usual);
}

}  // namespace
}  // namespace rally::workspace
