#include "rallyctl/command_line.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

void AddGlobalFlags(CLI::App* app, GlobalFlags* flags) {
  app->add_option("--server", flags->server.address, "The controller: host:port or unix:PATH")
      ->envname("RALLY_SERVER")
      ->capture_default_str();
  app->add_option("--tls-ca", flags->server.tls.ca, "Who signed the controller's certificate");
  app->add_option("--tls-cert", flags->server.tls.certificate, "Your certificate");
  app->add_option("--tls-key", flags->server.tls.key, "Its key");
  app->add_option_function<std::string>(
      "--patience",
      [flags](const std::string& text) {
        if (!absl::ParseDuration(text, &flags->server.patience)) {
          throw CLI::ValidationError("--patience", "\"" + text + "\" is no duration, as 10s");
        }
      },
      "How long a controller that doesn't answer is tried (10s)");
  app->add_option("-o,--output", flags->output, "How data is printed: text, json");
  app->add_option("--progress", flags->progress, "auto, tty, plain, json, quiet")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "tty", "plain", "json", "quiet"}));
}

// What the option parser has to say about wrong arguments, or the help that was asked for.
int ReportParse(const CLI::App& app, const CLI::ParseError& error, Terminal* terminal) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    // Help goes to standard output: it was asked for.
    app.exit(error);
    return 0;
  }
  terminal->Err(absl::StrCat("rallyctl: ", error.what(), "\nRun `rallyctl --help` for more.\n"));
  terminal->Flush();
  return static_cast<int>(ExitStatus::kUsage);
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, Terminal* terminal,
                   const std::vector<AddCommand>& more_commands) {
  GlobalFlags flags;
  Action action;
  CLI::App app{"Runs container build pipelines over a fleet of build hosts."};
  app.require_subcommand(1);
  // Global flags may stand before or behind the command.
  app.fallthrough();
  AddGlobalFlags(&app, &flags);
  for (const AddCommand& add : more_commands) add(&app, &action);
  for (const auto add : {AddSubmit, AddList, AddGet, AddLogs, AddWatch, AddCancel, AddFetch,
                         AddAgents, AddGraph, AddLint, AddVersion, AddCompletion}) {
    add(&app, &action);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParse(app, error, terminal);
  }

  Invocation invocation(&flags, terminal);
  const absl::StatusOr<ExitStatus> result = action(invocation);
  if (!result.ok()) {
    terminal->SetBlock({});
    terminal->Err(absl::StrCat(Paint("rallyctl:", Colour::kRed, terminal->err_colour()), " ",
                               result.status().message(), "\n"));
  }
  terminal->Flush();
  return static_cast<int>(result.ok() ? *result : ExitStatusOf(result.status()));
}

}  // namespace rally::rallyctl
