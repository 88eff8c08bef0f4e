#include "rallyctl/render/build_text.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

// "-" for a phase that a step never went through.
std::string PhaseText(const google::protobuf::Duration& duration) {
  const absl::Duration took = FromProto(duration);
  return took > absl::ZeroDuration() ? DurationText(took) : "-";
}

std::string ShortDigest(const v1::Digest& digest) {
  if (digest.hash().empty()) return "-";
  return absl::StrCat(digest.hash(), "/", digest.size_bytes());
}

// What the controller says about a step beyond what its status and exit code say already.
std::string MoreToSay(const v1::Step& step) {
  absl::string_view message = step.message();
  if (step.has_exit_code()) {
    const std::string exit = absl::StrCat("exit code ", step.exit_code());
    if (absl::StartsWith(message, exit)) message = "";
  }
  // Some are sentences that begin with the status.
  while (absl::ConsumePrefix(&message, absl::StrCat(Word(step.status()), ": "))) {
  }
  if (message == Word(step.status())) message = "";
  return std::string(message);
}

// "timed out after 10m" says the status better than the status does.
bool SaysThatItTimedOut(const v1::Step& step, const std::string& more) {
  return step.status() == v1::STEP_STATUS_TIMED_OUT && absl::StartsWith(more, "timed out");
}

bool RanAtAll(const v1::Step& step) { return step.attempt() > 0; }

std::vector<Cell> StepRow(const v1::Step& step) {
  const v1::PhaseTimes& phases = step.phases();
  std::string exit = step.has_exit_code() ? absl::StrCat(step.exit_code()) : "-";
  if (step.oom_killed()) exit += " oom";
  return {
      {step.id()},
      {StatusAndHandlers(step), ColourOf(step.status())},
      {step.agent().empty() ? "-" : step.agent()},
      {exit, step.has_exit_code() && step.exit_code() != 0 ? Colour::kRed : Colour::kNone},
      {PhaseText(phases.queued())},
      {PhaseText(phases.pulling())},
      {PhaseText(phases.creating())},
      {PhaseText(phases.restoring())},
      {PhaseText(phases.running())},
      {PhaseText(phases.capturing())},
      {step.has_phases() && RanAtAll(step) ? DurationText(TotalOfPhases(phases)) : "-"},
  };
}

const std::vector<Cell>& StepHeader() {
  static const auto* const kHeader = new std::vector<Cell>{
      {"STEP"},
      {"STATUS"},
      {"AGENT"},
      {"EXIT", Colour::kNone, true},
      {"QUEUED", Colour::kNone, true},
      {"PULLING", Colour::kNone, true},
      {"CREATING", Colour::kNone, true},
      {"RESTORING", Colour::kNone, true},
      {"RUNNING", Colour::kNone, true},
      {"CAPTURING", Colour::kNone, true},
      {"TOTAL", Colour::kNone, true},
  };
  return *kHeader;
}

}  // namespace

absl::Duration Elapsed(const v1::Build& build, absl::Time now) {
  const absl::Time submitted = FromProto(build.submitted_at());
  if (submitted == absl::InfinitePast()) return absl::ZeroDuration();
  const absl::Time end = FromProto(build.ended_at());
  return std::max(absl::ZeroDuration(), (end == absl::InfinitePast() ? now : end) - submitted);
}

absl::Duration TotalOfPhases(const v1::PhaseTimes& phases) {
  return FromProto(phases.queued()) + FromProto(phases.pulling()) + FromProto(phases.creating()) +
         FromProto(phases.restoring()) + FromProto(phases.running()) +
         FromProto(phases.capturing());
}

std::string RenderBuildList(const v1::ListBuildsResponse& builds, absl::Time now, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::Build& build : builds.builds()) {
    const auto done = std::count_if(build.steps().begin(), build.steps().end(),
                                    [](const v1::Step& step) { return HasEnded(step.status()); });
    rows.push_back({{build.id()},
                    {std::string(Word(build.status())), ColourOf(build.status())},
                    {absl::StrCat(done, "/", build.steps_size())},
                    {AgeText(FromProto(build.submitted_at()), now)},
                    {DurationText(Elapsed(build, now))},
                    {build.pipeline_name()}});
  }
  return RenderTable({{"BUILD"},
                      {"STATUS"},
                      {"STEPS", Colour::kNone, true},
                      {"SUBMITTED"},
                      {"DURATION", Colour::kNone, true},
                      {"PIPELINE"}},
                     rows, colour);
}

std::string RenderStepTable(const v1::Build& build, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::Step& step : build.steps()) rows.push_back(StepRow(step));
  return RenderTable(StepHeader(), rows, colour);
}

std::string RenderBuildPage(const v1::Build& build, absl::Time now, bool colour) {
  std::string page;
  const auto field = [&page](absl::string_view name, absl::string_view value) {
    if (value.empty()) return;
    absl::StrAppend(&page, name, ":", std::string(12 - name.size(), ' '), value, "\n");
  };
  field("Build", build.id());
  field("Status", Paint(Word(build.status()), ColourOf(build.status()), colour));
  field("Reason", build.reason());
  field("Pipeline", build.pipeline_name());
  field("Submitted", InstantText(FromProto(build.submitted_at())));
  field("Ended", InstantText(FromProto(build.ended_at())));
  field("Duration", DurationText(Elapsed(build, now)));
  if (build.has_total_timeout()) {
    field("Limit", DurationText(FromProto(build.total_timeout())));
  }
  field("Context", ShortDigest(build.context()));
  field("Workspace", ShortDigest(build.workspace()));
  absl::StrAppend(&page, "\n", RenderStepTable(build, colour));

  for (const v1::Step& step : build.steps()) {
    std::vector<std::string> lines;
    const std::string more = MoreToSay(step);
    if (!more.empty()) lines.push_back(more);
    const std::string exit = DescribeExit(step);
    if (!exit.empty() && step.exit_code() != 0) lines.push_back(exit);
    if (step.depends_on_size() > 0) {
      lines.push_back(absl::StrCat("depends on: ", absl::StrJoin(step.depends_on(), ", ")));
    }
    if (!step.image().empty()) {
      lines.push_back(absl::StrCat("image:      ", step.image(),
                                   step.image_digest().empty() ? "" : " at ", step.image_digest()));
    }
    if (step.attempt() > 1) lines.push_back(absl::StrCat("attempt:    ", step.attempt()));
    if (step.has_input()) lines.push_back(absl::StrCat("input:      ", ShortDigest(step.input())));
    if (step.has_output()) {
      lines.push_back(absl::StrCat("output:     ", ShortDigest(step.output())));
    }
    if (step.log_bytes() > 0) {
      lines.push_back(absl::StrCat("log:        ", BytesText(step.log_bytes())));
    }
    for (const std::string& warning : step.warnings()) {
      lines.push_back(absl::StrCat(Paint("warning:", Colour::kYellow, colour), " ", warning));
    }
    absl::StrAppend(&page, "\n", Paint(step.id(), Colour::kBold, colour), " ",
                    Paint(StatusAndHandlers(step), ColourOf(step.status()), colour), "\n");
    for (const std::string& line : lines) absl::StrAppend(&page, "  ", line, "\n");
  }
  if (build.warnings_size() > 0) page += "\n";
  for (const std::string& warning : build.warnings()) {
    page += WarningLine(warning, colour);
  }
  return page;
}

std::string RenderVerdict(const v1::Build& build, absl::Time now, bool colour) {
  std::string verdict = absl::StrCat("Build ", build.id(), " ",
                                     Paint(Word(build.status()), ColourOf(build.status()), colour),
                                     " in ", DurationText(Elapsed(build, now)));
  const auto bad = std::count_if(build.steps().begin(), build.steps().end(),
                                 [](const v1::Step& step) { return IsBad(step.status()); });
  if (bad > 0) {
    absl::StrAppend(&verdict, ": ", bad, " of ", Count(build.steps_size(), "step"), " failed");
  }
  if (!build.reason().empty()) absl::StrAppend(&verdict, bad > 0 ? "; " : ": ", build.reason());
  return verdict;
}

std::string RenderFailedStep(const v1::Step& step, const std::vector<std::string>& last_lines,
                             bool log_is_longer, const std::string& build_id, bool colour) {
  const std::string more = MoreToSay(step);
  const bool more_is_all = SaysThatItTimedOut(step, more);
  const std::string handlers = HandledBy(step);
  std::string text =
      Paint(absl::StrCat("step ", step.id(), " ", more_is_all ? more : StatusAndHandlers(step)),
            Colour::kRed, colour);
  if (more_is_all) absl::StrAppend(&text, handlers.empty() ? "" : ", ", handlers);
  const std::string exit = DescribeExit(step);
  if (!exit.empty()) absl::StrAppend(&text, ", ", exit);
  if (!more.empty() && !more_is_all) absl::StrAppend(&text, ": ", more);
  text += "\n";
  if (log_is_longer) {
    absl::StrAppend(&text,
                    Paint(absl::StrCat("  ... all of it: rallyctl logs ", build_id, " ", step.id()),
                          Colour::kDim, colour),
                    "\n");
  }
  for (const std::string& line : last_lines) absl::StrAppend(&text, "  ", line, "\n");
  return text;
}

std::string WarningLine(absl::string_view warning, bool colour) {
  constexpr absl::string_view kWord = "warning:";
  const size_t word = warning.find(absl::StrCat(": ", kWord, " "));
  const size_t at = word == absl::string_view::npos ? 0 : word + 2;
  const absl::string_view message =
      word == absl::string_view::npos ? warning : warning.substr(at + kWord.size() + 1);
  return absl::StrCat(warning.substr(0, at), Paint(kWord, Colour::kYellow, colour), " ", message,
                      "\n");
}

std::string DescribeExit(const v1::Step& step) {
  if (!step.has_exit_code()) return "";
  const int code = step.exit_code();
  std::string text = absl::StrCat("exit code ", code);
  if (step.oom_killed()) {
    absl::StrAppend(&text, ", killed because it was out of memory");
  } else if (step.status() == v1::STEP_STATUS_FAILED && code > 128 && code <= 128 + 64) {
    absl::StrAppend(&text, ", killed by signal ", code - 128);
  }
  return text;
}

std::string DescribeChange(const v1::Step& step) {
  const std::string took =
      FromProto(step.phases().running()) > absl::ZeroDuration()
          ? absl::StrCat(" in ", DurationText(FromProto(step.phases().running())))
          : "";
  const std::string more = MoreToSay(step);
  const std::string why = more.empty() ? "" : absl::StrCat(": ", more);
  const std::string exit = DescribeExit(step);
  const std::string handlers = HandledBy(step);
  const std::string handled = handlers.empty() ? "" : absl::StrCat(", ", handlers);
  switch (step.status()) {
    case v1::STEP_STATUS_RUNNING:
      return absl::StrCat(
          "started", step.agent().empty() ? "" : " on ", step.agent(),
          step.attempt() > 1 ? absl::StrCat(" (attempt ", step.attempt(), ")") : "");
    case v1::STEP_STATUS_SUCCEEDED:
      return absl::StrCat("succeeded", took);
    case v1::STEP_STATUS_FAILED:
      return absl::StrCat("failed", took, exit.empty() ? "" : ", ", exit, handled, why);
    case v1::STEP_STATUS_TIMED_OUT:
      return absl::StrCat(
          SaysThatItTimedOut(step, more) ? more : absl::StrCat("timed out", took, why), handled);
    case v1::STEP_STATUS_ERRORED:
      return absl::StrCat("could not be run", handled, why);
    case v1::STEP_STATUS_SKIPPED:
      return absl::StrCat("skipped", why);
    case v1::STEP_STATUS_CANCELLED:
      return absl::StrCat("cancelled", why);
    default:
      return "";
  }
}

}  // namespace rally::rallyctl
