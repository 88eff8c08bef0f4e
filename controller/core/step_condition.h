#ifndef RALLY_CONTROLLER_CORE_STEP_CONDITION_H_
#define RALLY_CONTROLLER_CORE_STEP_CONDITION_H_

#include <bitset>
#include <string>
#include <vector>

#include "controller/core/event.h"

// When a step runs: LANGUAGE.md 4.3.
namespace rally::core {

// Codes that stand for ends that are not an exit.
constexpr int kTimedOutCode = 124;
constexpr int kErroredCode = 125;

// The exit codes that a finished step shows to its dependents: its own one, or for a skipped step
// those that it saw itself.
class ResultSet {
 public:
  void Add(int code) { codes_.set(code >= 0 && code <= 255 ? code : 255); }
  void Add(const ResultSet& other) { codes_ |= other.codes_; }
  bool Contains(int code) const { return code >= 0 && code <= 255 && codes_.test(code); }
  bool ContainsAny(const std::vector<int>& codes) const;
  bool empty() const { return codes_.none(); }
  // Nothing but successes, or nothing at all.
  bool OnlySuccess() const { return codes_.none() || (codes_.count() == 1 && codes_.test(0)); }
  // Ascending, "0, 3, 124"; the first few of many.
  std::string ToString() const;

 private:
  std::bitset<256> codes_;
};

// Whether the step says itself which codes it runs after. Without dependencies there are none to
// look at, and what it says is ignored.
bool HasCondition(const StepDefinition& step);

// Whether a step runs whose dependencies, all of them finished, showed `seen`.
bool Runs(const StepDefinition& step, const ResultSet& seen);

// Whether a failure with this code is one of the reasons why the step, which has a condition and
// runs, does so.
bool RunsBecauseOf(const StepDefinition& step, int code);

// Why a step with a condition doesn't run, for a person.
std::string DescribeUnmetCondition(const StepDefinition& step, const ResultSet& seen);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_STEP_CONDITION_H_
