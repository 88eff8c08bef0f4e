#ifndef RALLY_CONTROLLER_LOOP_LOOP_H_
#define RALLY_CONTROLLER_LOOP_LOOP_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/core/core.h"
#include "controller/loop/liveness_watch.h"
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
  virtual bool IsWatched(const std::string& build_id) = 0;
  virtual void Publish(const core::Build& build) = 0;
  // Nothing will be appended to the attempt's log beyond `log_end`; -1: beyond what is there.
  virtual void LogEnds(const core::AttemptKey& key, int64_t log_end) = 0;
};

// The one thread that owns every build. It takes events from a bounded mailbox in batches, appends
// them to the journal in one transaction, applies them to the core and executes the commands. It
// does no network I/O; the journal is the only thing that it waits for.
//
// Ownership: owns the core and the journal; the sink must outlive it.
// Threads: Post, PostProposal, Query and Heartbeat may be called from any thread; callbacks run on
//   the loop thread and must not block.
// Blocking: Post blocks while the mailbox is full (that is the back-pressure on agents).
class Loop {
 public:
  struct Options {
    size_t mailbox_capacity = 8192;
    size_t batch_limit = 512;
    core::CoreOptions core;
    LivenessWatch::Options liveness;
  };

  // Decides on the core's present state whether there is an event to add. Runs on the loop thread.
  using Proposal = std::function<std::optional<core::Event>(const core::Core&)>;
  using Done = std::function<void(const absl::Status&, const core::Core&)>;

  // Replays the journal, becomes the writer of a new epoch, and starts the thread.
  static absl::StatusOr<std::unique_ptr<Loop>> Start(const Options& options,
                                                     std::unique_ptr<store::Journal> journal,
                                                     CommandSink* sink);
  // Stops the thread. Items still in the mailbox are dropped: their senders ask again.
  ~Loop();

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // False when the loop is stopping.
  bool Post(core::Event event);

  // `done` is called after the proposal's event, if it made one, is durable and applied, or with
  // the journal's error when it couldn't be kept.
  bool PostProposal(Proposal proposal, Done done);

  bool Query(std::function<void(const core::Core&)> query);

  // A sign of life of an agent; not journalled unless it changes something.
  bool Heartbeat(std::string agent, bool accepts_work);

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
  };
  using Item = std::variant<core::Event, ProposalItem, QueryItem, HeartbeatItem>;

  // An event of the batch, with whom to tell.
  struct Pending {
    core::Event event;
    Done done;
  };

  Loop(const Options& options, std::unique_ptr<store::Journal> journal, CommandSink* sink);

  absl::Status Recover();
  bool Push(Item item) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run();
  std::deque<Item> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  void Process(Item item);
  void FireTimers();
  // Journals and applies what is pending. On a full disk the pending events stay for the next time,
  // but for proposals, which are refused.
  void Flush();
  void ApplyOne(const core::Event& event, absl::Time now);
  void Execute(const core::Command& command);
  void PublishChanged();
  absl::Time Now();
  absl::Time NextDeadline() const;

  const Options options_;
  const std::unique_ptr<store::Journal> journal_;
  CommandSink* const sink_;

  // Loop thread only.
  core::Core core_;
  LivenessWatch liveness_;
  std::vector<Pending> pending_;
  absl::Time last_now_ = absl::InfinitePast();
  absl::Time retry_flush_at_ = absl::InfiniteFuture();
  struct Publication {
    absl::Time not_before = absl::InfinitePast();
  };
  absl::flat_hash_map<std::string, Publication> publications_;
  std::vector<std::string> changed_builds_;

  int64_t epoch_ = 0;
  int64_t replayed_ = 0;

  absl::Mutex mutex_;
  std::deque<Item> mailbox_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOOP_LOOP_H_
