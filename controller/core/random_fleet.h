#ifndef RALLY_CONTROLLER_CORE_RANDOM_FLEET_H_
#define RALLY_CONTROLLER_CORE_RANDOM_FLEET_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/core.h"

namespace rally::core {

struct FaultRates {
  int agent_cut = 0;  // of a thousand
  int agent_wiped = 0;
  int agent_lost = 0;
  int controller_restart = 0;
  int duplicate = 0;
  int rejection = 0;
  int cancel = 0;
  int drain = 0;
  int tags = 0;        // steps with a tag as their image, of a thousand
  int conditions = 0;  // steps with an explicit condition
  int classes = 0;     // steps that may not simply run again
  int conflicts = 0;   // joins that find one
  int losses = 0;      // inputs that have lost blobs
};

// For tests: random builds on a random fleet. Agents, their hosts and the controller fail, messages
// are lost, repeated and late. After every event the invariants are checked; their numbers are
// those of the list that the core was designed by.
class Fleet {
 public:
  explicit Fleet(uint32_t seed);

  void RunWithFaults(int rounds);
  // The faults stop: every build must end.
  void HealAndFinish();

  // How often things happened that the test is about.
  const std::map<std::string, int>& seen() const { return seen_; }

 private:
  struct FakeAttempt {
    AttemptReportState state = AttemptReportState::kPreparing;
    bool cancelled = false;
    Digest input;
    absl::Duration lease;
    AttemptEnded result;
  };
  using AttemptName = std::tuple<std::string, int, int>;
  using StepName = std::pair<std::string, int>;
  struct FakeAgent {
    int slots = 1;
    int disk = 0;
    int64_t session = 0;
    bool silent_for_controller = false;  // it was said to be lost
    absl::Time heard_at = absl::InfinitePast();
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
  static AttemptKey KeyOf(const AttemptName& name);

  // random_fleet.cc: what happens
  bool AllEnded() const;
  std::vector<int> RandomCodes();
  void MakeTwins(int with, int without, BuildSubmitted& event);
  void SubmitRandomBuild();
  void Turn(bool faults);
  void StartController();
  void RestartController();
  void CheckReplay();
  void Tell(const Event& event);
  void Deliver(const Command& command);
  void Join(const JoinTrees& command);
  void Trace(const TraceBlobs& command);
  std::vector<Digest> LoseBlobs(const Digest& tree);

  // random_fleet_agents.cc: what hosts do
  void Act(const std::string& name, FakeAgent& agent);
  void Drain(const std::string& name, FakeAgent& agent);
  void Work(const std::string& name, FakeAgent& agent);
  void SayPrepared(const std::string& name, FakeAgent& agent, const AttemptKey& key);
  void Obey(const std::string& name, FakeAgent& agent, const Command& command);
  void EndWhatHasNoLease(const std::string& name, FakeAgent& agent);
  void Connect(const std::string& name, FakeAgent& agent);
  void Cut(const std::string& name, FakeAgent& agent);

  // random_fleet_checks.cc: what must hold
  static std::string Brief(const Step& step);
  const Step* StepOfStaleReport(const Event& event) const;
  void Check(const Command& command, const std::map<std::string, BuildStatus>& before,
             const std::set<std::string>& draining_before);
  void CheckState();
  void CheckEnd(const std::string& build, int index, const Step& step);
  void CheckEndedBuild(const Build& build);
  void CheckDecisions(const Build& build);
  void CheckHandlers(const Build& build);
  void CheckRerunClasses();

  std::mt19937 random_;
  FaultRates rates_;
  std::unique_ptr<Core> core_ = std::make_unique<Core>();
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  int64_t epoch_ = 0;
  int64_t last_session_ = 0;
  std::map<std::string, FakeAgent> agents_;
  std::deque<Event> joins_;  // and what was traced
  std::deque<Event> late_;   // said twice, the second time late
  std::vector<std::pair<Event, absl::Time>> events_;
  std::vector<std::string> builds_;
  std::map<std::string, std::vector<std::set<int>>> ancestors_;
  // Steps with the same dependencies and the same list, as exitedWith and as exitedWithout.
  std::map<std::string, std::pair<int, int>> twins_;
  std::map<StepName, int> last_attempts_;
  std::map<StepName, std::set<int>> starts_;  // attempts whose process was started
  std::map<StepName, End> ends_;
  std::map<std::string, BuildStatus> build_ends_;
  std::set<AttemptName> granted_;
  std::set<AttemptName> early_;
  std::map<std::string, int> seen_;
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_RANDOM_FLEET_H_
