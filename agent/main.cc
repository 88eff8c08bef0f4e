#include <cstdio>

#include "agent/agent.h"
#include "agent/options.h"
#include "agent/service.h"
#include "common/tune_process.h"
#include "glog/logging.h"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
// From the start of the host, until systemd may try again.
constexpr absl::Duration kContainerdWait = absl::Seconds(30);
constexpr absl::Duration kStopGrace = absl::Seconds(5);

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "rally-agent: %s\n", std::string(status.message()).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  rally::TuneProcess(rally::kArenasOfADaemon);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  auto line = rally::agent::ParseCommandLine(argc, argv);
  if (!line.ok()) {
    Complain(line.status());
    return kExitUsage;
  }
  if (line->only_print || line->check_config) {
    std::fputs(line->only_print ? line->text.c_str() : "the configuration is valid\n", stdout);
    return 0;
  }
  rally::agent::BlockStopSignals();
  line->options.containerd_wait = kContainerdWait;
  auto agent = rally::agent::Agent::Start(line->options);
  if (!agent.ok()) {
    Complain(agent.status());
    return kExitFailed;
  }
  rally::agent::AwaitStop();
  rally::agent::ExitAfter(kStopGrace);
  return 0;
}
