#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/protobuf/text_format.h"
#include "rallyctl/render/agent_text.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/json.h"
#include "rallyctl/render/status_block.h"
#include "rallyctl/render/summary.h"
#include "rallyctl/render/text.h"
#include "rallyctl/render/unseen_steps.h"

namespace rally::rallyctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

const absl::Time kNow = absl::FromUnixSeconds(1000100);

v1::Build FailedBuild() {
  return Parse<v1::Build>(R"pb(
    id: "b1"
    status: BUILD_STATUS_FAILED
    pipeline_name: "rally.toml"
    submitted_at { seconds: 1000000 }
    ended_at { seconds: 1000002 nanos: 100000000 }
    steps {
      id: "compile"
      status: STEP_STATUS_SUCCEEDED
      has_exit_code: true
      attempt: 1
      agent: "agent-1"
      phases {
        queued { nanos: 2000000 }
        pulling { nanos: 340000000 }
        creating { nanos: 20000000 }
        restoring {}
        running { seconds: 1 nanos: 200000000 }
        capturing { nanos: 5000000 }
      }
    }
    steps {
      id: "test"
      status: STEP_STATUS_FAILED
      has_exit_code: true
      exit_code: 137
      oom_killed: true
      attempt: 2
      agent: "agent-2"
      depends_on: "compile"
      phases { running { seconds: 63 } }
      warnings: "a socket was not captured: tmp/s"
    }
    steps {
      id: "deploy"
      status: STEP_STATUS_SKIPPED
      message: "\"test\" exited with 137"
      depends_on: "test"
    }
    warnings: "steps a and b both wrote out/x"
  )pb");
}

TEST(DurationTest, GrowsCoarserAsItGrows) {
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0ms");
  EXPECT_EQ(DurationText(absl::Microseconds(1600)), "2ms");
  EXPECT_EQ(DurationText(absl::Milliseconds(999)), "999ms");
  EXPECT_EQ(DurationText(absl::Milliseconds(1240)), "1.2s");
  EXPECT_EQ(DurationText(absl::Milliseconds(59949)), "59.9s");
  EXPECT_EQ(DurationText(absl::Milliseconds(59960)), "1m00s");
  EXPECT_EQ(DurationText(absl::Seconds(3599)), "59m59s");
  EXPECT_EQ(DurationText(absl::Minutes(125)), "2h05m");
  EXPECT_EQ(DurationText(-absl::Seconds(3)), "0ms");
}

TEST(InstantTest, UnknownIsADash) {
  EXPECT_EQ(InstantText(FromProto(google::protobuf::Timestamp())), "-");
  EXPECT_EQ(InstantText(absl::FromUnixSeconds(0) + absl::Seconds(61)), "1970-01-01 00:01:01 UTC");
  EXPECT_EQ(AgeText(absl::InfinitePast(), kNow), "-");
  EXPECT_EQ(AgeText(kNow - absl::Seconds(125), kNow), "2m ago");
  EXPECT_EQ(AgeText(kNow + absl::Seconds(5), kNow), "0s ago") << "clocks of two hosts differ";
}

TEST(BytesTest, BinaryUnits) {
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(int64_t{3} << 30), "3.0 GiB");
}

TEST(TruncateTest, CountsCharactersNotBytes) {
  EXPECT_EQ(Truncate("abcdef", 6), "abcdef");
  EXPECT_EQ(Truncate("abcdef", 4), "abc…");
  EXPECT_EQ(Truncate("äöüäöü", 4), "äöü…");
  EXPECT_EQ(Truncate("abc", 0), "");
}

TEST(TableTest, AlignsAndLeavesNoBlanksAtLineEnds) {
  EXPECT_EQ(RenderTable({{"NAME"}, {"N", Colour::kNone, true}, {"NOTE"}},
                        {{{"a"}, {"100"}, {"x"}}, {{"longer"}, {"1"}, {""}}}, false),
            "NAME      N  NOTE\n"
            "a       100  x\n"
            "longer    1\n");
}

TEST(TableTest, ColoursDoNotMoveColumns) {
  const std::string plain = RenderTable({{"S"}, {"T"}}, {{{"ok", Colour::kGreen}, {"x"}}}, false);
  std::string coloured = RenderTable({{"S"}, {"T"}}, {{{"ok", Colour::kGreen}, {"x"}}}, true);
  EXPECT_NE(coloured.find("\x1b[32mok\x1b[0m"), std::string::npos);
  std::string stripped;
  for (size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\x1b') {
      i = coloured.find('m', i);
    } else {
      stripped += coloured[i];
    }
  }
  EXPECT_EQ(stripped, plain);
}

TEST(StepTableTest, ShowsEachPhaseAndDashesForWhatNeverWas) {
  EXPECT_EQ(RenderStepTable(FailedBuild(), false),
            "STEP     STATUS     AGENT       EXIT  QUEUED  PULLING  CREATING  RESTORING  RUNNING  "
            "CAPTURING  TOTAL\n"
            "compile  succeeded  agent-1        0     2ms    340ms      20ms          -     1.2s  "
            "      5ms   1.6s\n"
            "test     failed     agent-2  137 oom       -        -         -          -    1m03s  "
            "        -  1m03s\n"
            "deploy   skipped    -              -       -        -         -          -        -  "
            "        -      -\n");
}

TEST(VerdictTest, CountsFailedSteps) {
  EXPECT_EQ(RenderVerdict(FailedBuild(), kNow, false),
            "Build b1 failed in 2.1s: 1 of 3 steps failed");
  v1::Build cancelled = Parse<v1::Build>(
      R"pb(id: "b2"
           status: BUILD_STATUS_CANCELLED
           submitted_at { seconds: 5 }
           ended_at { seconds: 6 }
           reason: "cancelled by the user")pb");
  EXPECT_EQ(RenderVerdict(cancelled, kNow, false),
            "Build b2 cancelled in 1.0s: cancelled by the user");
}

TEST(FailedStepTest, TellsExitCodeMemoryAndLastLines) {
  const std::string text =
      RenderFailedStep(FailedBuild().steps(1), {"one", "two"}, true, "b1", false);
  EXPECT_EQ(text,
            "step test failed, exit code 137, killed because it was out of memory\n"
            "  ... all of it: rallyctl logs b1 test\n"
            "  one\n"
            "  two\n");
}

TEST(FailedStepTest, AMessageThatRepeatsTheStatusIsShownOnce) {
  const auto first_line = [](const std::string& step) {
    return RenderFailedStep(Parse<v1::Step>(step), {}, false, "b1", false);
  };
  EXPECT_EQ(first_line("id: 'a' status: STEP_STATUS_FAILED has_exit_code: true exit_code: 1 "
                       "message: 'exit code 1'"),
            "step a failed, exit code 1\n");
  EXPECT_EQ(first_line("id: 'a' status: STEP_STATUS_TIMED_OUT has_exit_code: true exit_code: 124 "
                       "message: 'timed out after 2s'"),
            "step a timed out after 2s, exit code 124\n");
  EXPECT_EQ(first_line("id: 'a' status: STEP_STATUS_ERRORED message: 'errored: no such image'"),
            "step a errored: no such image\n");
}

TEST(DescribeChangeTest, SaysWhatHappened) {
  v1::Step step =
      Parse<v1::Step>(R"pb(id: "a" status: STEP_STATUS_RUNNING agent: "agent-1" attempt: 1)pb");
  EXPECT_EQ(DescribeChange(step), "started on agent-1");
  step.set_attempt(2);
  EXPECT_EQ(DescribeChange(step), "started on agent-1 (attempt 2)");
  step.set_status(v1::STEP_STATUS_FAILED);
  step.set_has_exit_code(true);
  step.set_exit_code(143);
  step.mutable_phases()->mutable_running()->set_seconds(2);
  EXPECT_EQ(DescribeChange(step), "failed in 2.0s, exit code 143, killed by signal 15");
  step.set_message("exit code 143, killed by signal 15");
  EXPECT_EQ(DescribeChange(step), "failed in 2.0s, exit code 143, killed by signal 15");
  step.set_status(v1::STEP_STATUS_SKIPPED);
  step.set_message("skipped: b failed");
  EXPECT_EQ(DescribeChange(step), "skipped: b failed");
  step.set_status(v1::STEP_STATUS_TIMED_OUT);
  step.set_message("timed out after 2s");
  EXPECT_EQ(DescribeChange(step), "timed out after 2s");
  step.set_message("no word from its agent");
  EXPECT_EQ(DescribeChange(step), "timed out in 2.0s: no word from its agent");
  step.set_status(v1::STEP_STATUS_CANCELLED);
  step.set_message("cancelled");
  EXPECT_EQ(DescribeChange(step), "cancelled");
  step.set_status(v1::STEP_STATUS_WAITING);
  EXPECT_EQ(DescribeChange(step), "");
}

TEST(BuildPageTest, SaysWhyStepsAreInTheirState) {
  const std::string page = RenderBuildPage(FailedBuild(), kNow, false);
  EXPECT_NE(page.find("Build:       b1\nStatus:      failed\n"), std::string::npos) << page;
  EXPECT_NE(page.find("Submitted:   1970-01-12 13:46:40 UTC\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\ndeploy skipped\n  \"test\" exited with 137\n  depends on: test\n"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("\ntest failed\n  exit code 137, killed because it was out of memory\n"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("  warning: a socket was not captured: tmp/s\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\nwarning: steps a and b both wrote out/x\n"), std::string::npos) << page;
}

TEST(BuildListTest, OneLineABuild) {
  v1::ListBuildsResponse builds;
  *builds.add_builds() = FailedBuild();
  EXPECT_EQ(RenderBuildList(builds, kNow, false),
            "BUILD  STATUS  STEPS  SUBMITTED  DURATION  PIPELINE\n"
            "b1     failed    3/3  1m ago         2.1s  rally.toml\n");
}

TEST(AgentListTest, SortsLabelsAndFallsBackToFlags) {
  const auto agents = Parse<v1::ListAgentsResponse>(R"pb(
    agents {
      name: "agent-1"
      connected: true
      slots: 4
      busy_slots: 1
      last_seen { seconds: 1000098 }
      version: "0.1"
      labels { key: "os" value: "linux" }
      labels { key: "arch" value: "amd64" }
      state: "connected"
    }
    agents { name: "agent-2" slots: 2 }
  )pb");
  EXPECT_EQ(RenderAgentList(agents, kNow, false),
            "AGENT    STATE      SLOTS  LAST SEEN  VERSION  LABELS\n"
            "agent-1  connected    1/4  2s ago     0.1      arch=amd64,os=linux\n"
            "agent-2  lost         0/2  -          -        -\n");
}

TEST(StatusBlockTest, RunningFirstAndBounded) {
  v1::Build build = Parse<v1::Build>(R"pb(
    id: "b1"
    status: BUILD_STATUS_RUNNING
    submitted_at { seconds: 1000090 }
    steps { id: "done" status: STEP_STATUS_SUCCEEDED }
    steps { id: "w" status: STEP_STATUS_READY message: "no free slot" }
    steps { id: "p" status: STEP_STATUS_ASSIGNED agent: "agent-2" }
    steps {
      id: "r1"
      status: STEP_STATUS_RUNNING
      agent: "agent-1"
      started_at { seconds: 1000095 }
    }
    steps { id: "later" status: STEP_STATUS_WAITING }
  )pb");
  EXPECT_EQ(RenderStatusBlock(build, kNow, 80, 10, false),
            (std::vector<std::string>{"Build b1 running 10s  1/5 steps done, 1 waiting",
                                      "  r1  running 5s on agent-1", "  p   preparing on agent-2",
                                      "  w   no free slot"}));
  EXPECT_EQ(
      RenderStatusBlock(build, kNow, 20, 3, false),
      (std::vector<std::string>{"Build b1 running 10…", "  r1  running 5s on…", "  and 2 more"}));
}

TEST(StatusBlockTest, TheAgentIsNamedOnce) {
  const v1::Build build = Parse<v1::Build>(R"pb(
    id: "b1"
    status: BUILD_STATUS_CANCELLING
    steps {
      id: "r"
      status: STEP_STATUS_RUNNING
      agent: "agent-1"
      started_at { seconds: 1000095 }
      message: "is being stopped on agent-1"
    }
  )pb");
  EXPECT_EQ(RenderStatusBlock(build, kNow, 80, 10, false).at(1),
            "  r  running 5s on agent-1: is being stopped");
}

TEST(JsonTest, KeepsFieldNamesAndZeroValues) {
  const auto json = RenderJson(FailedBuild());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_NE(json->find("\"status\": \"BUILD_STATUS_FAILED\""), std::string::npos) << *json;
  EXPECT_NE(json->find("\"exit_code\": 0"), std::string::npos) << *json;
  EXPECT_NE(json->find("\"submitted_at\": \"1970-01-12T13:46:40Z\""), std::string::npos) << *json;
}

TEST(SummaryTest, AFailedStepIsToldWhoseFilesItDidNotSee) {
  const auto build = Parse<v1::Build>(R"pb(
    id: "b1"
    status: BUILD_STATUS_FAILED
    steps {
      id: "clone"
      status: STEP_STATUS_SUCCEEDED
      output { hash: "c" }
    }
    steps {
      id: "curling"
      status: STEP_STATUS_SUCCEEDED
      output { hash: "d" }
    }
    steps {
      id: "idle"
      status: STEP_STATUS_SUCCEEDED
      input { hash: "e" }
      output { hash: "e" }
    }
    steps { id: "mid" status: STEP_STATUS_SUCCEEDED depends_on: "clone" }
    steps {
      id: "use"
      status: STEP_STATUS_FAILED
      has_exit_code: true
      exit_code: 1
      depends_on: "mid"
    }
    steps {
      id: "later"
      status: STEP_STATUS_SUCCEEDED
      output { hash: "f" }
    }
  )pb");
  EXPECT_THAT(StepsNotSeenBy(build, 4), ElementsAre("curling"));
  const std::string text =
      RenderSummary(build, {{4, {"no such file"}, false}}, absl::UnixEpoch(), false, false);
  EXPECT_THAT(text,
              HasSubstr("  no such file\n  not visible here: files of curling; to see them add "
                        "the step to whenAll\n"));
  EXPECT_THAT(StepsNotSeenBy(build, 5), ElementsAre("clone", "curling"));
}

}  // namespace
}  // namespace rally::rallyctl
