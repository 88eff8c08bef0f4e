#include "agent/executor.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/attempt_name.h"
#include "glog/logging.h"

namespace rally::agent {
namespace {

// An attempt that waits for its grant holds no slot; as many again may wait.
constexpr int kHeldPerSlot = 2;

Phase PhaseOf(v1::AttemptState state) {
  switch (state) {
    case v1::ATTEMPT_STATE_PREPARED:
      return Phase::kPrepared;
    case v1::ATTEMPT_STATE_STARTING:
      return Phase::kStarting;
    case v1::ATTEMPT_STATE_RUNNING:
      return Phase::kRunning;
    case v1::ATTEMPT_STATE_ENDED:
      return Phase::kEnded;
    default:
      return Phase::kPreparing;
  }
}

Found FoundOf(const runtime::ContainerStatus* container) {
  if (container == nullptr) return Found::kNothing;
  switch (container->state) {
    case runtime::ContainerState::kNoTask:
      return Found::kNoTask;
    case runtime::ContainerState::kCreated:
      return Found::kCreated;
    case runtime::ContainerState::kRunning:
      return Found::kRunning;
    case runtime::ContainerState::kStopped:
      return Found::kStopped;
  }
  return Found::kNothing;
}

AttemptTools WithContact(AttemptTools tools, const ControllerContact* contact) {
  tools.contact = contact;
  return tools;
}

// The first error of several steps that are all to be tried.
void Note(const absl::Status& status, absl::Status* first) {
  if (first->ok()) *first = status;
}

}  // namespace

Executor::Executor(const AttemptTools& tools, int slots)
    : tools_(WithContact(tools, &contact_)),
      slots_(slots),
      lost_blobs_(tools.workspaces, tools.outbox) {}

Executor::~Executor() { Stop(/*end_steps=*/false); }

std::shared_ptr<Attempt> Executor::Find(const v1::AttemptKey& key) const {
  absl::MutexLock lock(&mutex_);
  auto it = attempts_.find(AttemptName(key));
  return it == attempts_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Attempt>> Executor::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Attempt>> all;
  for (const auto& [name, attempt] : attempts_) all.push_back(attempt);
  return all;
}

absl::Status Executor::Recover(bool rebooted) {
  auto containers = tools_.runtime->List();
  if (!containers.ok()) return containers.status();
  std::map<std::string, const runtime::ContainerStatus*> by_id;
  for (const runtime::ContainerStatus& container : *containers) by_id[container.id] = &container;
  for (const v1::AttemptRecord& record : tools_.journal->found_attempts()) {
    auto it = by_id.find(AttemptName(record.prepare().key()));
    const auto* container = it == by_id.end() ? nullptr : it->second;
    if (absl::Status status = TakeUp(record, container, rebooted); !status.ok()) return status;
  }
  RemoveStrangers(*containers);
  return absl::OkStatus();
}

absl::Status Executor::TakeUp(const v1::AttemptRecord& record,
                              const runtime::ContainerStatus* container, bool rebooted) {
  const std::string name = AttemptName(record.prepare().key());
  const Phase phase = PhaseOf(record.state());
  const Recovery recovery =
      agent::Recover(phase, FoundOf(container), rebooted, record.container_made());
  LOG(INFO) << LogPrefix(record.prepare().key()) << "was " << ToString(phase) << ": "
            << ToString(recovery)
            << (container != nullptr && container->pid != 0 ? absl::StrCat(", pid ", container->pid)
                                                            : "");
  if (recovery == Recovery::kDiscard) {
    // The row goes first: a Hello must not name it. What is left on the host then is a stranger's.
    return tools_.journal->Remove(record.prepare().key());
  }
  auto attempt = std::make_shared<Attempt>(
      tools_, record, recovery,
      [this](const std::shared_ptr<Attempt>& a, Attempt::Left left) { OnLeft(a, left); });
  {
    absl::MutexLock lock(&mutex_);
    attempts_[name] = attempt;
  }
  attempt->Start();
  return absl::OkStatus();
}

// What no attempt of the journal accounts for was left by a crash.
void Executor::RemoveStrangers(const std::vector<runtime::ContainerStatus>& containers) {
  std::set<std::string> strangers;
  for (const runtime::ContainerStatus& container : containers) strangers.insert(container.id);
  for (const std::string& name : tools_.workspaces->Attempts()) strangers.insert(name);
  for (const std::string& name : tools_.data->Spools()) strangers.insert(name);
  auto kept = tools_.keeper->List();
  if (kept.ok()) strangers.insert(kept->begin(), kept->end());
  for (const auto& attempt : All()) strangers.erase(attempt->name());
  for (const std::string& name : strangers) {
    LOG(INFO) << "removing what is left of " << name << ", which no record knows";
    {
      absl::MutexLock lock(&mutex_);
      leaving_[name] = nullptr;
    }
    reaper_.Clean(absl::StrCat("cleaning up ", name), [this, name] {
      absl::Status status = CleanContainer(name);
      if (status.ok()) status = tools_.data->RemoveSpool(name);
      if (!status.ok()) return status;
      absl::MutexLock lock(&mutex_);
      leaving_.erase(name);
      return status;
    });
  }
}

void Executor::Reject(const v1::AttemptKey& key, v1::RejectCause cause,
                      const std::string& message) {
  LOG(WARNING) << LogPrefix(key) << "rejected: " << message;
  v1::AgentMessage rejection;
  *rejection.mutable_rejected()->mutable_key() = key;
  rejection.mutable_rejected()->set_cause(cause);
  rejection.mutable_rejected()->set_message(message);
  tools_.outbox->Send(std::move(rejection));
}

void Executor::OnPrepare(const v1::Prepare& prepare) {
  if (absl::Status status = CheckAttemptKey(prepare.key()); !status.ok()) {
    Reject(prepare.key(), v1::REJECT_CAUSE_PERMANENT, std::string(status.message()));
    return;
  }
  if (auto known = Find(prepare.key())) {
    known->OnPrepare();
    return;
  }
  int held = 0;
  for (const auto& attempt : All()) held += attempt->phase() != Phase::kEnded;
  if (held >= kHeldPerSlot * slots_) {
    Reject(prepare.key(), v1::REJECT_CAUSE_BUSY,
           absl::StrCat("this agent holds ", held, " attempts, all that its ", slots_,
                        " slots allow"));
    return;
  }
  LOG(INFO) << LogPrefix(prepare.key()) << "preparing image " << prepare.spec().image();
  auto attempt = std::make_shared<Attempt>(
      tools_, prepare,
      [this](const std::shared_ptr<Attempt>& a, Attempt::Left left) { OnLeft(a, left); });
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    attempts_[attempt->name()] = attempt;
  }
  attempt->Start([this, name = attempt->name()] { AwaitGone(name); });
}

void Executor::AwaitGone(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  auto gone = [this, &name]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ || leaving_.count(name) == 0;
  };
  mutex_.Await(absl::Condition(&gone));
}

void Executor::OnStartGrant(const v1::StartGrant& grant) {
  if (auto attempt = Find(grant.key())) {
    attempt->OnStartGrant(grant);
    return;
  }
  Reject(grant.key(), v1::REJECT_CAUSE_HERE, "this agent doesn't hold that attempt (any more)");
}

void Executor::OnCancel(const v1::Cancel& cancel) {
  auto attempt = Find(cancel.key());
  if (attempt == nullptr) {
    // Whoever wants no result wants no answer, either.
    if (!cancel.discard()) {
      Reject(cancel.key(), v1::REJECT_CAUSE_HERE,
             "this agent doesn't hold that attempt (any more)");
    }
    return;
  }
  const Response response = attempt->OnCancel(cancel);
  // While its thread is there, it's the thread that leaves; and OnLeft does the rest.
  if (response == Response::kDrop && attempt->left()) ForgetLater(attempt);
}

void Executor::OnResultAck(const v1::AttemptKey& key) {
  auto attempt = Find(key);
  if (attempt == nullptr) return;
  attempt->OnResultAck();
  if (attempt->forgettable()) ForgetLater(attempt);
}

void Executor::OnLogDurable(const v1::AttemptKey& key) {
  auto attempt = Find(key);
  if (attempt == nullptr) return;
  attempt->OnLogDurable();
  if (attempt->forgettable()) ForgetLater(attempt);
}

void Executor::OnVerdict(const v1::AttemptVerdict& verdict) {
  switch (verdict.verdict()) {
    case v1::VERDICT_KILL: {
      v1::Cancel cancel;
      *cancel.mutable_key() = verdict.key();
      cancel.set_discard(true);
      OnCancel(cancel);
      return;
    }
    case v1::VERDICT_FORGET:
      tools_.logs->Resume(verdict.key(), verdict.log_offset());
      OnResultAck(verdict.key());
      return;
    default:  // The result is sent again by itself, with everything that ReportAll() says.
      tools_.logs->Resume(verdict.key(), verdict.log_offset());
      return;
  }
}

std::vector<v1::AttemptActivity> Executor::Activities() const {
  std::vector<v1::AttemptActivity> activities;
  for (const auto& attempt : All()) {
    std::string doing = attempt->activity();
    if (doing.empty()) continue;
    v1::AttemptActivity& activity = activities.emplace_back();
    *activity.mutable_key() = attempt->key();
    activity.set_doing(std::move(doing));
  }
  return activities;
}

std::vector<v1::AttemptReport> Executor::Summaries() const {
  std::vector<v1::AttemptReport> summaries;
  for (const auto& attempt : All()) summaries.push_back(attempt->Summary());
  return summaries;
}

void Executor::ReportAll() {
  for (const auto& attempt : All()) attempt->Report();
}

void Executor::ReportResults() {
  for (const auto& attempt : All()) {
    if (attempt->phase() == Phase::kEnded) attempt->Report();
  }
}

int Executor::FreeSlots() const {
  int busy = 0;
  for (const auto& attempt : All()) {
    busy += attempt->granted() && attempt->phase() != Phase::kEnded;
  }
  return std::max(0, slots_ - busy);
}

bool Executor::HoldsNothing() const {
  absl::MutexLock lock(&mutex_);
  return attempts_.empty() && leaving_.empty();
}

void Executor::OnLeft(const std::shared_ptr<Attempt>& attempt, Attempt::Left left) {
  switch (left) {
    case Attempt::Left::kDetached:
      return;
    case Attempt::Left::kEnded:
      reaper_.Clean(absl::StrCat("cleaning up ", attempt->name()),
                    [this, attempt] { return CleanContainer(attempt->name()); });
      // Both acknowledgements may have come while the thread was still here.
      if (attempt->forgettable()) ForgetLater(attempt);
      return;
    case Attempt::Left::kRejected:
    case Attempt::Left::kDropped:
      ForgetLater(attempt);
      return;
  }
}

void Executor::ForgetLater(const std::shared_ptr<Attempt>& attempt) {
  {
    absl::MutexLock lock(&mutex_);
    auto it = attempts_.find(attempt->name());
    if (it == attempts_.end() || it->second != attempt) return;  // It leaves already.
    attempts_.erase(it);
    leaving_[attempt->name()] = attempt;
  }
  reaper_.Clean(absl::StrCat("forgetting ", attempt->name()),
                [this, attempt] { return Forget(attempt); });
}

absl::Status Executor::CleanContainer(const std::string& name) {
  absl::Status status = tools_.runtime->Delete(name);
  // Not before its processes are gone.
  if (!status.ok()) return status;
  Note(tools_.workspaces->Discard(name), &status);
  Note(logs::AttemptLog::Remove(tools_.keeper, name, tools_.data->stdout_fifo(name),
                                tools_.data->stderr_fifo(name)),
       &status);
  Note(tools_.data->RemoveStartReport(name), &status);
  return status;
}

absl::Status Executor::Forget(const std::shared_ptr<Attempt>& attempt) {
  attempt->Join();
  tools_.logs->Drop(attempt->key());
  attempt->ReleaseLog();
  absl::Status status = CleanContainer(attempt->name());
  // The spool goes before the row: a spool without a row is removed at the next start.
  if (status.ok()) status = tools_.data->RemoveSpool(attempt->name());
  if (status.ok()) status = tools_.journal->Remove(attempt->key());
  if (!status.ok()) return status;
  VLOG(1) << LogPrefix(attempt->key()) << "forgotten";
  absl::MutexLock lock(&mutex_);
  leaving_.erase(attempt->name());
  return status;
}

void Executor::Stop(bool end_steps) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  lost_blobs_.Stop();
  const auto all = All();
  for (const auto& attempt : all) {
    if (end_steps) {
      v1::Cancel discard;
      *discard.mutable_key() = attempt->key();
      discard.set_discard(true);
      OnCancel(discard);
    } else {
      attempt->Detach();
    }
  }
  if (!end_steps) {
    for (const auto& attempt : all) attempt->Join();
    reaper_.Stop(/*finish=*/false);
    return;
  }
  // Each is joined by the work that forgets it.
  for (const auto& attempt : all) ForgetLater(attempt);
  reaper_.Stop(/*finish=*/true);
}

}  // namespace rally::agent
