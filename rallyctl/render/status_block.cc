#include "rallyctl/render/status_block.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

bool IsUnderWay(const v1::Step& step) {
  return step.status() == v1::STEP_STATUS_RUNNING || step.status() == v1::STEP_STATUS_ASSIGNED ||
         step.status() == v1::STEP_STATUS_READY;
}

std::string StepLine(const v1::Step& step, int id_width, absl::Time now) {
  std::string line = absl::StrCat(
      "  ", step.id(), std::string(std::max(0, id_width - DisplayWidth(step.id())), ' '), "  ");
  if (step.status() != v1::STEP_STATUS_RUNNING && !step.message().empty()) {
    return absl::StrCat(line, step.message());
  }
  absl::StrAppend(&line, Word(step.status()));
  const absl::Time started = FromProto(step.started_at());
  if (step.status() == v1::STEP_STATUS_RUNNING && started != absl::InfinitePast()) {
    absl::StrAppend(&line, " ", WholeSecondsText(now - started));
  }
  if (!step.agent().empty() && step.status() != v1::STEP_STATUS_READY) {
    absl::StrAppend(&line, " on ", step.agent());
  }
  absl::string_view message = step.message();
  // "running 5s on agent-1: is being stopped on agent-1"
  if (!step.agent().empty()) absl::ConsumeSuffix(&message, absl::StrCat(" on ", step.agent()));
  if (!message.empty()) absl::StrAppend(&line, ": ", message);
  return line;
}

}  // namespace

std::vector<std::string> RenderStatusBlock(const v1::Build& build, absl::Time now, int width,
                                           int max_lines, bool colour) {
  std::vector<const v1::Step*> under_way;
  int done = 0;
  int bad = 0;
  int waiting = 0;
  for (const v1::Step& step : build.steps()) {
    if (IsUnderWay(step)) under_way.push_back(&step);
    if (HasEnded(step.status())) ++done;
    if (IsBad(step.status())) ++bad;
    if (step.status() == v1::STEP_STATUS_WAITING) ++waiting;
  }
  // Running before preparing before ready; the file's order within.
  std::stable_sort(under_way.begin(), under_way.end(),
                   [](const v1::Step* a, const v1::Step* b) { return a->status() > b->status(); });

  const std::string head = absl::StrCat("Build ", build.id(), " ", Word(build.status()), " ",
                                        WholeSecondsText(Elapsed(build, now)), "  ", done, "/",
                                        Count(build.steps_size(), "step"), " done",
                                        bad > 0 ? absl::StrCat(", ", bad, " failed") : "",
                                        waiting > 0 ? absl::StrCat(", ", waiting, " waiting") : "");
  std::vector<std::string> lines = {
      Paint(Truncate(head, width), bad > 0 ? Colour::kRed : Colour::kBold, colour)};

  int id_width = 0;
  for (const v1::Step* step : under_way) id_width = std::max(id_width, DisplayWidth(step->id()));
  const int room = std::max(0, max_lines - 1);
  const int fits = static_cast<int>(under_way.size()) <= room ? static_cast<int>(under_way.size())
                                                              : std::max(0, room - 1);
  for (int i = 0; i < fits; ++i) {
    lines.push_back(Paint(Truncate(StepLine(*under_way[i], id_width, now), width),
                          ColourOf(under_way[i]->status()), colour));
  }
  if (fits < static_cast<int>(under_way.size()) && room > 0) {
    lines.push_back(Paint(
        Truncate(absl::StrCat("  and ", static_cast<int>(under_way.size()) - fits, " more"), width),
        Colour::kDim, colour));
  }
  return lines;
}

}  // namespace rally::rallyctl
