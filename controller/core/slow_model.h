#ifndef RALLY_CONTROLLER_CORE_SLOW_MODEL_H_
#define RALLY_CONTROLLER_CORE_SLOW_MODEL_H_

#include <set>
#include <string>
#include <vector>

#include "controller/core/build.h"

// For tests: what the core computes step by step, found the slow way from a build's end.
namespace rally::core {

bool IsUnderWay(const Step& step);

// A tree is the set of the steps that wrote to it, and its digest is their list.
Digest TreeOf(const std::set<std::string>& writers);
std::set<std::string> WritersIn(const Digest& tree);

// The transitive dependencies of each step.
std::vector<std::set<int>> Ancestors(const Build& build);

// LANGUAGE 4.3: the codes that dependents of an ended step see.
std::set<int> ResultsOf(const Build& build, int step);

// Whether all dependencies have ended, none of them cancelled, and the step's condition holds.
bool MayRun(const Build& build, int step);
// Whether a dependency, or one behind a skipped dependency, was cancelled.
bool SeesCancelled(const Build& build, int step);

// LANGUAGE 4.4: the steps with an explicit condition that ran because of this one's failure.
std::set<int> HandlersOf(const Build& build, int step);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_SLOW_MODEL_H_
