#include <cstdlib>

#include "common/tune_process.h"
#include "glog/logging.h"
#include "rallyctl/command_line.h"
#include "rallyctl/run/run.h"
#include "rallyctl/terminal.h"

int main(int argc, char** argv) {
  rally::TuneProcess(rally::kArenasOfACommand);
  // What the libraries log is for daemons; people get messages.
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_FATAL;
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  google::InitGoogleLogging(argv[0]);

  const char* no_color = std::getenv("NO_COLOR");
  rally::rallyctl::Terminal::Options options;
  options.colour_allowed = no_color == nullptr || no_color[0] == '\0';
  rally::rallyctl::Terminal terminal(options);
  return rally::rallyctl::RunCommandLine(argc, argv, &terminal, {rally::rallyctl::AddRun});
}
