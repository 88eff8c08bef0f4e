#include "controller/loop/loop.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "controller/failpoint.h"
#include "controller/wire/event_wire.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

// What failpoints call events and commands.
constexpr absl::string_view kEventNames[] = {
    "controller-started", "build-submitted",  "agent-connected",  "agent-disconnected",
    "liveness",           "attempt-prepared", "attempt-rejected", "attempt-started",
    "attempt-ended",      "tree-joined",      "cancel-requested", "drain-requested",
    "timer-fired",        "blobs-uploaded",   "blobs-traced"};
static_assert(std::size(kEventNames) == std::variant_size_v<core::Event>);
constexpr absl::string_view kCommandNames[] = {"prepare",       "start-grant",  "cancel",
                                               "result-ack",    "welcome",      "join-trees",
                                               "build-changed", "upload-blobs", "trace-blobs"};
static_assert(std::size(kCommandNames) == std::variant_size_v<core::Command>);

absl::string_view NameOf(const core::Event& event) { return kEventNames[event.index()]; }
absl::string_view NameOf(const core::Command& command) { return kCommandNames[command.index()]; }

// Turning a build into a message costs time in proportion to its steps. Watchers of one build get
// at most this share of the loop's time.
constexpr int kPublicationShare = 20;

// Awake later than this after the time that was meant: the process was stopped, or the journal
// stood still. Whatever agents said meanwhile has not been heard.
constexpr absl::Duration kTolerableDelay = absl::Seconds(1);

absl::Duration BootTime() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

const std::string& AgentOf(const core::Command& command) {
  return std::visit(
      [](const auto& concrete) -> const std::string& {
        using Concrete = std::decay_t<decltype(concrete)>;
        static const std::string none;
        if constexpr (std::is_same_v<Concrete, core::JoinTrees> ||
                      std::is_same_v<Concrete, core::TraceBlobs> ||
                      std::is_same_v<Concrete, core::BuildChanged>) {
          return none;
        } else {
          return concrete.agent;
        }
      },
      command);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Open(const Options& options,
                                                 std::unique_ptr<store::Journal> journal,
                                                 CommandSink* sink) {
  auto loop = std::unique_ptr<Loop>(new Loop(options, std::move(journal), sink));
  if (absl::Status status = loop->Recover(); !status.ok()) return status;
  return loop;
}

Loop::Loop(const Options& options, std::unique_ptr<store::Journal> journal, CommandSink* sink)
    : options_(options),
      journal_(std::move(journal)),
      sink_(sink),
      core_(options.core),
      liveness_(options.liveness),
      clock_start_(absl::Now()),
      clock_boot_(BootTime()),
      mailbox_(options.mailbox_capacity) {}

Loop::~Loop() {
  mailbox_.Close();
  if (thread_.joinable()) thread_.join();
}

absl::Status Loop::Recover() {
  absl::Time newest = absl::InfinitePast();
  absl::Status status = journal_->Replay([&](const v1::JournalEvent& record) {
    absl::StatusOr<wire::TimedEvent> timed = wire::FromProto(record);
    if (!timed.ok()) return timed.status();
    newest = std::max(newest, timed->time);
    ++replayed_;
    // Commands were executed before, or are given again once agents say Hello.
    absl::Status applied = core_.Apply(timed->event, timed->time).status();
    // The core refused it when it was new, too, and went on.
    LOG_IF(ERROR, !applied.ok()) << "event " << replayed_ << " of the journal: " << applied;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  absl::StatusOr<int64_t> epoch = journal_->NextEpoch();
  if (!epoch.ok()) return epoch.status();
  epoch_ = *epoch;
  // The times of the journal never go back, also when the wall clock was set back meanwhile.
  clock_start_ = std::max(clock_start_, newest);
  pending_.push_back(
      {core::ControllerStarted{epoch_, options_.exclusive_lease, options_.unknown_after}, nullptr});
  return absl::OkStatus();
}

void Loop::Start() {
  thread_ = std::thread([this] { Run(); });
}

absl::Time Loop::Now() {
  // The wall clock of the start, moved on by the boot clock: a step of the wall clock changes no
  // timeout.
  return clock_start_ + (BootTime() - clock_boot_);
}

bool Loop::TryPost(core::Event event) {
  return mailbox_.Put(std::move(event), Kind::kReport, /*must=*/false);
}

bool Loop::Post(core::Event event) {
  return mailbox_.Put(std::move(event), Kind::kReport, /*must=*/true);
}

bool Loop::PostProposal(Proposal proposal, Done done) {
  return mailbox_.Put(ProposalItem{std::move(proposal), std::move(done)}, Kind::kAsk,
                      /*must=*/false);
}

bool Loop::Query(std::function<void(const core::Core&)> query) {
  return mailbox_.Put(QueryItem{std::move(query)}, Kind::kAsk, /*must=*/false);
}

bool Loop::Heartbeat(std::string agent, bool accepts_work, Activities activities) {
  return mailbox_.Put(HeartbeatItem{std::move(agent), accepts_work, std::move(activities)},
                      Kind::kAsk, /*must=*/false);
}

absl::Time Loop::NextDeadline() const {
  absl::Time next = liveness_.NextDeadline();
  // What the core wants to do in time needs the journal as well.
  next = std::min(next, IsBlocked() ? retry_flush_at_ : core_.NextDeadline());
  for (const std::string& id : changed_builds_) {
    if (auto it = publish_not_before_.find(id); it != publish_not_before_.end()) {
      next = std::min(next, it->second);
    }
  }
  return next;
}

std::deque<Loop::Item> Loop::Take() {
  const absl::Time deadline = NextDeadline();
  awake_by_ = std::max(timers_seen_, deadline);
  return mailbox_.Take(options_.batch_limit, deadline - Now(), /*reports=*/!IsBlocked());
}

void Loop::Run() {
  timers_seen_ = Now();
  // No agent is lost because the controller was away: its lease starts in full.
  for (const auto& [name, agent] : core_.Agents()) {
    core::AgentLivenessChanged ignored;
    if (agent.liveness != core::Liveness::kLost) liveness_.Seen(name, true, timers_seen_, &ignored);
  }
  Flush();  // ControllerStarted
  while (!mailbox_.closed()) {
    Process(Take());
    FireTimers();
    Flush();
    PublishChanged();
  }
}

void Loop::Process(std::deque<Item> batch) {
  // Reports first, so that one transaction keeps all of them: nobody waits for an answer to his
  // own report before he asks.
  std::deque<Item> asks;
  for (Item& item : batch) {
    if (auto* event = std::get_if<core::Event>(&item)) {
      TakeIn(std::move(*event));
    } else if (auto* heartbeat = std::get_if<HeartbeatItem>(&item)) {
      // An agent whose Hello still waits for the journal is not known yet.
      core::AgentLivenessChanged change;
      if (LastSeen(heartbeat->agent) != absl::InfinitePast() &&
          liveness_.Seen(heartbeat->agent, heartbeat->accepts_work, Now(), &change)) {
        AddLiveness(std::move(change));
      }
      for (auto& [key, doing] : heartbeat->activities) {
        if (core_.NoteActivity(heartbeat->agent, key, std::move(doing))) {
          changed_builds_.push_back(key.build_id);
        }
      }
    } else {
      asks.push_back(std::move(item));
    }
  }
  for (Item& item : asks) {
    Flush();  // each decides on the state that includes all before it
    if (auto* query = std::get_if<QueryItem>(&item)) {
      query->query(core_);
    } else {
      Answer(std::get<ProposalItem>(std::move(item)));
    }
  }
}

void Loop::TakeIn(core::Event event) {
  if (auto* connected = std::get_if<core::AgentConnected>(&event)) {
    core::AgentLivenessChanged change;
    if (liveness_.Seen(connected->agent, true, Now(), &change)) AddLiveness(std::move(change));
  }
  pending_.push_back({std::move(event), nullptr});
}

void Loop::Answer(ProposalItem proposal) {
  std::optional<core::Event> event = proposal.proposal(core_);
  if (!event.has_value()) {
    proposal.done(absl::OkStatus(), core_);
  } else if (IsBlocked()) {
    proposal.done(journal_error_, core_);
  } else {
    pending_.push_back({*std::move(event), std::move(proposal.done)});
  }
}

void Loop::AddLiveness(core::AgentLivenessChanged change) {
  // While the journal is full only the last word about each agent is kept.
  for (Pending& pending : pending_) {
    auto* earlier = std::get_if<core::AgentLivenessChanged>(&pending.event);
    if (IsBlocked() && earlier != nullptr && earlier->agent == change.agent) {
      *earlier = std::move(change);
      return;
    }
  }
  pending_.push_back({std::move(change), nullptr});
}

void Loop::FireTimers() {
  const absl::Time now = Now();
  if (now - awake_by_ > kTolerableDelay) {
    LOG(WARNING) << "the controller stood still for " << now - awake_by_
                 << "; the leases of agents are prolonged by that";
    liveness_.Prolong(now - awake_by_, now);
  }
  timers_seen_ = now;
  for (core::AgentLivenessChanged& change : liveness_.Check(now)) {
    LOG(WARNING) << "agent=" << change.agent
                 << (change.liveness == core::Liveness::kLost ? " is lost" : " is suspect")
                 << ": no heartbeat";
    AddLiveness(std::move(change));
  }
  if (!IsBlocked() && core_.NextDeadline() <= now) {
    pending_.push_back({core::TimerFired{}, nullptr});
  }
}

void Loop::Flush() {
  const absl::Time now = Now();
  if (IsBlocked() && now < retry_flush_at_) return;
  if (!pending_.empty()) {
    std::vector<v1::JournalEvent> records;
    records.reserve(pending_.size());
    for (const Pending& pending : pending_) records.push_back(wire::ToProto(pending.event, now));
    for (const Pending& pending : pending_) Failpoint("before-commit", NameOf(pending.event));
    if (absl::Status status = journal_->Append(records); !status.ok()) {
      OnJournalFailure(status);
      return;
    }
    for (const Pending& pending : pending_) Failpoint("after-commit", NameOf(pending.event));
  }
  LOG_IF(INFO, IsBlocked()) << "the journal can be written again";
  retry_flush_at_ = absl::InfiniteFuture();
  std::vector<Pending> batch = std::exchange(pending_, {});
  for (Pending& pending : batch) {
    ApplyOne(pending.event, now);
    if (pending.done != nullptr) pending.done(absl::OkStatus(), core_);
  }
}

void Loop::OnJournalFailure(const absl::Status& status) {
  LOG_IF(ERROR, !IsBlocked()) << "the journal can't be written, nothing changes until it can: "
                              << status;
  journal_error_ = status;
  retry_flush_at_ = Now() + options_.journal_retry;
  // Nothing was kept. What agents reported stays here until it can be; people are told.
  std::vector<Pending> kept;
  for (Pending& pending : std::exchange(pending_, {})) {
    if (pending.done != nullptr) {
      pending.done(status, core_);
    } else if (!std::holds_alternative<core::TimerFired>(pending.event)) {
      kept.push_back(std::move(pending));
    }
  }
  pending_ = std::move(kept);
}

void Loop::ApplyOne(const core::Event& event, absl::Time now) {
  auto* ended = std::get_if<core::AttemptEnded>(&event);
  const bool ends_log = ended != nullptr && EndsCurrentAttempt(*ended);
  absl::StatusOr<std::vector<core::Command>> commands = core_.Apply(event, now);
  if (!commands.ok()) {
    LOG(ERROR) << "an event was refused: " << commands.status();
    return;
  }
  TellTrees(event, now);
  for (const core::Command& command : *commands) Execute(command);
  if (ends_log) {
    sink_->LogEnds(ended->key, ended->log_end);
  } else if (auto* change = std::get_if<core::AgentLivenessChanged>(&event);
             change != nullptr && change->liveness == core::Liveness::kLost) {
    EndLogsOf(change->agent);
  }
}

void Loop::TellTrees(const core::Event& event, absl::Time now) {
  std::string build_id;
  core::Digest tree;
  if (auto* submitted = std::get_if<core::BuildSubmitted>(&event)) {
    build_id = submitted->build_id;
    tree = submitted->context;
  } else if (auto* ended = std::get_if<core::AttemptEnded>(&event)) {
    build_id = ended->key.build_id;
    tree = ended->output;
  } else if (auto* joined = std::get_if<core::TreeJoined>(&event)) {
    build_id = joined->build_id;
    tree = joined->root;
  }
  if (tree.empty()) return;
  const core::Build* build = core_.FindBuild(build_id);
  if (build == nullptr) return;
  // One that ended before this event needs nothing more.
  if (core::IsTerminal(build->status) && build->ended_at != now) return;
  sink_->NeedsTree(build_id, tree);
}

// Agents speak of attempts that were given to others, and of some that never were.
bool Loop::EndsCurrentAttempt(const core::AttemptEnded& event) const {
  const core::Build* build = core_.FindBuild(event.key.build_id);
  if (build == nullptr || event.key.step < 0 || event.key.step >= build->steps.size()) return false;
  const core::Step& step = build->steps[event.key.step];
  return step.attempt == event.key.attempt && step.agent == event.agent &&
         !core::IsTerminal(step.status);
}

// Who follows the log of a step that the agent ran waits for a rest that won't come.
void Loop::EndLogsOf(const std::string& lost_agent) {
  for (const core::Build* build : core_.Builds()) {
    if (!sink_->IsWatched(build->id)) continue;
    for (size_t i = 0; i < build->steps.size(); ++i) {
      const core::Step& step = build->steps[i];
      if (step.attempt > 0 && step.agent == lost_agent) {
        sink_->LogEnds({build->id, static_cast<int>(i), step.attempt}, -1);
      }
    }
  }
}

void Loop::Execute(const core::Command& command) {
  if (auto* join = std::get_if<core::JoinTrees>(&command)) {
    sink_->Join(*join);
  } else if (auto* trace = std::get_if<core::TraceBlobs>(&command)) {
    sink_->Trace(*trace);
  } else if (auto* changed = std::get_if<core::BuildChanged>(&command)) {
    if (changed->ended) {
      LOG(INFO) << "build=" << changed->build_id
                << " ended: " << core::ToString(core_.FindBuild(changed->build_id)->status);
      sink_->BuildEnded(changed->build_id);
    }
    changed_builds_.push_back(changed->build_id);
  } else {
    if (auto* prepare = std::get_if<core::SendPrepare>(&command);
        prepare != nullptr && prepare->key.attempt > 1) {
      sink_->LogEnds({prepare->key.build_id, prepare->key.step, prepare->key.attempt - 1}, -1);
    }
    Failpoint("before-send", NameOf(command));
    sink_->SendToAgent(AgentOf(command), command, epoch_);
    Failpoint("after-send", NameOf(command));
  }
}

void Loop::PublishChanged() {
  if (changed_builds_.empty()) return;
  std::sort(changed_builds_.begin(), changed_builds_.end());
  changed_builds_.erase(std::unique(changed_builds_.begin(), changed_builds_.end()),
                        changed_builds_.end());
  std::vector<std::string> later;
  for (std::string& id : changed_builds_) {
    const core::Build* build = core_.FindBuild(id);
    if (build == nullptr || !sink_->IsWatched(id)) {
      publish_not_before_.erase(id);
      continue;
    }
    const bool ended = core::IsTerminal(build->status);
    const absl::Time before = Now();
    if (auto it = publish_not_before_.find(id);
        it != publish_not_before_.end() && before < it->second && !ended) {
      later.push_back(std::move(id));
      continue;
    }
    sink_->Publish(*build);
    const absl::Time after = Now();
    if (ended) {
      publish_not_before_.erase(id);
    } else {
      publish_not_before_[id] = after + kPublicationShare * (after - before);
    }
  }
  changed_builds_ = std::move(later);
}

}  // namespace rally::controller
