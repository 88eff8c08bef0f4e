#ifndef RALLY_CONTROLLER_CORE_BUILD_RECORD_H_
#define RALLY_CONTROLLER_CORE_BUILD_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/build.h"
#include "controller/core/step_condition.h"

// What the core keeps about builds beside what their views show. Private to the core.
namespace rally::core {

// How many steps ahead of running ones a chain is prepared.
constexpr int kLookAhead = 3;

// How many edges through skipped steps are followed in a build to tell whose failure was handled.
// No real pipeline comes near; one that was made to hurt loses the rest of the names.
constexpr int64_t kEdgesToWalk = 4000000;

// Blobs of a step's input that are in no store: the step waits, without an attempt, until they are
// back or it is clear that they don't come back.
struct LostInput {
  enum class Stage {
    kAsking,    // agents may have them
    kTracing,   // a worker looks for who made them
    kRemaking,  // steps that made them run again
  };
  Stage stage = Stage::kAsking;
  std::vector<Digest> blobs;    // those that aren't back
  std::set<std::string> asked;  // agents that haven't answered
  std::set<int> makers;         // steps that run again
};

struct StepTrack {
  ResultSet results;  // what dependents see, once terminal
  int failure = -1;   // the step whose failure dependents see through this one; -1: none

  // For early preparation. A step counts as live when it is on its way (it has an attempt, not too
  // far ahead) or ended well.
  bool live = false;
  int missing_live = 0;   // dependencies that aren't live
  int ahead = 0;          // of an early attempt: 1 when its dependencies hold slots or have ended
  bool no_early = false;  // was tried, in vain

  bool result_accepted = false;  // the current attempt's Result was applied
  bool total_is_nearer = false;  // the grant's timeout came from the build's total clock
  absl::Duration lease;          // the longest that a grant of the current attempt named
  bool disk_lost = false;        // its agent came back with another disk: nobody knows about it
  std::string lost_because;      // of a step whose agent is lost
  absl::Time awaited_until = absl::InfinitePast();  // likewise
  int first_open = 0;  // dependencies before this position are terminal
  std::optional<LostInput> lost_input;
  int input_losses = 0;  // how often that was so
  absl::Time queued_at = absl::InfinitePast();
  absl::Time clock_at =
      absl::InfinitePast();  // the step clock of the current attempt runs from here
};

// One tree to be joined, or joined, for all steps with the same dependencies.
struct SharedJoin {
  Digest root;  // empty while under way
  int asked_for = 0;
  std::vector<int> steps;  // that wait for it
};

struct BuildRecord {
  Build build;
  int64_t number = 0;     // in the order of submission
  std::vector<int> rank;  // of each step in build.order
  std::vector<StepTrack> tracks;

  std::set<int> ready;  // ranks of ready steps that could be placed now
  std::map<std::string, std::vector<int>> tag_users;  // steps by tag reference
  std::map<std::string, int> resolving;               // tag -> step whose attempt resolves it
  std::map<std::string, std::set<int>> awaiting_tag;  // tag -> ranks of ready steps
  std::set<int> early_candidates;                     // ranks

  std::map<std::vector<int>, SharedJoin> joins;     // by dependencies
  std::map<int, std::vector<int>> joins_under_way;  // step that it was asked for -> dependencies
  std::set<std::tuple<std::string, std::string, std::string>> conflicts;
  int64_t edges_to_walk = kEdgesToWalk;  // left for finding out whose codes were handled

  bool changed = false;  // since the last revision
};

inline bool HasAttempt(const Step& step) {
  return step.early || step.status == StepStatus::kAssigned || step.status == StepStatus::kRunning;
}

inline bool IsLayoutImage(const std::string& image) { return image.rfind("oci:", 0) == 0; }

// A reference whose meaning may change between two looks at the registry.
inline bool IsTag(const std::string& image) {
  return !IsLayoutImage(image) && image.find('@') == std::string::npos;
}

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_BUILD_RECORD_H_
