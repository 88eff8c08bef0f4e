#ifndef RALLY_CONTROLLER_LOOP_LOOP_H_
#define RALLY_CONTROLLER_LOOP_LOOP_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/core/core.h"
#include "controller/loop/liveness_watch.h"
#include "controller/loop/mailbox.h"
#include "controller/store/journal.h"

namespace rally::controller {

// What the loop's decisions turn into outside. All methods are called on the loop thread, after the
// events behind them are durable, and must not block.
class CommandSink {
 public:
  virtual ~CommandSink() = default;
  virtual void SendToAgent(const std::string& agent, const core::Command& command,
                           int64_t epoch) = 0;
  virtual void Join(core::JoinTrees join) = 0;
  virtual void Trace(core::TraceBlobs trace) = 0;
  virtual bool IsWatched(const std::string& build_id) = 0;
  virtual void Publish(const core::Build& build) = 0;
  // Nothing will be appended to the attempt's log beyond `log_end`; -1: beyond what is there, as
  // far as anybody can tell.
  virtual void LogEnds(const core::AttemptKey& key, int64_t log_end) = 0;
  // The build has come to need a tree: its context, a step's output, or a joined one. Some are told
  // again.
  virtual void NeedsTree(const std::string& /*build_id*/, const core::Digest& /*tree*/) {}
  virtual void BuildEnded(const std::string& /*build_id*/) {}
};

// The one thread that owns every build. It takes events from a bounded mailbox in batches, appends
// them to the journal in one transaction, applies them to the core and executes the commands. It
// does no network I/O; the journal is the only thing that it waits for. While the journal is full,
// what agents report waits, questions are answered, and what would change something is refused.
//
// Ownership: owns the core and the journal; the sink must outlive it.
// Threads: all methods but Start may be called from any thread, unless they say otherwise;
//   callbacks run on the loop thread and must not block.
// Blocking: Open reads the journal; nothing else blocks. What returns a bool returns false, and
//   takes nothing, when the loop is stopping or has too much to do.
class Loop {
 public:
  struct Options {
    size_t mailbox_capacity = 32768;
    size_t batch_limit = 512;
    // How long a journal that could not be written is left alone.
    absl::Duration journal_retry = absl::Milliseconds(200);
    core::CoreOptions core;
    LivenessWatch::Options liveness;
    // What ControllerStarted tells the core; zero: what held before.
    absl::Duration exclusive_lease;
    absl::Duration unknown_after;
  };

  // Decides on the core's present state whether there is an event to add. Runs on the loop thread.
  using Proposal = std::function<std::optional<core::Event>(const core::Core&)>;
  using Done = std::function<void(const absl::Status&, const core::Core&)>;

  // Replays the journal and becomes the writer of a new epoch. Nothing is done before Start.
  static absl::StatusOr<std::unique_ptr<Loop>> Open(const Options& options,
                                                    std::unique_ptr<store::Journal> journal,
                                                    CommandSink* sink);
  // Stops the thread. Items still in the mailbox are dropped: their senders ask again.
  ~Loop();

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Starts the thread. From here on the sink is called.
  void Start();

  // For what agents report.
  bool TryPost(core::Event event);
  // For what the controller itself brings about, whose number live sessions and steps bound:
  // refused only when the loop is stopping.
  bool Post(core::Event event);

  // `done` is called after the proposal's event, if it made one, is durable and applied, or with
  // the journal's error when it couldn't be kept.
  bool PostProposal(Proposal proposal, Done done);

  bool Query(std::function<void(const core::Core&)> query);

  // A sign of life of an agent; not journalled unless it changes something. What it is doing for
  // which attempt is only shown.
  using Activities = std::vector<std::pair<core::AttemptKey, std::string>>;
  bool Heartbeat(std::string agent, bool accepts_work, Activities activities = {});

  // Loop thread only: for queries. InfinitePast when there was no sign of life since the start.
  absl::Time LastSeen(const std::string& agent) const { return liveness_.LastSeen(agent); }

  int64_t epoch() const { return epoch_; }
  // Events that the start replayed.
  int64_t replayed() const { return replayed_; }

 private:
  struct ProposalItem {
    Proposal proposal;
    Done done;
  };
  struct QueryItem {
    std::function<void(const core::Core&)> query;
  };
  struct HeartbeatItem {
    std::string agent;
    bool accepts_work;
    Activities activities;
  };
  using Item = std::variant<core::Event, ProposalItem, QueryItem, HeartbeatItem>;
  using Kind = Mailbox<Item>::Kind;

  // An event of the batch, with whom to tell.
  struct Pending {
    core::Event event;
    Done done;
  };

  Loop(const Options& options, std::unique_ptr<store::Journal> journal, CommandSink* sink);

  absl::Status Recover();
  void Run();
  std::deque<Item> Take();
  void Process(std::deque<Item> batch);
  void TakeIn(core::Event event);
  void Answer(ProposalItem proposal);
  void AddLiveness(core::AgentLivenessChanged change);
  void FireTimers();
  // Journals and applies what is pending. When that isn't possible the pending events stay for the
  // next time, but for proposals, which are refused.
  void Flush();
  void OnJournalFailure(const absl::Status& status);
  bool IsBlocked() const { return retry_flush_at_ != absl::InfiniteFuture(); }
  void ApplyOne(const core::Event& event, absl::Time now);
  bool EndsCurrentAttempt(const core::AttemptEnded& event) const;
  void TellTrees(const core::Event& event, absl::Time now);
  void EndLogsOf(const std::string& lost_agent);
  void Execute(const core::Command& command);
  void PublishChanged();
  absl::Time Now();
  absl::Time NextDeadline() const;

  const Options options_;
  const std::unique_ptr<store::Journal> journal_;
  CommandSink* const sink_;
  int64_t epoch_ = 0;
  int64_t replayed_ = 0;

  // Loop thread only, once it runs.
  core::Core core_;
  LivenessWatch liveness_;
  std::vector<Pending> pending_;
  // The clock: a wall time, and the boot time at which it was true.
  absl::Time clock_start_;
  absl::Duration clock_boot_;
  // While the journal can't be written: when to try again, and why it can't.
  absl::Time retry_flush_at_ = absl::InfiniteFuture();
  absl::Status journal_error_;
  // When the timers were looked at last, and by when it was meant to do so again. Later than that
  // means that the thread was kept from running.
  absl::Time timers_seen_ = absl::InfinitePast();
  absl::Time awake_by_ = absl::InfiniteFuture();
  // When a build that is watched may be turned into a message again.
  absl::flat_hash_map<std::string, absl::Time> publish_not_before_;
  std::vector<std::string> changed_builds_;

  Mailbox<Item> mailbox_;
  std::thread thread_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOOP_LOOP_H_
