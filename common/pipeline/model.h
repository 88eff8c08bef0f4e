#ifndef RALLY_COMMON_PIPELINE_MODEL_H_
#define RALLY_COMMON_PIPELINE_MODEL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace rally::pipeline {

// One [[step]], checked and with its defaults filled in.
struct Step {
  std::string id;
  // As written; image_reference.h takes it apart.
  std::string image;
  std::vector<std::string> args;
  // "" = the image's own.
  std::string entry_point;
  // Cleaned: relative to the workspace's root ("" = the root itself), or absolute in the container.
  std::string work_dir;
  // In the order written; no name twice.
  std::vector<std::pair<std::string, std::string>> envs;
  // The step's own, or the pipeline's stepTimeout. Never zero.
  absl::Duration timeout;
  // Indices into Pipeline::steps, ascending. Empty = starts at once.
  std::vector<int> dependencies;
  // The one dependency is the step before, taken because there is no whenAll.
  bool implicit_dependency = false;
  // Of the [[step]] header, from 1.
  int line = 0;
};

// A rally.toml that may be run: ids are unique and dependencies form no cycle.
struct Pipeline {
  // In the order of the file.
  std::vector<Step> steps;
  absl::Duration step_timeout;
  absl::Duration total_timeout;
  // Indices into steps: each step after its dependencies, ties in the order of the file.
  std::vector<int> order;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_MODEL_H_
