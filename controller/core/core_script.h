#ifndef RALLY_CONTROLLER_CORE_CORE_SCRIPT_H_
#define RALLY_CONTROLLER_CORE_CORE_SCRIPT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/core.h"

// For tests: a core that is told what happens in short words, and answers with its commands as
// short lines. Attempts are written BUILD/STEP#ATTEMPT:
//
//   prepare x b/a#1 image=sha256:1 input=ctx     grant x b/a#1 input=ctx 10m
//                                                (of an exclusive step with lease=2m)
//   cancel x b/a#1 [discard]                     ack x b/a#1
//   welcome x b/a#1=keep ...                     ended b
//   join b/c base=ctx a:ctx>A b:ctx>B            (what is before a delta: {a,b})
//   upload x b/c#1 f                             trace b/c f in ctx a:ctx>A
//
// BuildChanged shows only as "ended". A tree's digest is its name, with size 1.
namespace rally::core {

struct ScriptStep {
  std::string id;
  std::vector<std::string> after;
  std::string image = "img@sha256:0";
  absl::Duration timeout = absl::Minutes(10);
  std::vector<int> exited_with;
  std::vector<int> exited_without;
  Rerun rerun = Rerun::kSafe;
};

struct ScriptPolicy {
  bool fail_on_conflict = false;
  bool fail_fast = false;
};

class Script {
 public:
  explicit Script(CoreOptions options = {});

  // Time goes on for the events that follow.
  void Wait(absl::Duration duration) { now_ += duration; }
  // As the shell does: fires the core's timers as they become due in that time.
  std::vector<std::string> Pass(absl::Duration duration);

  std::vector<std::string> Start(int64_t epoch);
  std::vector<std::string> Submit(const std::string& build, const std::vector<ScriptStep>& steps,
                                  absl::Duration total_timeout = absl::Hours(1),
                                  const Labels& labels = {}, ScriptPolicy policy = {});
  // `attempts` are like "b/a#1=running". The session's number grows by itself.
  std::vector<std::string> Hello(const std::string& agent, int slots,
                                 const std::vector<std::string>& attempts = {},
                                 const std::string& incarnation = "disk", const Labels& labels = {},
                                 const std::string& boot = "boot");
  std::vector<std::string> Disconnect(const std::string& agent);
  std::vector<std::string> Lose(const std::string& agent,
                                absl::Duration silent_for = absl::ZeroDuration());
  // It was silent, and is heard again on the same session.
  std::vector<std::string> HearAgain(const std::string& agent);
  std::vector<std::string> Drain(const std::string& agent, bool drain = true);
  std::vector<std::string> Prepared(const std::string& agent, const std::string& attempt,
                                    const std::string& image_digest = "sha256:0");
  std::vector<std::string> Rejected(const std::string& agent, const std::string& attempt,
                                    RejectCause cause, const std::string& message = "no");
  std::vector<std::string> Started(const std::string& agent, const std::string& attempt);
  std::vector<std::string> Exited(const std::string& agent, const std::string& attempt,
                                  int exit_code, const std::string& output = "");
  std::vector<std::string> Ended(const std::string& agent, const std::string& attempt, EndKind kind,
                                 const std::string& message = "", bool may_retry = false);
  // It could not fetch the input: these blobs are nowhere.
  std::vector<std::string> Missing(const std::string& agent, const std::string& attempt,
                                   const std::vector<std::string>& blobs,
                                   bool never_started = true);
  std::vector<std::string> Uploaded(const std::string& agent, const std::string& attempt,
                                    const std::vector<std::string>& blobs);
  // `made` are pairs of a step and a blob.
  std::vector<std::string> Traced(const std::string& build, const std::string& step,
                                  const std::vector<std::pair<std::string, std::string>>& made,
                                  const std::vector<std::string>& in_context = {});
  // Of the build's present generation.
  std::vector<std::string> Joined(const std::string& build, int step, const std::string& root,
                                  std::vector<Conflict> conflicts = {},
                                  const std::string& error = "",
                                  const std::vector<std::string>& missing = {});
  std::vector<std::string> Cancel(const std::string& build);
  // Prepared, Started and Exited in one; what each of them caused, in order.
  std::vector<std::string> Run(const std::string& agent, const std::string& attempt, int exit_code,
                               const std::string& output = "");

  std::vector<std::string> Apply(const Event& event);

  const Core& core() const { return *core_; }
  absl::Time now() const { return now_; }
  const Build& build(const std::string& id) const { return *core_->FindBuild(id); }
  const Step& step(const std::string& build, const std::string& id) const;
  // "succeeded", "waiting: waits for a", ...
  std::string State(const std::string& build, const std::string& id) const;
  // A new core that is given all events of this one.
  std::unique_ptr<Core> Replay() const;

 private:
  AttemptKey Key(const std::string& attempt) const;
  std::string Name(const AttemptKey& key) const;
  std::string Line(const Command& command) const;

  const CoreOptions options_;
  std::unique_ptr<Core> core_;
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  int64_t last_session_ = 0;
  std::vector<std::pair<Event, absl::Time>> events_;
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_CORE_SCRIPT_H_
