// What happens to builds, agents and the controller.
#include "controller/core/random_fleet.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/slow_model.h"
#include "gtest/gtest.h"

namespace rally::core {

Fleet::Fleet(uint32_t seed) : random_(seed) {
  // Each seed has some of the faults, else they hide each other.
  auto some = [&](int rate) { return Chance(500) ? rate : 0; };
  rates_.agent_cut = some(30);
  rates_.agent_wiped = some(5);
  rates_.agent_lost = some(10);
  rates_.controller_restart = some(8);
  rates_.duplicate = some(100);
  rates_.rejection = some(60);
  rates_.cancel = some(3);
  rates_.drain = some(10);
  rates_.tags = some(400);
  rates_.conditions = some(300);
  rates_.classes = some(400);
  rates_.conflicts = some(400);
  rates_.losses = some(150);
  const int agents = 1 + Below(4);
  for (int i = 0; i < agents; ++i) {
    FakeAgent& agent = agents_[absl::StrCat("agent", i)];
    agent.slots = 1 + Below(3);
  }
  StartController();
}

void Fleet::RunWithFaults(int rounds) {
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    if (Chance(30) && builds_.size() < 4) SubmitRandomBuild();
    Turn(true);
  }
}

void Fleet::HealAndFinish() {
  if (builds_.empty()) SubmitRandomBuild();
  for (auto& [name, agent] : agents_) {
    if (core_->Agents().count(name) != 0) Tell(DrainRequested{name, false});
    if (agent.session == 0) Connect(name, agent);
  }
  for (int i = 0; i < 60000 && !testing::Test::HasFailure(); ++i) {
    if (AllEnded()) break;
    Turn(false);
  }
  for (const Build* build : core_->Builds()) {
    ASSERT_TRUE(IsTerminal(build->status)) << build->id << "\n";
  }
  // What the agents still hold is for them to forget: their next Hello says so.
  for (auto& [name, agent] : agents_) {
    Connect(name, agent);
    Drain(name, agent);
    EXPECT_TRUE(agent.attempts.empty()) << name << " still holds an attempt";
  }
  CheckReplay();
}

bool Fleet::AllEnded() const {
  for (const Build* build : core_->Builds()) {
    if (!IsTerminal(build->status)) return false;
  }
  return true;
}

std::vector<int> Fleet::RandomCodes() {
  static constexpr int kCodes[] = {0, 0, 1, 2, 3, 124, 125};
  std::set<int> codes;
  for (int i = Below(3); i >= 0; --i) codes.insert(kCodes[Below(7)]);
  return {codes.begin(), codes.end()};
}

// For the same list exactly one of the two runs.
void Fleet::MakeTwins(int with, int without, BuildSubmitted& event) {
  StepDefinition& one = event.steps[with];
  StepDefinition& other = event.steps[without];
  if (one.dependencies.empty()) return;
  other.dependencies = one.dependencies;
  one.exited_with = RandomCodes();
  other.exited_without = one.exited_with;
  one.exited_without.clear();
  other.exited_with.clear();
  twins_[event.build_id] = {with, without};
}

void Fleet::SubmitRandomBuild() {
  BuildSubmitted event;
  event.build_id = absl::StrCat("build", builds_.size());
  event.idempotency_key = absl::StrCat("key", builds_.size());
  event.context = TreeOf({});
  event.fail_fast = Chance(200);
  event.fail_on_conflict = Chance(300);
  event.total_timeout = Chance(200) ? absl::Minutes(1 + Below(10)) : absl::Hours(100);
  const int count = 1 + Below(12);
  const int density = 50 + Below(600);
  for (int i = 0; i < count; ++i) {
    StepDefinition step;
    step.spec.id = absl::StrCat("s", i);
    step.spec.image = Chance(rates_.tags) ? absl::StrCat("tag:", Below(2))
                      : Chance(100)       ? "oci:out"
                                          : "img@sha256:0";
    step.timeout = Chance(100) ? absl::Minutes(1) : absl::Hours(5);
    step.rerun = !Chance(rates_.classes) ? Rerun::kSafe
                 : Chance(500)           ? Rerun::kExclusive
                                         : Rerun::kNever;
    if (Chance(rates_.conditions)) step.exited_with = RandomCodes();
    if (Chance(rates_.conditions)) step.exited_without = RandomCodes();
    // Any order in the file: forward references are allowed.
    event.steps.push_back(step);
  }
  std::vector<int> places(count);
  for (int i = 0; i < count; ++i) places[i] = i;
  std::shuffle(places.begin(), places.end(), random_);
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < i; ++j) {
      if (Chance(density / (i - j))) event.steps[places[i]].dependencies.push_back(places[j]);
    }
  }
  if (count > 2 && Chance(rates_.conditions))
    MakeTwins(places[count - 2], places[count - 1], event);
  for (StepDefinition& step : event.steps) {
    std::sort(step.dependencies.begin(), step.dependencies.end());
  }
  builds_.push_back(event.build_id);
  Tell(event);
  ancestors_[event.build_id] = Ancestors(*core_->FindBuild(event.build_id));
  if (Chance(200)) Tell(event);
}

// One thing happens somewhere.
void Fleet::Turn(bool faults) {
  for (auto& [name, agent] : agents_) {
    // The answers to heartbeats come behind the commands that were sent before.
    if (agent.session == 0 || agent.silent_for_controller || !agent.inbox.empty()) continue;
    agent.heard_at = now_;
  }
  now_ += absl::Milliseconds(Below(2000));
  for (auto& [name, agent] : agents_) EndWhatHasNoLease(name, agent);
  CheckRerunClasses();
  if (core_->NextDeadline() <= now_ && Chance(700)) {
    Tell(TimerFired{});
    ASSERT_GT(core_->NextDeadline(), now_);
    return;
  }
  if (faults && Chance(rates_.controller_restart)) return RestartController();
  if (faults && Chance(rates_.cancel) && !builds_.empty()) {
    Tell(CancelRequested{builds_[Below(static_cast<int>(builds_.size()))], "cancelled"});
    return;
  }
  if (!joins_.empty() && Chance(200)) {
    const Event joined = joins_.front();
    joins_.pop_front();
    Tell(joined);
    if (Chance(rates_.duplicate)) Tell(joined);
    return;
  }
  auto chosen = agents_.begin();
  std::advance(chosen, Below(static_cast<int>(agents_.size())));
  const std::string& name = chosen->first;
  FakeAgent& agent = chosen->second;
  if (faults && Chance(rates_.drain) && core_->Agents().count(name) != 0) {
    Tell(DrainRequested{name, Chance(500)});
    return;
  }
  if (faults && Chance(rates_.agent_cut)) return Cut(name, agent);
  if (faults && Chance(rates_.agent_wiped)) {
    Cut(name, agent);
    agent.attempts.clear();
    ++agent.disk;
    return;
  }
  if (faults && Chance(rates_.agent_lost)) {
    Tell(AgentLivenessChanged{name, Liveness::kLost, true});
    agent.silent_for_controller = true;
    return;
  }
  if (agent.silent_for_controller && Chance(100)) {
    agent.silent_for_controller = false;
    Tell(AgentLivenessChanged{name, Liveness::kAlive, true});
    return;
  }
  if (agent.session == 0) {
    if (!faults || Chance(200)) Connect(name, agent);
    return;
  }
  Act(name, agent);
}

// Each with another configuration. The times are short, so that they matter here.
void Fleet::StartController() {
  Tell(ControllerStarted{++epoch_, absl::Seconds(10 + Below(20)), absl::Seconds(20 + Below(200))});
}

void Fleet::RestartController() {
  CheckReplay();
  joins_.clear();
  late_.clear();
  for (auto& [name, agent] : agents_) {
    agent.session = 0;
    agent.inbox.clear();
    agent.outbox.clear();
  }
  auto core = std::make_unique<Core>();
  for (const auto& [event, time] : events_) ASSERT_TRUE(core->Apply(event, time).ok());
  core_ = std::move(core);
  StartController();
  for (const auto& [name, agent] : core_->Agents()) EXPECT_EQ(agent.session, 0) << name;
}

void Fleet::CheckReplay() {
  Core replayed;
  for (const auto& [event, time] : events_) ASSERT_TRUE(replayed.Apply(event, time).ok());
  ASSERT_EQ(Fingerprint(replayed), Fingerprint(*core_));
}

void Fleet::Tell(const Event& event) {
  std::map<std::string, BuildStatus> before;
  std::set<std::string> draining_before;
  for (const Build* build : core_->Builds()) before[build->id] = build->status;
  for (const auto& [name, agent] : core_->Agents()) {
    if (agent.draining) draining_before.insert(name);
  }
  const Step* stale = StepOfStaleReport(event);
  const std::string step_before = stale == nullptr ? "" : Brief(*stale);
  events_.emplace_back(event, now_);
  absl::StatusOr<std::vector<Command>> commands = core_->Apply(event, now_);
  ASSERT_TRUE(commands.ok()) << commands.status();
  if (stale != nullptr) {
    ++seen_["stale"];
    EXPECT_EQ(Brief(*stale), step_before) << "5: a superseded report changed a step";
  }
  for (const Command& command : *commands) {
    Check(command, before, draining_before);
    Deliver(command);
  }
  CheckState();
}

void Fleet::Deliver(const Command& command) {
  std::string to;
  if (const auto* prepare = std::get_if<SendPrepare>(&command)) to = prepare->agent;
  if (const auto* grant = std::get_if<SendStartGrant>(&command)) to = grant->agent;
  if (const auto* cancel = std::get_if<SendCancel>(&command)) to = cancel->agent;
  if (const auto* ack = std::get_if<SendResultAck>(&command)) to = ack->agent;
  if (const auto* welcome = std::get_if<SendWelcome>(&command)) to = welcome->agent;
  if (const auto* upload = std::get_if<SendUploadBlobs>(&command)) to = upload->agent;
  if (!to.empty()) {
    if (agents_[to].session != 0) agents_[to].inbox.push_back(command);
    return;
  }
  if (const auto* join = std::get_if<JoinTrees>(&command)) Join(*join);
  if (const auto* trace = std::get_if<TraceBlobs>(&command)) Trace(*trace);
}

void Fleet::Join(const JoinTrees& command) {
  TreeJoined joined;
  joined.build_id = command.build_id;
  joined.step = command.step;
  joined.generation = command.generation;
  if (command.step >= 0 && Chance(rates_.losses)) {
    joined.error = "a directory is lost";
    joined.missing = LoseBlobs(command.base);
    joins_.push_back(joined);
    return;
  }
  std::set<std::string> writers = WritersIn(command.base);
  for (const StepTrees& delta : command.deltas) {
    const std::set<std::string> before = WritersIn(delta.input);
    for (const std::string& writer : WritersIn(delta.output)) {
      if (before.count(writer) == 0) writers.insert(writer);
    }
  }
  joined.root = TreeOf(writers);
  if (command.deltas.size() > 1 && Chance(rates_.conflicts)) {
    joined.conflicts.push_back({command.deltas[0].step_id, command.deltas[1].step_id, "path"});
  }
  joins_.push_back(joined);
}

// A blob is named after who made it.
std::vector<Digest> Fleet::LoseBlobs(const Digest& tree) {
  ++seen_["lost input"];
  std::vector<Digest> lost;
  for (const std::string& writer : WritersIn(tree)) {
    if (Chance(400)) lost.push_back({writer, 1});
  }
  if (lost.empty() || Chance(50)) lost.push_back({Chance(500) ? "context" : "join", 1});
  return lost;
}

void Fleet::Trace(const TraceBlobs& command) {
  BlobsTraced traced;
  traced.build_id = command.build_id;
  traced.step = command.step;
  for (const Digest& blob : command.blobs) {
    const auto maker =
        std::find_if(command.steps.begin(), command.steps.end(),
                     [&](const StepTrees& step) { return step.step_id == blob.hash; });
    if (blob.hash == "context") {
      traced.in_context.push_back(blob);
    } else if (maker == command.steps.end()) {
      traced.unknown.push_back(blob);
    } else {
      traced.made.push_back({maker->step, blob});
    }
  }
  joins_.push_back(traced);
}

}  // namespace rally::core
