#ifndef RALLY_CONTROLLER_CORE_STEP_CONDITION_H_
#define RALLY_CONTROLLER_CORE_STEP_CONDITION_H_

#include <bitset>

#include "controller/core/event.h"

namespace rally::core {

// The exit codes that a finished step shows to its dependents: its own one, or for a skipped step
// those that it saw itself.
class ResultSet {
 public:
  void Add(int code) { codes_.set(code >= 0 && code <= 255 ? code : 255); }
  void Add(const ResultSet& other) { codes_ |= other.codes_; }
  bool Contains(int code) const { return code >= 0 && code <= 255 && codes_.test(code); }
  bool empty() const { return codes_.none(); }
  // Nothing but successes, or nothing at all.
  bool OnlySuccess() const { return codes_.none() || (codes_.count() == 1 && codes_.test(0)); }

 private:
  std::bitset<256> codes_;
};

// Codes that stand for ends that are not an exit.
constexpr int kTimedOutCode = 124;
constexpr int kErroredCode = 125;

// Whether a step runs whose dependencies, all of them finished, showed `seen`.
inline bool Runs(const StepDefinition& /*step*/, const ResultSet& seen) {
  return seen.OnlySuccess();
}

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_STEP_CONDITION_H_
