#include <gtest/gtest.h>

#include "rallyctl/render/build_text.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/status_words.h"

namespace rally::rallyctl {
namespace {

v1::Step HandledStep(v1::StepStatus status, int exit_code,
                     std::initializer_list<const char*> handlers) {
  v1::Step step;
  step.set_id("compile");
  step.set_status(status);
  step.set_has_exit_code(true);
  step.set_exit_code(exit_code);
  step.set_attempt(1);
  for (const char* handler : handlers) step.add_handled_by(handler);
  return step;
}

TEST(HandlersTest, AFailureNamesWhoHandledIt) {
  const v1::Step step = HandledStep(v1::STEP_STATUS_FAILED, 2, {"panic"});
  EXPECT_EQ(StatusAndHandlers(step), "failed, handled by panic");
  EXPECT_EQ(DescribeChange(step), "failed, exit code 2, handled by panic");
  EXPECT_EQ(RenderFailedStep(step, {}, false, "b1", false),
            "step compile failed, handled by panic, exit code 2\n");
  v1::Build build;
  build.set_status(v1::BUILD_STATUS_FAILED);
  *build.add_steps() = step;
  EXPECT_NE(RenderStepTable(build, false).find("compile  failed, handled by panic  "),
            std::string::npos)
      << RenderStepTable(build, false);
  EXPECT_NE(
      RenderBuildPage(build, absl::UnixEpoch(), false).find("\ncompile failed, handled by panic\n"),
      std::string::npos);
  EXPECT_NE(StepEvent(step, absl::UnixEpoch()).find("\"handled_by\":[\"panic\"]"),
            std::string::npos);
}

TEST(HandlersTest, SoDoTheOtherBadEnds) {
  v1::Step step = HandledStep(v1::STEP_STATUS_TIMED_OUT, 124, {"a"});
  step.set_message("timed out after 10m");
  EXPECT_EQ(DescribeChange(step), "timed out after 10m, handled by a");
  EXPECT_EQ(RenderFailedStep(step, {}, false, "b1", false),
            "step compile timed out after 10m, handled by a, exit code 124\n");
  EXPECT_EQ(DescribeChange(HandledStep(v1::STEP_STATUS_ERRORED, 125, {"a"})),
            "could not be run, handled by a");
}

TEST(HandlersTest, ManyAreCounted) {
  const v1::Step step = HandledStep(v1::STEP_STATUS_FAILED, 1, {"a", "b", "c", "d", "e"});
  EXPECT_EQ(HandledBy(step), "handled by a, b, c and 2 more");
  EXPECT_EQ(HandledBy(HandledStep(v1::STEP_STATUS_FAILED, 1, {})), "");
}

TEST(WarningLineTest, SaysOnceThatItIsAWarning) {
  EXPECT_EQ(WarningLine("\"a\" and \"b\" both wrote x", false),
            "warning: \"a\" and \"b\" both wrote x\n");
  EXPECT_EQ(WarningLine("r.toml:3:1: warning: odd", false), "r.toml:3:1: warning: odd\n");
  EXPECT_EQ(WarningLine("r.toml:3:1: warning: odd", true),
            "r.toml:3:1: \x1b[33mwarning:\x1b[0m odd\n");
}

}  // namespace
}  // namespace rally::rallyctl
