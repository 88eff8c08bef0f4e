#include "controller/loop/loop.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/wire/event_wire.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

// How long a full disk is left alone before the journal is tried again.
constexpr absl::Duration kFullDiskRetry = absl::Milliseconds(200);

// Turning a build into a message costs time in proportion to its steps. Watchers of one build get
// at most this share of the loop's time.
constexpr int kPublicationShare = 20;

absl::Duration BootTime() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Start(const Options& options,
                                                  std::unique_ptr<store::Journal> journal,
                                                  CommandSink* sink) {
  auto loop = std::unique_ptr<Loop>(new Loop(options, std::move(journal), sink));
  if (absl::Status status = loop->Recover(); !status.ok()) return status;
  loop->thread_ = std::thread([raw = loop.get()] { raw->Run(); });
  return loop;
}

Loop::Loop(const Options& options, std::unique_ptr<store::Journal> journal, CommandSink* sink)
    : options_(options),
      journal_(std::move(journal)),
      sink_(sink),
      core_(options.core),
      liveness_(options.liveness) {}

Loop::~Loop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status Loop::Recover() {
  absl::Status status = journal_->Replay([this](const v1::JournalEvent& record) {
    absl::StatusOr<wire::TimedEvent> timed = wire::FromProto(record);
    if (!timed.ok()) return timed.status();
    last_now_ = std::max(last_now_, timed->time);
    ++replayed_;
    // Commands were executed before, or are given again once agents say Hello.
    absl::Status applied = core_.Apply(timed->event, timed->time).status();
    if (!applied.ok()) {
      return absl::DataLossError(
          absl::StrCat("event ", replayed_, " of the journal doesn't apply: ", applied.message()));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  absl::StatusOr<int64_t> epoch = journal_->NextEpoch();
  if (!epoch.ok()) return epoch.status();
  epoch_ = *epoch;
  pending_.push_back({core::ControllerStarted{epoch_}, nullptr});
  const absl::Time now = Now();
  for (const auto& [name, agent] : core_.Agents()) {
    core::AgentLivenessChanged ignored;
    if (agent.liveness != core::Liveness::kLost) liveness_.Seen(name, true, now, &ignored);
  }
  return absl::OkStatus();
}

absl::Time Loop::Now() {
  // The wall clock of the start, moved on by the boot clock: a step of the wall clock changes no
  // timeout, and the times of the journal never go back.
  static const absl::Time start = absl::Now();
  static const absl::Duration boot = BootTime();
  last_now_ = std::max(last_now_, start + (BootTime() - boot));
  return last_now_;
}

bool Loop::Push(Item item) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](Loop* loop) ABSL_EXCLUSIVE_LOCKS_REQUIRED(loop->mutex_) {
        return loop->stopping_ || loop->mailbox_.size() < loop->options_.mailbox_capacity;
      },
      this));
  if (stopping_) return false;
  mailbox_.push_back(std::move(item));
  return true;
}

bool Loop::Post(core::Event event) { return Push(std::move(event)); }

bool Loop::PostProposal(Proposal proposal, Done done) {
  return Push(ProposalItem{std::move(proposal), std::move(done)});
}

bool Loop::Query(std::function<void(const core::Core&)> query) {
  return Push(QueryItem{std::move(query)});
}

bool Loop::Heartbeat(std::string agent, bool accepts_work) {
  return Push(HeartbeatItem{std::move(agent), accepts_work});
}

absl::Time Loop::NextDeadline() const {
  absl::Time next = std::min({core_.NextDeadline(), liveness_.NextDeadline(), retry_flush_at_});
  for (const std::string& id : changed_builds_) {
    if (auto it = publications_.find(id); it != publications_.end()) {
      next = std::min(next, it->second.not_before);
    }
  }
  return next;
}

std::deque<Loop::Item> Loop::Take() {
  const absl::Time deadline = NextDeadline();
  const absl::Duration wait =
      deadline == absl::InfiniteFuture() ? absl::InfiniteDuration() : deadline - Now();
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(
                              +[](Loop* loop) ABSL_EXCLUSIVE_LOCKS_REQUIRED(loop->mutex_) {
                                return loop->stopping_ || !loop->mailbox_.empty();
                              },
                              this),
                          std::max(wait, absl::ZeroDuration()));
  std::deque<Item> batch;
  while (!mailbox_.empty() && batch.size() < options_.batch_limit) {
    batch.push_back(std::move(mailbox_.front()));
    mailbox_.pop_front();
  }
  return batch;
}

void Loop::Run() {
  Flush();  // ControllerStarted
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    std::deque<Item> batch = Take();
    for (Item& item : batch) Process(std::move(item));
    FireTimers();
    Flush();
    PublishChanged();
  }
}

void Loop::Process(Item item) {
  if (auto* event = std::get_if<core::Event>(&item)) {
    if (auto* connected = std::get_if<core::AgentConnected>(event)) {
      core::AgentLivenessChanged change;
      if (liveness_.Seen(connected->agent, true, Now(), &change)) {
        pending_.push_back({change, nullptr});
      }
    }
    pending_.push_back({std::move(*event), nullptr});
  } else if (auto* proposal = std::get_if<ProposalItem>(&item)) {
    Flush();  // it decides on the state that includes all before it
    std::optional<core::Event> proposed = proposal->proposal(core_);
    if (proposed.has_value()) {
      pending_.push_back({*std::move(proposed), std::move(proposal->done)});
    } else {
      proposal->done(absl::OkStatus(), core_);
    }
  } else if (auto* query = std::get_if<QueryItem>(&item)) {
    Flush();
    query->query(core_);
  } else if (auto* heartbeat = std::get_if<HeartbeatItem>(&item)) {
    core::AgentLivenessChanged change;
    if (liveness_.Seen(heartbeat->agent, heartbeat->accepts_work, Now(), &change)) {
      pending_.push_back({change, nullptr});
    }
  }
}

void Loop::FireTimers() {
  const absl::Time now = Now();
  for (core::AgentLivenessChanged& change : liveness_.Check(now)) {
    LOG(WARNING) << "agent=" << change.agent
                 << (change.liveness == core::Liveness::kLost ? " is lost" : " is suspect")
                 << ": no heartbeat";
    pending_.push_back({std::move(change), nullptr});
  }
  if (core_.NextDeadline() <= now) pending_.push_back({core::TimerFired{}, nullptr});
}

void Loop::Flush() {
  retry_flush_at_ = absl::InfiniteFuture();
  if (pending_.empty()) return;
  const absl::Time now = Now();
  std::vector<v1::JournalEvent> records;
  records.reserve(pending_.size());
  for (const Pending& pending : pending_) records.push_back(wire::ToProto(pending.event, now));
  if (absl::Status status = journal_->Append(records); !status.ok()) {
    LOG(ERROR) << "the journal can't be written: " << status;
    // Nothing was kept. What agents reported stays here until it can be; people are told.
    std::vector<Pending> kept;
    for (Pending& pending : pending_) {
      if (pending.done != nullptr) {
        pending.done(status, core_);
      } else if (!std::holds_alternative<core::TimerFired>(pending.event)) {
        kept.push_back(std::move(pending));
      }
    }
    pending_ = std::move(kept);
    retry_flush_at_ = now + kFullDiskRetry;
    return;
  }
  std::vector<Pending> batch = std::move(pending_);
  pending_.clear();
  for (Pending& pending : batch) {
    ApplyOne(pending.event, now);
    if (pending.done != nullptr) pending.done(absl::OkStatus(), core_);
  }
}

void Loop::ApplyOne(const core::Event& event, absl::Time now) {
  absl::StatusOr<std::vector<core::Command>> commands = core_.Apply(event, now);
  if (!commands.ok()) {
    LOG(ERROR) << "an event was refused: " << commands.status();
    return;
  }
  for (const core::Command& command : *commands) Execute(command);
  if (auto* ended = std::get_if<core::AttemptEnded>(&event)) {
    sink_->LogEnds(ended->key, ended->log_end);
  } else if (auto* rejected = std::get_if<core::AttemptRejected>(&event)) {
    sink_->LogEnds(rejected->key, -1);
  } else if (auto* change = std::get_if<core::AgentLivenessChanged>(&event);
             change != nullptr && change->liveness == core::Liveness::kLost) {
    for (const core::Build* build : core_.Builds()) {
      for (size_t i = 0; i < build->steps.size(); ++i) {
        const core::Step& step = build->steps[i];
        if (step.attempt > 0 && step.agent == change->agent) {
          sink_->LogEnds({build->id, static_cast<int>(i), step.attempt}, -1);
        }
      }
    }
  }
}

void Loop::Execute(const core::Command& command) {
  if (auto* join = std::get_if<core::JoinTrees>(&command)) {
    sink_->Join(*join);
  } else if (auto* changed = std::get_if<core::BuildChanged>(&command)) {
    if (changed->ended) {
      LOG(INFO) << "build=" << changed->build_id
                << " ended: " << core::ToString(core_.FindBuild(changed->build_id)->status);
    }
    changed_builds_.push_back(changed->build_id);
  } else {
    const std::string& agent = std::visit(
        [](const auto& c) -> const std::string& {
          static const std::string none;
          if constexpr (std::is_same_v<std::decay_t<decltype(c)>, core::JoinTrees> ||
                        std::is_same_v<std::decay_t<decltype(c)>, core::BuildChanged>) {
            return none;
          } else {
            return c.agent;
          }
        },
        command);
    if (auto* prepare = std::get_if<core::SendPrepare>(&command);
        prepare && prepare->key.attempt > 1) {
      sink_->LogEnds({prepare->key.build_id, prepare->key.step, prepare->key.attempt - 1}, -1);
    }
    sink_->SendToAgent(agent, command, epoch_);
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
      publications_.erase(id);
      continue;
    }
    const absl::Time before = Now();
    Publication& publication = publications_[id];
    if (before < publication.not_before && !core::IsTerminal(build->status)) {
      later.push_back(std::move(id));
      continue;
    }
    sink_->Publish(*build);
    const absl::Time after = Now();
    publication.not_before = after + kPublicationShare * (after - before);
    if (core::IsTerminal(build->status)) publications_.erase(id);
  }
  changed_builds_ = std::move(later);
}

}  // namespace rally::controller
