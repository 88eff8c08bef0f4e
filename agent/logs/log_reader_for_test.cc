// An agent reduced to one AttemptLog, for tests that kill it: reads until it's killed, or with
// "finish" until the log is complete.

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/keeper/embedded.h"
#include "agent/logs/attempt_log.h"
#include "agent/logs/keeper_client.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string directory = argv[1];
  const std::string mode = argv[3];
  rally::logs::KeeperClient::Options keeper_options;
  keeper_options.directory = absl::StrCat(directory, "/keeper");
  keeper_options.executable = rally::keeper::EmbeddedKeeper();
  auto keeper = rally::logs::KeeperClient::Start(keeper_options);
  if (!keeper.ok()) {
    std::fprintf(stderr, "%s\n", keeper.status().ToString().c_str());
    return 1;
  }
  rally::logs::AttemptLog::Options options;
  options.key = argv[2];
  options.stdout_fifo = absl::StrCat(directory, "/", options.key, ".stdout");
  options.stderr_fifo = absl::StrCat(directory, "/", options.key, ".stderr");
  options.spool_path = absl::StrCat(directory, "/", options.key, ".log");
  options.partial_line_wait = absl::Milliseconds(5);
  auto log = rally::logs::AttemptLog::Start(keeper->get(), options);
  if (!log.ok()) {
    std::fprintf(stderr, "%s\n", log.status().ToString().c_str());
    return 1;
  }
  if (mode == "read") {
    const auto progress = (*log)->WaitFor(int64_t{1} << 60, absl::InfiniteDuration());
    std::fprintf(stderr, "%s\n", progress.status.ToString().c_str());
    return 1;
  }
  const absl::StatusOr<int64_t> end = (*log)->Finish(absl::Seconds(60));
  if (end.ok() && !(*log)->may_lack_bytes()) return 0;
  std::fprintf(stderr, "%s\n", end.status().ToString().c_str());
  return 1;
}
