#ifndef RALLY_CONTROLLER_CORE_EVENT_H_
#define RALLY_CONTROLLER_CORE_EVENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

// What the core is told. Every event is journalled before the core sees it, and replaying the
// journal gives the same state: so an event carries all that a decision needs.
namespace rally::core {

// Digest of a blob or of a tree's root Directory: lower-case SHA-256 and size.
struct Digest {
  std::string hash;
  int64_t size_bytes = 0;

  bool empty() const { return hash.empty(); }
  friend bool operator==(const Digest& a, const Digest& b) {
    return a.hash == b.hash && a.size_bytes == b.size_bytes;
  }
  friend bool operator!=(const Digest& a, const Digest& b) { return !(a == b); }
};

// Which try of which step. `step` is the index in the file, `attempt` counts from 1.
struct AttemptKey {
  std::string build_id;
  int step = 0;
  int attempt = 0;

  friend bool operator==(const AttemptKey& a, const AttemptKey& b) {
    return a.build_id == b.build_id && a.step == b.step && a.attempt == b.attempt;
  }
};

// What runs in a step's container.
struct StepSpec {
  std::string id;
  std::string image;  // a normalised reference, or oci:PATH
  std::vector<std::string> args;
  std::string entry_point;
  std::vector<std::pair<std::string, std::string>> envs;
  std::string work_dir;
};

// What may happen to a step whose agent is lost after its process may have started.
enum class Rerun {
  kSafe,       // it runs again at once
  kExclusive,  // it runs again when the old process is surely dead
  kNever,      // it never runs again
};

struct StepDefinition {
  StepSpec spec;
  std::vector<int> dependencies;  // indices, ascending
  absl::Duration timeout;
  std::vector<int> exited_with;     // empty: no such condition
  std::vector<int> exited_without;  // likewise
  Rerun rerun = Rerun::kSafe;
};

// The process came up as the writer, with a new epoch. Sessions of before are gone. What it is
// configured with holds from here on; zero: as before.
struct ControllerStarted {
  int64_t epoch = 0;
  absl::Duration exclusive_lease;
  absl::Duration unknown_after;
};

struct BuildSubmitted {
  std::string build_id;
  std::string idempotency_key;
  std::string content_hash;  // of all that makes a submission the same one
  std::string pipeline_name;
  Digest context;
  absl::Duration total_timeout;
  std::vector<StepDefinition> steps;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> labels;
  bool fail_on_conflict = false;  // else a conflict is a warning
  bool fail_fast = false;         // the first failed step ends the build
};

// How far an agent says that an attempt has come.
enum class AttemptReportState {
  kPreparing,  // journalled, being prepared
  kPrepared,   // container made, nothing has run
  kStarting,   // the process may have run
  kRunning,
  kEnded,  // has a result that the controller has not acknowledged
};

struct AttemptReport {
  AttemptKey key;
  AttemptReportState state = AttemptReportState::kPreparing;
};

// An agent said Hello on a new session, which replaces any older one of the same name.
struct AgentConnected {
  std::string agent;
  int64_t session = 0;
  std::string incarnation;
  std::string boot_id;
  std::string version;
  int slots = 0;
  std::map<std::string, std::string> labels;
  std::vector<AttemptReport> attempts;
};

struct AgentDisconnected {
  std::string agent;
  int64_t session = 0;
};

enum class Liveness {
  kAlive,    // heartbeats come
  kSuspect,  // none for a while: gets no new work
  kLost,     // none for so long that its attempts are given to others
};

// What the shell's watch over heartbeats concluded. Told only when it changed.
struct AgentLivenessChanged {
  std::string agent;
  Liveness liveness = Liveness::kAlive;
  bool accepts_work = true;
  absl::Duration silent_for;  // since the last sign of life, as far as the shell knows
};

struct AttemptPrepared {
  std::string agent;
  AttemptKey key;
  std::string image_digest;
  absl::Duration pulling;
  absl::Duration creating;
};

enum class RejectCause {
  kBusy,       // no capacity: elsewhere, or later
  kPermanent,  // would fail everywhere
  kHere,       // this host can't
};

struct AttemptRejected {
  std::string agent;
  AttemptKey key;
  RejectCause cause = RejectCause::kPermanent;
  std::string message;
};

struct AttemptStarted {
  std::string agent;
  AttemptKey key;
  absl::Duration restoring;
};

enum class EndKind {
  kExited,  // exit_code is the process's, 128+n for signal n
  kTimedOut,
  kCancelled,
  kErrored,  // Rally could not run or capture it
};

struct AttemptEnded {
  std::string agent;
  AttemptKey key;
  EndKind kind = EndKind::kExited;
  int exit_code = 0;
  bool oom_killed = false;
  std::string message;
  Digest output;  // empty: as the input
  int64_t log_end = 0;
  absl::Duration running;
  absl::Duration capturing;
  std::vector<std::string> warnings;
  bool never_started = false;
  bool may_retry = false;
  std::vector<Digest> missing;  // errored: blobs of its input that are nowhere to be had
};

// An agent was asked for blobs that the store has lost, and sent these again.
struct BlobsUploaded {
  std::string agent;
  AttemptKey key;
  std::vector<Digest> blobs;
};

struct MadeBlob {
  int step = 0;
  Digest blob;
};

// A worker looked where the blobs of a TraceBlobs command came from. Those that it found nowhere
// are unknown.
struct BlobsTraced {
  std::string build_id;
  int step = 0;
  std::vector<Digest> in_context;
  std::vector<MadeBlob> made;
  std::vector<Digest> unknown;
};

// What a step did to a path that another one treated otherwise. The numbers are part of the
// journal.
enum class Deed {
  kWroteFile = 0,
  kMadeSymlink = 1,
  kMadeDirectory = 2,
  kRemoved = 3,
  kReplacedParent = 4,  // By a file or symlink, somewhere above the path.
};

struct Conflict {
  std::string earlier_step;
  std::string later_step;
  std::string path;
  Deed earlier_deed = Deed::kWroteFile;
  Deed later_deed = Deed::kWroteFile;
};

// A worker joined the trees that a JoinTrees command named. `step` -1 is the final workspace.
struct TreeJoined {
  std::string build_id;
  int step = 0;
  Digest root;
  std::vector<Conflict> conflicts;
  std::string error;            // not empty: the join failed
  std::vector<Digest> missing;  // for lack of these directories
  int generation = 0;           // as in the command
};

struct CancelRequested {
  std::string build_id;
  std::string reason;
};

struct DrainRequested {
  std::string agent;
  bool drain = true;
};

// The time that Core::NextDeadline gave has come.
struct TimerFired {};

using Event = std::variant<ControllerStarted, BuildSubmitted, AgentConnected, AgentDisconnected,
                           AgentLivenessChanged, AttemptPrepared, AttemptRejected, AttemptStarted,
                           AttemptEnded, TreeJoined, CancelRequested, DrainRequested, TimerFired,
                           BlobsUploaded, BlobsTraced>;

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_EVENT_H_
