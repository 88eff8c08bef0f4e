#include "rallyctl/render/unseen_steps.h"

#include <map>

namespace rally::rallyctl {
namespace {

bool ChangedFiles(const v1::Step& step) {
  return !step.output().hash().empty() && step.output().hash() != step.input().hash();
}

std::vector<bool> AncestorsOf(const v1::Build& build, int step) {
  std::map<std::string, int> index;
  for (int i = 0; i < build.steps_size(); ++i) index[build.steps(i).id()] = i;
  std::vector<bool> seen(static_cast<size_t>(build.steps_size()));
  std::vector<int> to_visit = {step};
  while (!to_visit.empty()) {
    const int visited = to_visit.back();
    to_visit.pop_back();
    for (const std::string& id : build.steps(visited).depends_on()) {
      const auto found = index.find(id);
      if (found == index.end() || seen[static_cast<size_t>(found->second)]) continue;
      seen[static_cast<size_t>(found->second)] = true;
      to_visit.push_back(found->second);
    }
  }
  return seen;
}

}  // namespace

std::vector<std::string> StepsNotSeenBy(const v1::Build& build, int step) {
  const std::vector<bool> ancestors = AncestorsOf(build, step);
  std::vector<std::string> unseen;
  for (int i = 0; i < step; ++i) {
    if (!ancestors[static_cast<size_t>(i)] && ChangedFiles(build.steps(i))) {
      unseen.push_back(build.steps(i).id());
    }
  }
  return unseen;
}

}  // namespace rally::rallyctl
