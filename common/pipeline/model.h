#ifndef RALLY_COMMON_PIPELINE_MODEL_H_
#define RALLY_COMMON_PIPELINE_MODEL_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace rally::pipeline {

// What may happen to a step whose agent is lost after its process may have started.
enum class Rerun {
  kSafe,       // run it again at once
  kExclusive,  // run it again, but never two at a time
  kNever,      // never run it again
};

// What two steps that aren't ordered, but wrote different things to one path, do to who sees both.
enum class ConflictPolicy {
  kWarn,   // the later in the order wins, with a warning
  kError,  // it fails
};

// What is put into the container: `image` with its entry point and command replaced as given.
struct ContainerCommand {
  std::string image;  // A normalised reference, or oci:PATH.
  // "" = the image's own.
  std::string entry_point;
  std::vector<std::string> args;
};

// A step without an image of its own: its first argument names a row of the table of verbs.
struct VerbUse {
  std::string name;
  // The arguments after the verb, after the repairs that verbs make.
  std::vector<std::string> args;
};

// One [[step]], checked, rendered and with its defaults filled in.
struct Step {
  std::string id;
  // As written; "" = by the verb.
  std::string image;
  std::vector<std::string> args;
  // "" = the image's own, or the verb's.
  std::string entry_point;
  // Cleaned: relative to the workspace's root ("" = the root itself), or absolute in the container.
  std::string work_dir;
  // In the order written; no name twice.
  std::vector<std::pair<std::string, std::string>> envs;
  // Names of Pipeline::secrets, in the order written.
  std::vector<std::string> secret_envs;
  // The step's own, or the pipeline's stepTimeout. Never zero.
  absl::Duration timeout;
  // Indices into Pipeline::steps, ascending. Empty = starts at once.
  std::vector<int> dependencies;
  // The one dependency is the step before, taken because there is no whenAll.
  bool implicit_dependency = false;
  // Ascending, without repeats, 0 to 255. Absent = no such condition; never empty.
  std::optional<std::vector<int>> exited_with;
  std::optional<std::vector<int>> exited_without;
  Rerun rerun = Rerun::kSafe;
  // Of the [[step]] header, from 1.
  int line = 0;

  // Absent when the step has an image.
  std::optional<VerbUse> verb;
  // What follows from image, entry_point, args and verb.
  ContainerCommand command;
};

// A secret that steps may ask for, by a name of the environment.
struct Secret {
  std::string env;
  // "https://HOST", or "" for the server's default provider.
  std::string vault;
  std::string name;
  // "" = the latest.
  std::string version;
};

// What stepTimeout and totalTimeout are when they aren't written.
inline constexpr absl::Duration kDefaultStepTimeout = absl::Seconds(600);
inline constexpr absl::Duration kDefaultTotalTimeout = absl::Seconds(3600);

// A rally.toml that may be run: ids are unique and dependencies form no cycle.
struct Pipeline {
  // In the order of the file.
  std::vector<Step> steps;
  absl::Duration step_timeout;
  absl::Duration total_timeout;
  ConflictPolicy conflict = ConflictPolicy::kWarn;
  // Normalised references, in the order written, none twice.
  std::vector<std::string> push;
  // In the order written; no env twice.
  std::vector<Secret> secrets;
  // Indices into steps: each step after its dependencies, ties in the order of the file.
  std::vector<int> order;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_MODEL_H_
