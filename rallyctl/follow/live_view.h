#ifndef RALLY_RALLYCTL_FOLLOW_LIVE_VIEW_H_
#define RALLY_RALLYCTL_FOLLOW_LIVE_VIEW_H_

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rallyctl/follow/build_follower.h"
#include "rallyctl/follow/line_assembler.h"
#include "rallyctl/terminal.h"

namespace rally::rallyctl {

enum class ProgressMode {
  kTty,    // lines, and a status block below them
  kPlain,  // lines only
  kJson,   // an object a line on standard error, log lines included
  kQuiet,  // nothing but what failed, at the end
};

// What a person sees of a build that is followed: each step's log lines behind its id, state
// changes, and at the end a summary. Log lines are data and go to standard output; the rest to
// standard error.
//
// Ownership: the terminal outlives it. Threads: that of BuildFollower::Run.
class LiveView final : public FollowListener {
 public:
  struct Options {
    ProgressMode mode = ProgressMode::kPlain;
    // Standard output is kept for something else (-o json): log lines go to standard error too.
    bool logs_to_err = false;
    // For messages: where the controller is.
    std::string server;
    // Whether its files can be fetched from there afterwards, which is said then.
    bool outlives_us = true;
    // Warnings of the pipeline that were said before the build began, as the controller words them.
    std::set<std::string> known_warnings;
    // Said when the build begins to be cancelled.
    std::string cancelling_hint;
  };

  LiveView(Terminal* terminal, Options options);

  void OnBuild(const v1::Build& build, absl::Time now) override;
  void OnLog(int step, int attempt, const v1::LogRecord& record) override;
  void OnStepComplete(int step) override;
  void OnConnectionLost(const absl::Status& why) override;
  void OnConnectionRestored() override;
  void Flush(absl::Time now) override;
  absl::Time NextFlush(absl::Time now) override;

  // What is left to say once following has ended: the summary, when the build has ended.
  void Finish(const v1::Build& build, absl::Time now);
  // Removes the status block; nothing is shown afterwards.
  void Stop();

 private:
  static constexpr size_t kLastLines = 20;

  struct StepView {
    v1::StepStatus announced = v1::STEP_STATUS_UNSPECIFIED;
    int attempt = 0;
    int handlers = 0;  // of Step::handled_by that were told of
    LineAssembler assembler;
    std::deque<std::string> last_lines;
    bool log_is_longer = false;
    bool end_is_due = false;  // ended, but its log isn't complete yet
    absl::Time end_due_at = absl::InfiniteFuture();
    absl::Time idle_since = absl::InfiniteFuture();  // not started and without a line about why
    std::string announced_activity;                  // in that line
  };

  void ShowChange(int step, absl::Time now);
  void ShowHandlers(int step, absl::Time now);
  void ShowIdle(int step);
  void ShowLine(int step, const LogLine& line);
  void ShowEvent(const std::string& json);
  void Say(const std::string& line);
  std::string Prefix(int step, bool colour) const;
  std::string PaintedId(int step) const;

  Terminal* const terminal_;
  const Options options_;
  v1::Build build_;
  std::vector<StepView> steps_;
  int id_width_ = 0;
  bool stopped_ = false;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_LIVE_VIEW_H_
