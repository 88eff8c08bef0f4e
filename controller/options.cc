#include "controller/options.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/blob_endpoint.h"
#include "common/flags/flags.h"
#include "common/read_file.h"
#include "common/version.h"
#include "controller/config_file.h"

namespace rally::controller {
namespace {

absl::Status LoadVerbs(const std::string& text, const std::string& file,
                       pipeline::VerbTable* verbs) {
  auto table = pipeline::VerbTable::FromToml(text);
  if (!table.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", table.status().message()));
  }
  *verbs = *std::move(table);
  return absl::OkStatus();
}

// From the one of the two places that has them.
absl::Status SetVerbs(const std::string& verbs_file, const std::string& configured,
                      const std::string& config_file, pipeline::VerbTable* verbs) {
  const bool are_configured = !absl::StripAsciiWhitespace(configured).empty();
  if (verbs_file.empty()) {
    return are_configured ? LoadVerbs(configured, config_file, verbs) : absl::OkStatus();
  }
  if (are_configured) {
    return absl::InvalidArgumentError(absl::StrCat("verbs are in ", config_file, " and in ",
                                                   verbs_file, ": give them in one of the two"));
  }
  const absl::StatusOr<std::string> text = ReadFile(verbs_file);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--verbs: ", text.status().message()));
  }
  return LoadVerbs(*text, verbs_file, verbs);
}

// As a host's name goes on after the vault's.
bool IsHostSuffix(absl::string_view suffix) {
  if (suffix.empty() || !absl::ascii_isalnum(suffix.front()) ||
      !absl::ascii_isalnum(suffix.back()) || absl::StrContains(suffix, "..")) {
    return false;
  }
  return absl::c_all_of(suffix,
                        [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-'; });
}

// Whoever sets one of these believes that it does something.
absl::Status CheckNoDiskFlags(const CLI::App& app) {
  for (const char* flag : {"--blob-bytes", "--blob-files", "--blob-keep-free", "--blob-grace"}) {
    if (app.get_option(flag)->count() > 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag,
                       " is about blobs on the disk, and with --blob-endpoint there are none; "
                       "leave it out, and set limits on the store"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int* exit_code) {
  Options options;
  bool check_config = false;
  CLI::App app(
      "The controller of Rally: takes builds, places their steps on agents, keeps the "
      "workspaces and the logs.",
      "rally-controller");
  app.set_version_flag("--version", std::string("rally-controller ") + kVersion);
  flags::AddConfigFile(&app);
  std::string verbs_file;
  std::string configured_verbs;
  app.config_formatter(std::make_shared<ConfigFileReader>(&configured_verbs));
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
  flags::AddDuration(&app, "--max-step-timeout", &options.pipelines.limits.max_step_timeout,
                     "The longest timeout that a step may have");
  flags::AddDuration(&app, "--max-total-timeout", &options.pipelines.limits.max_total_timeout,
                     "The longest totalTimeout that a build may have");
  flags::AddDuration(&app, "--exclusive-lease", &options.exclusive_lease,
                     "An agent that hears nothing for this long ends steps with rerun = "
                     "\"exclusive\"; they run again elsewhere a little later");
  flags::AddDuration(&app, "--unknown-after", &options.unknown_after,
                     "Await the result of a lost step with rerun = \"never\" for this long");
  app.add_option("--blob-endpoint", options.blob_endpoint,
                 "Keep blobs in another store of the Remote Execution API instead of on the disk: "
                 "grpc[s]://HOST:PORT[/INSTANCE] or unix:PATH");
  flags::AddSize(&app, "--blob-bytes", &options.blob_bytes,
                 "What the blobs may take on the disk, such as 200GB; 0: what the disk has");
  app.add_option("--blob-files", options.blob_files,
                 "How many blobs there may be; 0: as many as the disk has inodes for")
      ->capture_default_str();
  app.add_option("--blob-keep-free", options.blob_keep_free_percent,
                 "Percent of the disk and its inodes that blobs leave to others")
      ->capture_default_str();
  flags::AddDuration(&app, "--blob-grace", &options.blob_grace,
                     "A blob stays for this long after it was uploaded or asked for");
  flags::AddDuration(&app, "--keep-workspaces", &options.keep_workspaces,
                     "The workspaces of a build stay for this long after its end, and then while "
                     "there is room");
  app.add_option("--verbs", verbs_file,
                 "TOML file with [images] and [verbs.NAME] over the built-in verbs; the file of "
                 "--config may hold them itself");
  app.add_option("--vault-suffix", options.pipelines.vault_suffix,
                 "What follows the name of a key vault that is written without its host")
      ->capture_default_str();
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
  absl::Status status = SetVerbs(verbs_file, configured_verbs, app["--config"]->as<std::string>(),
                                 &options.pipelines.verbs);
  if (status.ok() && !options.blob_endpoint.empty()) status = CheckNoDiskFlags(app);
  if (status.ok()) status = Validate(options);
  if (!status.ok()) {
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
  if (!options.blob_endpoint.empty()) {
    const absl::Status valid = blob::ParseBlobEndpoint(options.blob_endpoint).status();
    if (!valid.ok()) return valid;
  }
  const std::map<std::string, absl::Duration> positive = {
      {"--suspect-after", options.suspect_after},
      {"--lost-after", options.lost_after},
      {"--heartbeat", options.heartbeat},
      {"--grace", options.grace},
      {"--exclusive-lease", options.exclusive_lease},
      {"--unknown-after", options.unknown_after},
      {"--max-step-timeout", options.pipelines.limits.max_step_timeout},
      {"--max-total-timeout", options.pipelines.limits.max_total_timeout},
  };
  for (const auto& [name, value] : positive) {
    if (value <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " must be greater than zero"));
    }
  }
  if (options.blob_bytes < 0 || options.blob_files < 0) {
    return absl::InvalidArgumentError("--blob-bytes and --blob-files must not be negative");
  }
  if (options.blob_keep_free_percent < 0 || options.blob_keep_free_percent > 90) {
    return absl::InvalidArgumentError("--blob-keep-free must be a percentage from 0 to 90");
  }
  if (options.blob_grace < absl::Minutes(1)) {
    return absl::InvalidArgumentError(
        "--blob-grace must be at least 1m: whoever was told that a blob is there must have the "
        "time to refer to it");
  }
  if (options.keep_workspaces < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--keep-workspaces must not be negative");
  }
  if (options.exclusive_lease < 2 * options.heartbeat) {
    return absl::InvalidArgumentError(
        "--exclusive-lease must be at least twice as long as --heartbeat, which renews it");
  }
  if (!IsHostSuffix(options.pipelines.vault_suffix)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--vault-suffix \"", options.pipelines.vault_suffix,
                     "\" must be the end of a host's name, such as vault.azure.net"));
  }
  if (options.heartbeat >= options.suspect_after || options.suspect_after > options.lost_after) {
    return absl::InvalidArgumentError(
        "--heartbeat must be shorter than --suspect-after, and that not longer than --lost-after");
  }
  return absl::OkStatus();
}

}  // namespace rally::controller
