#include "controller/options.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/flags/flags.h"
#include "common/version.h"

namespace rally::controller {

std::optional<Options> ParseOptions(int argc, char** argv, int* exit_code) {
  Options options;
  bool check_config = false;
  CLI::App app(
      "The controller of Rally: takes builds, places their steps on agents, keeps the "
      "workspaces and the logs.",
      "rally-controller");
  app.set_version_flag("--version", std::string("rally-controller ") + kVersion);
  flags::AddConfigFile(&app);
  app.add_flag("--check-config", check_config, "Check flags and file, then exit");
  app.add_option("--data", options.data, "Folder for journal, blobs and logs")
      ->capture_default_str();
  app.add_option("--listen", options.listen,
                 "Address to serve gRPC on: HOST:PORT (port 0: a free one) or unix:PATH")
      ->capture_default_str();
  app.add_flag("--insecure", options.security.insecure,
               "Serve without TLS; only on loopback or a unix socket");
  app.add_option("--tls-cert", options.security.tls.certificate,
                 "PEM file: this controller's certificate");
  app.add_option("--tls-key", options.security.tls.key, "PEM file: its private key");
  app.add_option("--tls-ca", options.security.tls.ca,
                 "PEM file: who must have signed the clients' certificates");
  flags::AddDuration(&app, "--suspect-after", &options.suspect_after,
                     "Give an agent no new work after this long without a heartbeat");
  flags::AddDuration(&app, "--lost-after", &options.lost_after,
                     "Give an agent's steps to others after this long without a heartbeat");
  flags::AddDuration(&app, "--heartbeat", &options.heartbeat, "How often agents send a heartbeat");
  flags::AddDuration(&app, "--grace", &options.grace, "Time between SIGTERM and SIGKILL of a step");
  flags::AddDuration(&app, "--max-step-timeout", &options.limits.max_step_timeout,
                     "The longest timeout that a step may have");
  flags::AddDuration(&app, "--max-total-timeout", &options.limits.max_total_timeout,
                     "The longest totalTimeout that a build may have");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      *exit_code = app.exit(error);  // prints what was asked for
      return std::nullopt;
    }
    std::cerr << "rally-controller: " << flags::DescribeMistake(app, error) << "\n";
    *exit_code = 2;
    return std::nullopt;
  }
  if (absl::Status status = Validate(options); !status.ok()) {
    std::cerr << "rally-controller: " << status.message() << "\n";
    *exit_code = 2;
    return std::nullopt;
  }
  if (check_config) {
    std::cout << "the configuration is fine\n";
    *exit_code = 0;
    return std::nullopt;
  }
  return options;
}

absl::Status Validate(const Options& options) {
  if (options.data.empty()) return absl::InvalidArgumentError("--data must name a folder");
  if (absl::Status status = rpc::CheckSecurity(options.security, options.listen); !status.ok()) {
    return status;
  }
  const std::map<std::string, absl::Duration> positive = {
      {"--suspect-after", options.suspect_after},
      {"--lost-after", options.lost_after},
      {"--heartbeat", options.heartbeat},
      {"--grace", options.grace},
      {"--max-step-timeout", options.limits.max_step_timeout},
      {"--max-total-timeout", options.limits.max_total_timeout},
  };
  for (const auto& [name, value] : positive) {
    if (value <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " must be greater than zero"));
    }
  }
  if (options.heartbeat >= options.suspect_after || options.suspect_after > options.lost_after) {
    return absl::InvalidArgumentError(
        "--heartbeat must be shorter than --suspect-after, and that not longer than --lost-after");
  }
  return absl::OkStatus();
}

}  // namespace rally::controller
