#ifndef RALLY_CONTROLLER_CORE_CORE_IMPL_H_
#define RALLY_CONTROLLER_CORE_CORE_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/core/agent_table.h"
#include "controller/core/build_record.h"
#include "controller/core/core.h"
#include "controller/core/input_plan.h"
#include "controller/core/scheduler.h"
#include "controller/core/timer_queue.h"

namespace rally::core {

// How long after its timeout, or after a Cancel, a live agent's result is awaited: the grace before
// SIGKILL, the bound of a capture, and a minute.
constexpr absl::Duration kResultSlack = absl::Seconds(10 + 10 * 60 + 60);

// The steps that nothing depends on: their ancestors are all others.
std::vector<int> Leaves(const Build& build);

// The state and its transitions. One event is applied in this order: the handler of the event, then
// the steps that have come to their decision, the builds that have come to their end, placement of
// what is ready, preparation of what will be, and last the words that explain what waits.
//
// Each group of methods lives in the file that is named above it.
class Core::Impl {
 public:
  explicit Impl(CoreOptions options)
      : options_(options),
        exclusive_lease_(options.exclusive_lease),
        unknown_after_(options.unknown_after) {}

  // core.cc
  absl::StatusOr<std::vector<Command>> Apply(const Event& event, absl::Time now);

  // waiting_messages.cc
  bool NoteActivity(const std::string& agent, const AttemptKey& key, std::string doing);

  // fingerprint.cc
  std::string Describe() const;

  const AgentTable& agents() const { return agents_; }
  const TimerQueue& timers() const { return timers_; }
  const std::vector<std::unique_ptr<BuildRecord>>& records() const { return records_; }
  const BuildRecord* FindById(const std::string& id) const;
  const BuildRecord* FindByKey(const std::string& key) const;
  int64_t epoch() const { return epoch_; }

 private:
  // What an agent speaks about, if it is the current attempt of a step that hasn't ended.
  struct Current {
    BuildRecord* record = nullptr;
    int step = 0;
  };
  // What a Hello shares with what its agent's last one said.
  struct Host {
    bool same_disk = true;
    bool same_boot = true;
  };
  // What is known of a granted process that its agent can't follow to its end.
  enum class Remains {
    kMayRun,
    kDead,
    kNeverStarted,
  };

  // core.cc
  absl::Status On(const BuildSubmitted& event);
  BuildRecord* FindById(const std::string& id);
  std::optional<Current> FindCurrent(const std::string& agent, const AttemptKey& key);
  static Step& StepOf(const Current& current) { return current.record->build.steps[current.step]; }
  AttemptKey KeyOf(const BuildRecord& record, int step) const;
  void Touch(BuildRecord& record);
  void Emit(Command command) { commands_.push_back(std::move(command)); }
  void PublishChanges();

  // step_machine.cc: what becomes of a step when its dependencies end, and of a build
  void MakeReady(BuildRecord& record, int step);
  void DecideSteps();
  void Decide(BuildRecord& record, int step);
  void Settle(BuildRecord& record, int step, StepStatus status, std::optional<int> code,
              std::string message);
  void NoteHandled(BuildRecord& record, int handler);
  void EndBuilds();
  void EndBuild(BuildRecord& record);

  // input_trees.cc: the tree that a step sees, and the final one
  absl::Status On(const TreeJoined& event);
  void FinishWorkspace(BuildRecord& record, const TreeJoined& event, const std::string& error);
  bool FindInput(BuildRecord& record, int step);
  void EmitJoin(const BuildRecord& record, int step, InputPlan plan);
  void RepeatJoins(BuildRecord& record);
  void Refind(BuildRecord& record, int step);
  void NoteConflicts(BuildRecord& record, const std::vector<Conflict>& conflicts);

  // attempt_machine.cc: what agents report about attempts
  absl::Status On(const AttemptPrepared& event);
  absl::Status On(const AttemptRejected& event);
  absl::Status On(const AttemptStarted& event);
  absl::Status On(const AttemptEnded& event);
  void SettleByResult(BuildRecord& record, int step, const AttemptEnded& result);
  void GrantIfPossible(BuildRecord& record, int step);
  void SendGrant(BuildRecord& record, int step);
  void EmitPrepare(const BuildRecord& record, int step);
  void EmitCancel(const BuildRecord& record, int step, bool discard);
  void BeginAttempt(BuildRecord& record, int step, const std::string& agent, bool early);
  void PromoteEarly(BuildRecord& record, int step);
  void HoldSlot(BuildRecord& record, int step);
  void DropAttempt(BuildRecord& record, int step);
  void ReleaseEarly(BuildRecord& record, int step, bool tell_agent);
  void Requeue(BuildRecord& record, int step);
  void FailOnHost(BuildRecord& record, int step, const std::string& what);

  // placement.cc: ready lists and who gets what
  void Enqueue(BuildRecord& record, int step);
  void Dequeue(BuildRecord& record, int step);
  void RequeueTagWaiters(BuildRecord& record, const std::string& tag);
  void StopResolving(BuildRecord& record, int step);
  void Place();
  bool PlaceOne(BuildRecord& record, const std::vector<const Agent*>& eligible,
                const std::vector<const Agent*>& free);
  PlacementRequest DescribePlacement(const BuildRecord& record, int step) const;
  bool IsSettling() const;

  // early_preparation.cc
  void PrepareEarly();
  bool PrepareOneEarly(BuildRecord& record, int step, const std::vector<const Agent*>& eligible,
                       const std::vector<const Agent*>& room);
  int LookAheadOf(const BuildRecord& record, int step) const;
  void UpdateLive(BuildRecord& record, int step);
  void UpdateLookAhead(BuildRecord& record, int step, int ahead);
  void UpdateCandidate(BuildRecord& record, int step);

  // sessions.cc: agents come, go and say what they hold
  absl::Status On(const ControllerStarted& event);
  absl::Status On(const AgentConnected& event);
  absl::Status On(const AgentDisconnected& event);
  absl::Status On(const AgentLivenessChanged& event);
  absl::Status On(const DrainRequested& event);
  Verdict Judge(const std::string& agent, const AttemptReport& report);
  void Reconcile(BuildRecord& record, int step, const AttemptReport* report, const Host& host);
  void ReconcileGranted(BuildRecord& record, int step, const AttemptReport* report,
                        const Host& host);

  // lost_attempts.cc: attempts that their agents can't finish, after their grant
  void LoseAttempts(const std::string& agent, absl::Duration silent_for);
  void LoseGranted(BuildRecord& record, int step, Remains remains, const std::string& what,
                   absl::Duration silent_for = absl::ZeroDuration());
  absl::Duration WaitFor(const BuildRecord& record, int step) const;
  void RestartWait(BuildRecord& record, int step);
  void EndWait(BuildRecord& record, int step);
  void GiveUpWait(BuildRecord& record, int step);
  std::string DescribeLoss(const BuildRecord& record, int step) const;

  // lost_inputs.cc: blobs of a step's input that the store has lost
  absl::Status On(const BlobsUploaded& event);
  absl::Status On(const BlobsTraced& event);
  void LoseInput(BuildRecord& record, int step, std::vector<Digest> blobs);
  std::vector<std::string> WhoMayHaveInput(const BuildRecord& record, int step) const;
  void AskForBlobs(BuildRecord& record, int step, const std::string& agent);
  void AskNewcomer(const std::string& agent);
  void AwaitNoAnswer(const std::string& agent);
  void TraceInput(BuildRecord& record, int step);
  void EmitTrace(const BuildRecord& record, int step);
  void ResumeLostInputs(BuildRecord& record);
  void RestoreInput(BuildRecord& record, int step);
  void GiveUpInput(BuildRecord& record, int step, const Digest& blob, const std::string& why);
  std::string DescribeLostInput(const BuildRecord& record, int step) const;

  // remade_outputs.cc: steps that run again, because what they made was lost
  std::string WhyNotAgain(const BuildRecord& record, int step) const;
  void RunAgain(BuildRecord& record, int step, int for_step, const Digest& blob);
  void EndRerun(BuildRecord& record, int step, StepStatus status, std::optional<int> code,
                const std::string& message);
  void AdoptRemade(BuildRecord& record, int step);
  void FindInputsAnew(BuildRecord& record);

  // deadlines.cc: cancelling and clocks
  absl::Status On(const CancelRequested& event);
  absl::Status On(const TimerFired& event);
  void StopBuild(BuildRecord& record, const std::string& reason, bool for_timeout);
  void StrikeTotal(BuildRecord& record);
  void OnStepTimer(BuildRecord& record, int step);
  void ArmStepTimer(BuildRecord& record, int step);
  absl::Duration TotalLeft(const BuildRecord& record) const;

  // waiting_messages.cc
  std::string DescribeWait(BuildRecord& record, int step);
  std::string DescribeAvoided(const BuildRecord& record, int step) const;
  void ExplainWaiting(BuildRecord& record, int step);
  void ExplainReadySteps();

  const CoreOptions options_;
  absl::Duration exclusive_lease_;
  absl::Duration unknown_after_;
  int64_t epoch_ = 0;
  AgentTable agents_;
  std::vector<std::unique_ptr<BuildRecord>> records_;  // by number
  std::map<std::string, BuildRecord*> by_id_;
  std::map<std::string, BuildRecord*> by_key_;
  TimerQueue timers_;

  std::set<StepRef> lost_inputs_;         // steps with a lost_input
  std::set<int64_t> with_ready_;          // builds with steps that could be placed
  std::set<int64_t> with_candidates_;     // builds with steps that could be prepared early
  int64_t last_served_ = -1;              // the build that got the last slot
  std::set<std::string> awaited_agents_;  // after a restart; until then nothing new is placed
  size_t agents_before_restart_ = 0;
  absl::Time settles_at_ = absl::InfinitePast();
  // The same builds by the labels that they want, and what their ready steps say that they wait
  // for.
  std::map<Labels, std::set<int64_t>> ready_by_labels_;
  std::map<Labels, std::string> shortages_;

  // Of the event that is being applied.
  absl::Time now_;
  std::vector<Command> commands_;
  std::deque<std::pair<BuildRecord*, int>> to_decide_;
  std::vector<BuildRecord*> changed_;
  std::vector<std::pair<BuildRecord*, int>> newly_ready_;
  bool settled_ = false;  // a step ended
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_CORE_IMPL_H_
