#include "rallyctl/render/summary.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"
#include "rallyctl/render/unseen_steps.h"

namespace rally::rallyctl {
namespace {

// A table longer than this helps nobody; of a bigger build it has what didn't succeed.
constexpr int kMaxTableSteps = 200;

v1::Build WorthATable(const v1::Build& build) {
  if (build.steps_size() <= kMaxTableSteps) return build;
  v1::Build shorter;
  for (const v1::Step& step : build.steps()) {
    if (step.status() != v1::STEP_STATUS_SUCCEEDED && shorter.steps_size() < kMaxTableSteps) {
      *shorter.add_steps() = step;
    }
  }
  return shorter;
}

// Only for the first of many: a thousand steps that fail for one reason need it once.
constexpr int kMaxHints = 5;
constexpr size_t kMaxNames = 5;

// A step that exited by itself may have missed a file that another step made.
std::string UnseenStepsHint(const v1::Build& build, int step) {
  if (build.steps(step).status() != v1::STEP_STATUS_FAILED) return "";
  std::vector<std::string> unseen = StepsNotSeenBy(build, step);
  if (unseen.empty()) return "";
  const size_t more = unseen.size() - std::min(unseen.size(), kMaxNames);
  unseen.resize(unseen.size() - more);
  return absl::StrCat("  not visible here: files of ", absl::StrJoin(unseen, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "",
                      "; to see them add the step to whenAll\n");
}

}  // namespace

std::string RenderSummary(const v1::Build& build, const std::vector<FailedStepLog>& failed,
                          absl::Time now, bool with_table, bool colour) {
  std::string text;
  if (with_table) {
    const v1::Build shown = WorthATable(build);
    if (shown.steps_size() > 0) absl::StrAppend(&text, "\n", RenderStepTable(shown, colour));
    if (shown.steps_size() < build.steps_size()) {
      absl::StrAppend(&text, "and ", Count(build.steps_size() - shown.steps_size(), "more step"),
                      ": rallyctl get ", build.id(), "\n");
    }
    if (build.warnings_size() > 0) text += "\n";
    for (const std::string& warning : build.warnings()) {
      text += WarningLine(warning, colour);
    }
    for (const v1::Step& step : build.steps()) {
      for (const std::string& warning : step.warnings()) {
        absl::StrAppend(&text, Paint("warning:", Colour::kYellow, colour), " step ", step.id(),
                        ": ", warning, "\n");
      }
    }
  }
  int hints = 0;
  for (const FailedStepLog& log : failed) {
    absl::StrAppend(&text, "\n",
                    RenderFailedStep(build.steps(log.step), log.last_lines, log.log_is_longer,
                                     build.id(), colour));
    if (hints < kMaxHints) {
      const std::string hint = UnseenStepsHint(build, log.step);
      if (!hint.empty()) ++hints;
      text += hint;
    }
  }
  absl::StrAppend(&text, "\n", RenderVerdict(build, now, colour), "\n");
  return text;
}

}  // namespace rally::rallyctl
