#include "rallyctl/follow/live_view.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/status_block.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/summary.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

// The log column starts no further right than this, however long a step's id.
constexpr int kMaxIdWidth = 24;
// A step that waits for an agent, or is prepared, for longer gets a line that says so.
constexpr absl::Duration kIdleBeforeLine = absl::Seconds(2);
// How long the line about a step's end waits for the rest of its log.
constexpr absl::Duration kEndWaitsForLog = absl::Seconds(2);
// Elapsed times in the status block are at most this old.
constexpr absl::Duration kRedraw = absl::Milliseconds(250);
constexpr int kMaxBlockLines = 10;
// A log line that is kept for the end is cut here.
constexpr int kMaxKeptCharacters = 2000;

}  // namespace

LiveView::LiveView(Terminal* terminal, Options options)
    : terminal_(terminal), options_(std::move(options)) {}

void LiveView::Say(const std::string& line) {
  switch (options_.mode) {
    case ProgressMode::kTty:
    case ProgressMode::kPlain:
      terminal_->Err(
          absl::StrCat(Paint("==>", Colour::kDim, terminal_->err_colour()), " ", line, "\n"));
      return;
    case ProgressMode::kJson:
      ShowEvent(MessageEvent(line, absl::Now()));
      return;
    case ProgressMode::kQuiet:
      return;
  }
}

void LiveView::ShowEvent(const std::string& json) { terminal_->Err(json); }

std::string LiveView::PaintedId(int step) const {
  return Paint(build_.steps(step).id(), StepColour(step), terminal_->err_colour());
}

std::string LiveView::Prefix(int step, bool colour) const {
  const std::string& id = build_.steps(step).id();
  const int padding = std::max(0, id_width_ - DisplayWidth(id));
  return absl::StrCat(Paint(id, StepColour(step), colour), std::string(padding, ' '), " | ");
}

void LiveView::OnBuild(const v1::Build& build, absl::Time now) {
  const bool more_steps = build.steps_size() > static_cast<int>(steps_.size());
  const v1::BuildStatus before = build_.status();
  build_ = build;
  steps_.resize(build_.steps_size());
  if (more_steps) {
    for (const v1::Step& step : build_.steps()) {
      id_width_ = std::max(id_width_, std::min(kMaxIdWidth, DisplayWidth(step.id())));
    }
  }
  if (options_.mode == ProgressMode::kJson && before != build_.status()) {
    ShowEvent(BuildEvent(build_, now));
  } else if (before != build_.status() && build_.status() == v1::BUILD_STATUS_CANCELLING) {
    Say(absl::StrCat("build ", build_.id(), " is being cancelled",
                     build_.reason().empty() ? "" : ": ", build_.reason()));
    if (!options_.cancelling_hint.empty()) Say(options_.cancelling_hint);
  }
  for (int i = 0; i < build_.steps_size(); ++i) {
    const v1::Step& step = build_.steps(i);
    StepView& view = steps_[i];
    if (step.attempt() > view.attempt) {
      if (view.attempt > 0) {
        // The newest warning says how the attempt before ended.
        const std::string why = step.warnings().empty()
                                    ? ""
                                    : absl::StrCat("; ", step.warnings(step.warnings_size() - 1));
        Say(absl::StrCat(PaintedId(i), " is tried again, attempt ", step.attempt(), why));
        view = StepView();
      }
      view.attempt = step.attempt();
    }
    if (view.announced == step.status()) {
      ShowHandlers(i, now);
      // It was said that the step is being prepared; now there is more to say, perhaps an error.
      if (!HasEnded(step.status()) && !step.activity().empty() &&
          step.activity() != view.announced_activity) {
        ShowIdle(i);
      }
      continue;
    }
    if (HasEnded(step.status())) {
      view.idle_since = absl::InfiniteFuture();
      if (!view.end_is_due) view.end_due_at = now + kEndWaitsForLog;
      view.end_is_due = true;
    } else if (step.status() == v1::STEP_STATUS_RUNNING) {
      view.idle_since = absl::InfiniteFuture();
      ShowChange(i, now);
    } else if (view.announced != v1::STEP_STATUS_RUNNING &&
               (step.status() == v1::STEP_STATUS_READY ||
                step.status() == v1::STEP_STATUS_ASSIGNED)) {
      if (view.idle_since == absl::InfiniteFuture()) view.idle_since = now;
    }
  }
}

void LiveView::ShowChange(int index, absl::Time now) {
  const v1::Step& step = build_.steps(index);
  StepView& view = steps_[index];
  view.announced = step.status();
  view.end_is_due = false;
  view.end_due_at = absl::InfiniteFuture();
  view.handlers = step.handled_by_size();
  if (options_.mode == ProgressMode::kJson) {
    ShowEvent(StepEvent(step, now));
    return;
  }
  const std::string change = DescribeChange(step);
  if (change.empty()) return;
  const bool ended = HasEnded(step.status());
  Say(absl::StrCat(
      PaintedId(index), " ",
      Paint(change, ended ? ColourOf(step.status()) : Colour::kNone, terminal_->err_colour())));
  for (const std::string& warning : step.warnings()) {
    if (!ended) break;
    Say(absl::StrCat(PaintedId(index), " warning: ", warning));
  }
}

// A step's end is told before the next step begins that looks at its exit code.
void LiveView::ShowHandlers(int index, absl::Time now) {
  const v1::Step& step = build_.steps(index);
  if (step.handled_by_size() <= steps_[index].handlers) return;
  steps_[index].handlers = step.handled_by_size();
  if (options_.mode == ProgressMode::kJson) {
    ShowEvent(StepEvent(step, now));
  } else {
    Say(absl::StrCat(PaintedId(index), " ", StatusAndHandlers(step)));
  }
}

void LiveView::ShowIdle(int index) {
  const v1::Step& step = build_.steps(index);
  steps_[index].announced = step.status();
  steps_[index].idle_since = absl::InfiniteFuture();
  steps_[index].announced_activity = step.activity();
  // The controller's message is a sentence about the step, or a reason.
  const bool ready = step.status() == v1::STEP_STATUS_READY;
  const bool sentence = !ready || absl::StartsWith(step.message(), "waits");
  if (step.message().empty()) {
    Say(absl::StrCat(PaintedId(index), ready ? " waits for an agent" : " is being prepared on ",
                     ready ? "" : step.agent()));
  } else {
    Say(absl::StrCat(PaintedId(index), sentence ? " " : " waits: ", step.message()));
  }
}

void LiveView::OnLog(int step, int attempt, const v1::LogRecord& record) {
  if (steps_[step].attempt != attempt) return;
  if (!HasEnded(build_.steps(step).status()) && steps_[step].announced != v1::STEP_STATUS_RUNNING) {
    // What it writes can be here before the news that it runs.
    build_.mutable_steps(step)->set_status(v1::STEP_STATUS_RUNNING);
    steps_[step].idle_since = absl::InfiniteFuture();
    ShowChange(step, absl::Now());
  }
  for (const LogLine& line : steps_[step].assembler.Add(record)) ShowLine(step, line);
}

void LiveView::ShowLine(int step, const LogLine& line) {
  StepView& view = steps_[step];
  if (view.last_lines.size() == kLastLines) {
    view.last_lines.pop_front();
    view.log_is_longer = true;
  }
  view.last_lines.push_back(Truncate(line.text, kMaxKeptCharacters));
  if (options_.mode == ProgressMode::kQuiet) return;
  if (options_.mode == ProgressMode::kJson) {
    ShowEvent(LogEvent(build_.steps(step).id(), view.attempt, line.stream, line.text, absl::Now()));
    return;
  }
  const bool to_err = options_.logs_to_err;
  const bool is_terminal = to_err ? terminal_->err_is_terminal() : terminal_->out_is_terminal();
  const bool colour = to_err ? terminal_->err_colour() : terminal_->out_colour();
  const std::string text =
      absl::StrCat(Prefix(step, colour), is_terminal ? SafeForTerminal(line.text) : line.text,
                   // A step that left a colour on doesn't paint what others say.
                   is_terminal && line.text.find('\x1b') != std::string::npos ? "\x1b[0m\n" : "\n");
  if (to_err) {
    terminal_->Err(text);
  } else {
    terminal_->Out(text);
  }
}

void LiveView::OnStepComplete(int step) {
  for (const LogLine& line : steps_[step].assembler.Finish()) ShowLine(step, line);
  const v1::StepStatus status = build_.steps(step).status();
  if (steps_[step].announced != status) ShowChange(step, absl::Now());
  if (!IsBad(status)) {
    steps_[step].last_lines.clear();
    steps_[step].last_lines.shrink_to_fit();
  }
}

void LiveView::OnConnectionLost(const absl::Status& why) {
  if (options_.mode == ProgressMode::kJson) {
    ShowEvent(ConnectionEvent("lost", std::string(why.message()), absl::Now()));
    return;
  }
  Say(absl::StrCat("no connection to the controller at ", options_.server, " (", why.message(),
                   "); the build isn't affected, trying again"));
}

void LiveView::OnConnectionRestored() {
  if (options_.mode == ProgressMode::kJson) {
    ShowEvent(ConnectionEvent("restored", "", absl::Now()));
    return;
  }
  Say("connected again");
}

void LiveView::Flush(absl::Time now) {
  if (stopped_) return;
  for (int i = 0; i < static_cast<int>(steps_.size()); ++i) {
    if (steps_[i].end_due_at <= now) ShowChange(i, now);
    if (steps_[i].idle_since <= now - kIdleBeforeLine) ShowIdle(i);
  }
  if (options_.mode == ProgressMode::kTty && !steps_.empty()) {
    const int lines = std::min(kMaxBlockLines, std::max(1, terminal_->height() / 3));
    terminal_->SetBlock(
        RenderStatusBlock(build_, now, terminal_->width() - 1, lines, terminal_->err_colour()));
  }
  terminal_->Flush();
}

absl::Time LiveView::NextFlush(absl::Time now) {
  absl::Time next = absl::InfiniteFuture();
  if (options_.mode == ProgressMode::kTty) next = now + kRedraw;
  for (const StepView& step : steps_) {
    next = std::min(next, step.end_due_at);
    if (step.idle_since != absl::InfiniteFuture()) {
      next = std::min(next, step.idle_since + kIdleBeforeLine);
    }
  }
  return next;
}

void LiveView::Stop() {
  stopped_ = true;
  terminal_->SetBlock({});
  terminal_->Flush();
}

void LiveView::Finish(const v1::Build& build, absl::Time now) {
  for (int i = 0; i < static_cast<int>(steps_.size()); ++i) {
    if (steps_[i].end_is_due) {
      Say(absl::StrCat("the log of ", PaintedId(i), " isn't complete here"));
      OnStepComplete(i);
    }
  }
  if (options_.mode != ProgressMode::kJson) {
    std::vector<FailedStepLog> logs;
    for (int i = 0; i < build.steps_size(); ++i) {
      if (!IsBad(build.steps(i).status())) continue;
      FailedStepLog log{i, {}, steps_[i].log_is_longer};
      for (const std::string& line : steps_[i].last_lines) {
        log.last_lines.push_back(terminal_->err_is_terminal() ? SafeForTerminal(line) : line);
      }
      logs.push_back(std::move(log));
    }
    const bool quiet = options_.mode == ProgressMode::kQuiet;
    if (!quiet || build.status() != v1::BUILD_STATUS_SUCCEEDED) {
      v1::Build news = build;
      news.clear_warnings();
      for (const std::string& warning : build.warnings()) {
        if (options_.known_warnings.count(warning) == 0) news.add_warnings(warning);
      }
      terminal_->Err(RenderSummary(news, logs, now, !quiet, terminal_->err_colour()));
    }
    if (!quiet && options_.outlives_us && !build.workspace().hash().empty()) {
      terminal_->Err(absl::StrCat("Its files: rallyctl fetch ", build.id(), " --to DIR\n"));
    }
  }
  Stop();
}

}  // namespace rally::rallyctl
