// Random builds on a random fleet: agents, their hosts and the controller fail, messages are lost,
// repeated and late. After every event the invariants hold; when the faults stop, every build ends.
#include <algorithm>
#include <deque>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "controller/core/core.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

bool HasAttempt(const Step& step) {
  return step.early || step.status == StepStatus::kAssigned || step.status == StepStatus::kRunning;
}

// A tree is the set of the steps that wrote to it, and its digest is their list.
Digest TreeOf(const std::set<std::string>& writers) {
  return {absl::StrCat("tree:", absl::StrJoin(writers, ",")), 1};
}

std::set<std::string> WritersIn(const Digest& tree) {
  const std::string list = tree.hash.substr(std::string("tree:").size());
  if (list.empty()) return {};
  return absl::StrSplit(list, ',');
}

// The transitive dependencies of each step, found the slow way.
std::vector<std::set<int>> Ancestors(const Build& build) {
  std::vector<std::set<int>> ancestors(build.steps.size());
  for (int index : build.order) {
    for (int dependency : build.steps[index].definition.dependencies) {
      ancestors[index].insert(dependency);
      ancestors[index].insert(ancestors[dependency].begin(), ancestors[dependency].end());
    }
  }
  return ancestors;
}

// LANGUAGE 4.3, the slow way.
std::set<int> ResultsOf(const Build& build, int index) {
  const Step& step = build.steps[index];
  if (step.status == StepStatus::kSkipped) {
    std::set<int> results;
    for (int dependency : step.definition.dependencies) {
      const std::set<int> of = ResultsOf(build, dependency);
      results.insert(of.begin(), of.end());
    }
    return results;
  }
  if (step.exit_code.has_value()) return {*step.exit_code};
  return {};
}

bool MayRun(const Build& build, int index) {
  for (int dependency : build.steps[index].definition.dependencies) {
    if (!IsTerminal(build.steps[dependency].status)) return false;
    if (build.steps[dependency].status == StepStatus::kCancelled) return false;
    for (int code : ResultsOf(build, dependency)) {
      if (code != 0) return false;
    }
  }
  return true;
}

struct FaultRates {
  int agent_cut = 0;  // of a thousand
  int agent_wiped = 0;
  int agent_lost = 0;
  int controller_restart = 0;
  int duplicate = 0;
  int rejection = 0;
  int cancel = 0;
  int drain = 0;
  int tags = 0;  // steps with a tag as their image, of a thousand
};

class Fleet {
 public:
  explicit Fleet(uint32_t seed) : random_(seed) {
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
    const int agents = 1 + Below(4);
    for (int i = 0; i < agents; ++i) {
      FakeAgent& agent = agents_[absl::StrCat("agent", i)];
      agent.slots = 1 + Below(3);
    }
    Tell(ControllerStarted{++epoch_});
  }

  void RunWithFaults(int rounds) {
    for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
      if (Chance(30) && builds_.size() < 4) SubmitRandomBuild();
      Turn(true);
    }
  }

  void HealAndFinish() {
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

  // How often things happened that the test is about.
  const std::map<std::string, int>& seen() const { return seen_; }

 private:
  struct FakeAttempt {
    AttemptReportState state = AttemptReportState::kPreparing;
    bool cancelled = false;
    Digest input;
    AttemptEnded result;
  };
  using AttemptName = std::tuple<std::string, int, int>;
  struct FakeAgent {
    int slots = 1;
    int disk = 0;
    int64_t session = 0;
    bool silent_for_controller = false;  // it was said to be lost
    std::map<AttemptName, FakeAttempt> attempts;
    std::deque<Command> inbox;
    std::deque<Event> outbox;
  };
  // What was seen of a step when it ended.
  struct End {
    StepStatus status;
    std::optional<int> exit_code;
    Digest input;
    Digest output;
    int attempt;
  };

  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }
  bool Chance(int of_thousand) { return Below(1000) < of_thousand; }
  static AttemptName NameOf(const AttemptKey& key) { return {key.build_id, key.step, key.attempt}; }

  bool AllEnded() const {
    for (const Build* build : core_->Builds()) {
      if (!IsTerminal(build->status)) return false;
    }
    return true;
  }

  void SubmitRandomBuild() {
    BuildSubmitted event;
    event.build_id = absl::StrCat("build", builds_.size());
    event.idempotency_key = absl::StrCat("key", builds_.size());
    event.context = TreeOf({});
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
    for (StepDefinition& step : event.steps) {
      std::sort(step.dependencies.begin(), step.dependencies.end());
    }
    builds_.push_back(event.build_id);
    Tell(event);
    ancestors_[event.build_id] = Ancestors(*core_->FindBuild(event.build_id));
    if (Chance(200)) Tell(event);
  }

  // One thing happens somewhere.
  void Turn(bool faults) {
    now_ += absl::Milliseconds(Below(2000));
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

  void Act(const std::string& name, FakeAgent& agent) {
    switch (Below(3)) {
      case 0:
        if (!agent.inbox.empty()) {
          const Command command = agent.inbox.front();
          agent.inbox.pop_front();
          Obey(name, agent, command);
        }
        return;
      case 1:
        if (!agent.outbox.empty()) {
          const Event event = agent.outbox.front();
          agent.outbox.pop_front();
          Tell(event);
          if (Chance(rates_.duplicate)) late_.push_back(event);
        } else if (!late_.empty()) {
          const Event event = late_.front();
          late_.pop_front();
          Tell(event);
        }
        return;
      default:
        Work(name, agent);
        return;
    }
  }

  void Drain(const std::string& name, FakeAgent& agent) {
    while (!agent.inbox.empty()) {
      const Command command = agent.inbox.front();
      agent.inbox.pop_front();
      Obey(name, agent, command);
      while (!agent.outbox.empty()) {
        const Event event = agent.outbox.front();
        agent.outbox.pop_front();
        Tell(event);
      }
    }
  }

  static AttemptKey KeyOf(const AttemptName& name) {
    return {std::get<0>(name), std::get<1>(name), std::get<2>(name)};
  }

  // The host makes progress with one of its attempts.
  void Work(const std::string& name, FakeAgent& agent) {
    if (agent.attempts.empty()) return;
    auto chosen = agent.attempts.begin();
    std::advance(chosen, Below(static_cast<int>(agent.attempts.size())));
    const AttemptKey key = KeyOf(chosen->first);
    FakeAttempt& attempt = chosen->second;
    switch (attempt.state) {
      case AttemptReportState::kPreparing:
        if (Chance(rates_.rejection)) {
          const RejectCause causes[] = {RejectCause::kBusy, RejectCause::kBusy, RejectCause::kHere,
                                        RejectCause::kPermanent};
          agent.outbox.push_back(AttemptRejected{name, key, causes[Below(4)], "no"});
          agent.attempts.erase(chosen);
          return;
        }
        attempt.state = AttemptReportState::kPrepared;
        SayPrepared(name, agent, key);
        return;
      case AttemptReportState::kPrepared:
      case AttemptReportState::kEnded:
        return;
      case AttemptReportState::kStarting:
        attempt.state = AttemptReportState::kRunning;
        agent.outbox.push_back(AttemptStarted{name, key, absl::Seconds(1)});
        return;
      case AttemptReportState::kRunning:
        break;
    }
    AttemptEnded& result = attempt.result;
    result.agent = name;
    result.key = key;
    if (attempt.cancelled) {
      result.kind = EndKind::kCancelled;
    } else if (Chance(50)) {
      result.kind = EndKind::kTimedOut;
    } else if (Chance(rates_.rejection)) {
      result.kind = EndKind::kErrored;
      result.may_retry = Chance(700);
      result.message = "host trouble";
    } else {
      result.exit_code = Chance(100) ? 1 + Below(3) : 0;
    }
    if (result.kind != EndKind::kErrored && !attempt.input.empty() && Chance(600)) {
      std::set<std::string> writers = WritersIn(attempt.input);
      writers.insert(absl::StrCat("s", key.step));
      result.output = TreeOf(writers);
    }
    attempt.state = AttemptReportState::kEnded;
    agent.outbox.push_back(result);
  }

  void SayPrepared(const std::string& name, FakeAgent& agent, const AttemptKey& key) {
    agent.outbox.push_back(
        AttemptPrepared{name, key, "sha256:0", absl::Seconds(1), absl::Seconds(1)});
  }

  void Obey(const std::string& name, FakeAgent& agent, const Command& command) {
    if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
      auto [it, is_new] = agent.attempts.try_emplace(NameOf(prepare->key));
      if (!is_new && it->second.state == AttemptReportState::kPrepared) {
        SayPrepared(name, agent, prepare->key);
      }
    } else if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
      auto it = agent.attempts.find(NameOf(grant->key));
      if (it == agent.attempts.end() || it->second.state != AttemptReportState::kPrepared) return;
      it->second.state = AttemptReportState::kStarting;
      it->second.input = grant->input;
    } else if (const auto* cancel = std::get_if<SendCancel>(&command)) {
      auto it = agent.attempts.find(NameOf(cancel->key));
      if (it == agent.attempts.end()) return;
      if (cancel->discard) {
        agent.attempts.erase(it);
      } else if (it->second.state != AttemptReportState::kEnded) {
        it->second.cancelled = true;
        it->second.state = AttemptReportState::kRunning;  // on its way to its end
      }
    } else if (const auto* ack = std::get_if<SendResultAck>(&command)) {
      agent.attempts.erase(NameOf(ack->key));
    } else if (const auto* welcome = std::get_if<SendWelcome>(&command)) {
      for (const AttemptVerdict& verdict : welcome->verdicts) {
        auto it = agent.attempts.find(NameOf(verdict.key));
        if (it == agent.attempts.end()) continue;
        switch (verdict.verdict) {
          case Verdict::kKeep:
            break;
          case Verdict::kKill:
            agent.attempts.erase(it);
            break;
          case Verdict::kResendResult:
            agent.outbox.push_back(it->second.result);
            break;
          case Verdict::kForget:
            EXPECT_EQ(it->second.state, AttemptReportState::kEnded);
            agent.attempts.erase(it);
            break;
        }
      }
    }
  }

  void Connect(const std::string& name, FakeAgent& agent) {
    // What was in flight on the old stream is gone; results stay until they are acknowledged.
    agent.inbox.clear();
    agent.outbox.clear();
    agent.silent_for_controller = false;
    AgentConnected hello;
    hello.agent = name;
    hello.session = agent.session = ++last_session_;
    hello.incarnation = absl::StrCat("disk", agent.disk);
    hello.slots = agent.slots;
    for (const auto& [attempt, state] : agent.attempts) {
      hello.attempts.push_back({KeyOf(attempt), state.state});
    }
    Tell(hello);
  }

  void Cut(const std::string& name, FakeAgent& agent) {
    if (agent.session == 0) return;
    const int64_t session = agent.session;
    agent.session = 0;
    agent.inbox.clear();
    agent.outbox.clear();
    Tell(AgentDisconnected{name, session});
  }

  void RestartController() {
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
    Tell(ControllerStarted{++epoch_});
    for (const auto& [name, agent] : core_->Agents()) EXPECT_EQ(agent.session, 0) << name;
  }

  void CheckReplay() {
    Core replayed;
    for (const auto& [event, time] : events_) ASSERT_TRUE(replayed.Apply(event, time).ok());
    ASSERT_EQ(Fingerprint(replayed), Fingerprint(*core_));
  }

  void Tell(const Event& event) {
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

  static std::string Brief(const Step& step) {
    return absl::StrCat(ToString(step.status), " attempt ", step.attempt, " on ", step.agent,
                        " prepared ", step.prepared, " granted ", step.granted, " code ",
                        step.exit_code.value_or(-1), " failures ", step.infrastructure_failures);
  }

  // The step that a report of an attempt is about, unless it comes from the current attempt. Null
  // too for a step that could get a slot just now, because time has passed.
  const Step* StepOfStaleReport(const Event& event) const {
    const AttemptKey* key = nullptr;
    std::string agent;
    std::visit(
        [&](const auto& report) {
          using Report = std::decay_t<decltype(report)>;
          if constexpr (std::is_same_v<Report, AttemptPrepared> ||
                        std::is_same_v<Report, AttemptRejected> ||
                        std::is_same_v<Report, AttemptStarted> ||
                        std::is_same_v<Report, AttemptEnded>) {
            key = &report.key;
            agent = report.agent;
          }
        },
        event);
    if (key == nullptr) return nullptr;
    const Step& step = core_->FindBuild(key->build_id)->steps[key->step];
    if (HasAttempt(step) && step.attempt == key->attempt && step.agent == agent) return nullptr;
    const bool may_be_placed =
        step.early || step.status == StepStatus::kReady || step.status == StepStatus::kWaiting;
    return may_be_placed ? nullptr : &step;
  }

  void Deliver(const Command& command) {
    std::string to;
    if (const auto* prepare = std::get_if<SendPrepare>(&command)) to = prepare->agent;
    if (const auto* grant = std::get_if<SendStartGrant>(&command)) to = grant->agent;
    if (const auto* cancel = std::get_if<SendCancel>(&command)) to = cancel->agent;
    if (const auto* ack = std::get_if<SendResultAck>(&command)) to = ack->agent;
    if (const auto* welcome = std::get_if<SendWelcome>(&command)) to = welcome->agent;
    if (!to.empty()) {
      if (agents_[to].session != 0) agents_[to].inbox.push_back(command);
      return;
    }
    if (const auto* join = std::get_if<JoinTrees>(&command)) {
      std::set<std::string> writers = WritersIn(join->base);
      for (const StepTrees& delta : join->deltas) {
        const std::set<std::string> of = WritersIn(delta.output);
        writers.insert(of.begin(), of.end());
      }
      joins_.push_back(TreeJoined{join->build_id, join->step, TreeOf(writers), {}, ""});
    }
  }

  void Check(const Command& command, const std::map<std::string, BuildStatus>& before,
             const std::set<std::string>& draining_before) {
    if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
      EXPECT_FALSE(draining_before.count(prepare->agent) != 0 &&
                   core_->Agents().at(prepare->agent).draining)
          << "18: a draining agent gets Prepare";
      auto status = before.find(prepare->key.build_id);
      EXPECT_TRUE(status == before.end() || status->second == BuildStatus::kRunning)
          << "14: an attempt begins after cancelling";
      EXPECT_EQ(prepare->key.attempt,
                core_->FindBuild(prepare->key.build_id)->steps[prepare->key.step].attempt)
          << "3: only the highest is current";
      const std::string& image = prepare->spec.image;
      if (image.rfind("tag:", 0) == 0 && prepare->image_digest.empty()) {
        int resolving = 0;
        for (const Step& step : core_->FindBuild(prepare->key.build_id)->steps) {
          if (HasAttempt(step) && step.definition.spec.image == image) ++resolving;
        }
        EXPECT_LE(resolving, 1) << "one attempt resolves a tag";
      }
    } else if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
      auto status = before.find(grant->key.build_id);
      ASSERT_NE(status, before.end());
      EXPECT_EQ(status->second, BuildStatus::kRunning) << "10: granted after cancelling";
      const Build& build = *core_->FindBuild(grant->key.build_id);
      EXPECT_TRUE(MayRun(build, grant->key.step)) << "6: granted before its dependencies";
      std::set<std::string> expected;
      for (int ancestor : ancestors_[build.id][grant->key.step]) {
        const Step& step = build.steps[ancestor];
        if (!step.output.empty()) expected.insert(step.definition.spec.id);
      }
      EXPECT_EQ(WritersIn(grant->input), expected) << build.id << " step " << grant->key.step;
      EXPECT_GT(grant->timeout_left, absl::ZeroDuration());
      if (!granted_.insert(NameOf(grant->key)).second) ++seen_["grant again"];
      if (early_.count(NameOf(grant->key)) != 0) ++seen_["promoted"];
    } else if (const auto* join = std::get_if<JoinTrees>(&command)) {
      const auto& ancestors = ancestors_[join->build_id];
      ASSERT_EQ(join->before.size(), join->deltas.size());
      for (size_t i = 0; i < join->deltas.size(); ++i) {
        std::vector<int> expected;
        for (size_t j = 0; j < join->deltas.size(); ++j) {
          if (ancestors[join->deltas[i].step].count(join->deltas[j].step) != 0) {
            expected.push_back(static_cast<int>(j));
          }
        }
        EXPECT_EQ(join->before[i], expected);
      }
      EXPECT_GE(join->deltas.size(), 2u) << "one delta needs no join";
      ++seen_[join->step < 0 ? "workspace join" : "join"];
    } else if (const auto* cancel = std::get_if<SendCancel>(&command)) {
      if (cancel->discard) ++seen_["discard"];
    } else if (const auto* welcome = std::get_if<SendWelcome>(&command)) {
      for (const AttemptVerdict& verdict : welcome->verdicts) {
        if (verdict.verdict == Verdict::kKill) ++seen_["kill"];
        if (verdict.verdict == Verdict::kForget) ++seen_["forget"];
        if (verdict.verdict == Verdict::kResendResult) ++seen_["resend"];
      }
    }
  }

  void CheckState() {
    std::map<std::string, std::pair<int, int>> held;  // slots and early ones by agent
    for (const Build* build : core_->Builds()) {
      int unfinished = 0;
      for (size_t i = 0; i < build->steps.size(); ++i) {
        const Step& step = build->steps[i];
        const std::pair<std::string, int> name = {build->id, static_cast<int>(i)};
        int& last_attempt = last_attempts_[name];
        EXPECT_TRUE(step.attempt == last_attempt || step.attempt == last_attempt + 1) << "3";
        last_attempt = step.attempt;
        EXPECT_LE(step.infrastructure_failures, 3) << "9";
        if (HasAttempt(step)) {
          ++(step.early ? held[step.agent].second : held[step.agent].first);
          EXPECT_LT(core_->NextDeadline(), absl::InfiniteFuture()) << "19: no timer";
        }
        EXPECT_FALSE(step.granted && step.early);
        if (step.early && early_.insert({build->id, static_cast<int>(i), step.attempt}).second) {
          ++seen_["early"];
          for (int dependency : step.definition.dependencies) {
            const Step& before = build->steps[dependency];
            EXPECT_TRUE(HasAttempt(before) || before.status == StepStatus::kSucceeded ||
                        before.status == StepStatus::kSkipped)
                << "prepared too early";
          }
        }
        if (!IsTerminal(step.status)) {
          ++unfinished;
          // 19: a step waits for something that is still to come.
          if (step.status == StepStatus::kWaiting) {
            EXPECT_GT(step.undecided_dependencies, 0);
          }
          if (step.status != StepStatus::kRunning) {
            EXPECT_NE(step.message, "")
                << build->id << " " << step.definition.spec.id << " " << ToString(step.status);
          }
          EXPECT_FALSE(IsTerminal(build->status));
          if (build->status == BuildStatus::kCancelling) {
            EXPECT_TRUE(step.granted && step.cancelling);
          }
          continue;
        }
        EXPECT_EQ(step.early, false);
        auto [end, is_new] = ends_.try_emplace(
            name, End{step.status, step.exit_code, step.input, step.output, step.attempt});
        if (is_new) {
          ++seen_[absl::StrCat("step ", ToString(step.status))];
          if (step.infrastructure_failures > 0) {
            ++seen_[step.infrastructure_failures == 3 ? "used up" : "retry"];
          }
          if (step.status == StepStatus::kSucceeded) {
            EXPECT_TRUE(step.granted) << "23";
          }
          // Every agent here answers in the end: nobody is given up as mute.
          EXPECT_EQ(step.message.find("gave no result"), std::string::npos);
          EXPECT_EQ(step.message.find("did not report"), std::string::npos);
          continue;
        }
        EXPECT_EQ(end->second.status, step.status) << "4";
        EXPECT_EQ(end->second.exit_code, step.exit_code) << "4";
        EXPECT_EQ(end->second.input, step.input) << "4";
        EXPECT_EQ(end->second.output, step.output) << "4";
        EXPECT_EQ(end->second.attempt, step.attempt) << "5";
      }
      EXPECT_EQ(unfinished, build->unfinished_steps);
      if (IsTerminal(build->status)) CheckEndedBuild(*build);
    }
    for (const auto& [name, agent] : core_->Agents()) {
      EXPECT_EQ(agent.busy_slots, held[name].first) << "17: " << name;
      EXPECT_EQ(agent.early_prepared, held[name].second) << "17: " << name;
      EXPECT_LE(agent.busy_slots, agent.slots) << "17";
      EXPECT_LE(agent.early_prepared, agent.slots) << "17";
    }
  }

  void CheckEndedBuild(const Build& build) {
    auto [end, is_new] = build_ends_.try_emplace(build.id, build.status);
    EXPECT_EQ(end->second, build.status) << "4";
    if (!is_new) return;
    ++seen_[ToString(build.status)];
    std::set<std::string> writers;
    bool all_fine = true;
    for (const Step& step : build.steps) {
      if (!step.output.empty()) writers.insert(step.definition.spec.id);
      all_fine = all_fine && step.status == StepStatus::kSucceeded;
    }
    EXPECT_EQ(WritersIn(build.workspace), writers) << "the final workspace";
    if (build.status == BuildStatus::kSucceeded) {
      EXPECT_TRUE(all_fine) << "15";
    }
  }

  std::mt19937 random_;
  FaultRates rates_;
  std::unique_ptr<Core> core_ = std::make_unique<Core>();
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  int64_t epoch_ = 0;
  int64_t last_session_ = 0;
  std::map<std::string, FakeAgent> agents_;
  std::deque<Event> joins_;
  std::deque<Event> late_;  // said twice, the second time late
  std::vector<std::pair<Event, absl::Time>> events_;
  std::vector<std::string> builds_;
  std::map<std::string, std::vector<std::set<int>>> ancestors_;
  std::map<std::pair<std::string, int>, int> last_attempts_;
  std::map<std::pair<std::string, int>, End> ends_;
  std::map<std::string, BuildStatus> build_ends_;
  std::set<AttemptName> granted_;
  std::set<AttemptName> early_;
  std::map<std::string, int> seen_;
};

TEST(CoreProperty, RandomFleetsKeepTheInvariants) {
  std::map<std::string, int> seen;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Fleet fleet(seed);
    fleet.RunWithFaults(600);
    if (!HasFailure()) fleet.HealAndFinish();
    for (const auto& [what, times] : fleet.seen()) seen[what] += times;
    ASSERT_FALSE(HasFailure());
  }
  // The faults did reach the interesting places.
  for (const auto& [what, times] : seen) std::cout << what << ": " << times << "\n";
  for (const char* what :
       {"join",        "workspace join", "early",          "promoted",     "discard",
        "kill",        "forget",         "resend",         "retry",        "used up",
        "grant again", "stale",          "succeeded",      "failed",       "timed-out",
        "cancelled",   "step skipped",   "step timed-out", "step errored", "step cancelled"}) {
    EXPECT_GT(seen[what], 50) << what;
  }
}

}  // namespace
}  // namespace rally::core
