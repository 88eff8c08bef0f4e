#ifndef RALLY_CONTROLLER_CORE_COMMAND_H_
#define RALLY_CONTROLLER_CORE_COMMAND_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/event.h"

// What the core wants done. The shell executes commands after the events that caused them are
// durable; a command to an agent that isn't connected is dropped, since the agent's next Hello
// reconciles. Commands of a replay are dropped too.
namespace rally::core {

struct SendPrepare {
  std::string agent;
  AttemptKey key;
  StepSpec spec;
  std::string image_digest;  // once resolved for this build
  Digest input;              // when already known
};

struct SendStartGrant {
  std::string agent;
  AttemptKey key;
  Digest input;
  absl::Duration timeout_left;
  // Not zero: the agent ends the attempt when it hasn't heard of the controller for so long.
  absl::Duration exclusive_lease;
};

struct SendCancel {
  std::string agent;
  AttemptKey key;
  bool discard = false;  // no result is wanted
};

struct SendResultAck {
  std::string agent;
  AttemptKey key;
};

// Send these blobs to the store again, as far as you have them, and post BlobsUploaded.
struct SendUploadBlobs {
  std::string agent;
  AttemptKey key;  // whose input lacks them
  std::vector<Digest> blobs;
};

enum class Verdict {
  kKeep,
  kKill,  // superseded or unknown: end it, no result wanted
  kResendResult,
  kForget,  // its result is durable
};

struct AttemptVerdict {
  AttemptKey key;
  Verdict verdict = Verdict::kKeep;
};

// Answers a Hello. Commands for this session that follow it are sent after it.
struct SendWelcome {
  std::string agent;
  int64_t session = 0;
  std::vector<AttemptVerdict> verdicts;
};

// One delta: what `step` (an index) made of its input tree.
struct StepTrees {
  int step = 0;
  std::string step_id;
  Digest input;
  Digest output;
};

// Join base + deltas on a worker thread and post TreeJoined with the same step. `step` -1 is the
// final workspace. The base is the context, or a later tree that every delta's step came after.
// Other steps with the same dependencies as `step` use the joined tree too.
struct JoinTrees {
  std::string build_id;
  int step = 0;
  Digest base;
  std::vector<StepTrees> deltas;  // in the deterministic order
  // before[i] holds the positions in deltas (ascending) that delta i's step depends on,
  // transitively: no conflict is possible between these and i.
  std::vector<std::vector<int>> before;
  int generation = 0;  // for TreeJoined to repeat
};

// Find out on a worker thread which of the blobs the context has, and of the others which step was
// the first to have made them; post BlobsTraced.
struct TraceBlobs {
  std::string build_id;
  int step = 0;  // whose input lacks them
  Digest context;
  std::vector<StepTrees> steps;  // its ancestors with a delta, in the deterministic order
  std::vector<Digest> blobs;
};

// The build's view changed: watchers look again.
struct BuildChanged {
  std::string build_id;
  bool ended = false;
};

using Command = std::variant<SendPrepare, SendStartGrant, SendCancel, SendResultAck, SendWelcome,
                             JoinTrees, BuildChanged, SendUploadBlobs, TraceBlobs>;

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_COMMAND_H_
