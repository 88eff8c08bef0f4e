#ifndef RALLY_CONTROLLER_OPTIONS_H_
#define RALLY_CONTROLLER_OPTIONS_H_

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/pipeline/parser.h"
#include "common/rpc/channel.h"

namespace rally::controller {

// What an operator can set, by flag or as a key of the same name in the file that --config names.
struct Options {
  std::string data = "/var/lib/rally/controller";
  std::string listen = "127.0.0.1:7470";
  rpc::Security security;
  absl::Duration suspect_after = absl::Seconds(6);
  absl::Duration lost_after = absl::Seconds(30);
  absl::Duration heartbeat = absl::Seconds(2);
  absl::Duration grace = absl::Seconds(10);  // between SIGTERM and SIGKILL of a step
  // For steps with rerun = "exclusive": how long an agent that hears nothing lets one go on.
  absl::Duration exclusive_lease = absl::Minutes(2);
  // For steps with rerun = "never": how long the result of a lost agent is awaited.
  absl::Duration unknown_after = absl::Minutes(15);
  // What blobs may take; zero: what the disk has. Of its disk they leave so much free for others.
  int64_t blob_bytes = 0;
  int64_t blob_files = 0;
  int blob_keep_free_percent = 5;
  // A store elsewhere, as blob::ParseBlobEndpoint reads it. Empty: the disk. And how long Start
  // waits for it.
  std::string blob_endpoint;
  absl::Duration blob_endpoint_wait = absl::Seconds(10);
  // How long a blob surely stays that no build refers to yet, and the trees of a build that ended.
  absl::Duration blob_grace = absl::Minutes(10);
  absl::Duration keep_workspaces = absl::Minutes(10);
  // What pipelines may say and mean here.
  pipeline::ParseOptions pipelines;
};

// Reads the command line. Without a value: `exit_code` is what main returns (help, version, a
// wrong flag, --check-config), and what there was to say has been printed.
std::optional<Options> ParseOptions(int argc, char** argv, int* exit_code);

// OK if a controller can be started with these; else what to change.
absl::Status Validate(const Options& options);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_OPTIONS_H_
