#include "rallyctl/command_line.h"

#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/pipeline/spelling.h"
#include "common/version.h"
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
  app->add_option("-o,--output", flags->output,
                  "How data is printed: text, json; a few commands have more");
  app->add_option("--progress", flags->progress, "auto, tty, plain, json, quiet")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "tty", "plain", "json", "quiet"}));
}

// The first word that is no flag and no flag's value; "" when there is none.
std::string CommandWord(const CLI::App& app, int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!absl::StartsWith(word, "-")) return word;
    const CLI::Option* flag = app.get_option_no_throw(word);
    if (flag != nullptr && flag->get_items_expected_max() > 0) ++i;
  }
  return "";
}

// What is wrong with the command's name; "" when nothing is. The option parser would only say that
// a command is missing, or give the general help.
std::string UnknownCommand(const CLI::App& app, int argc, const char* const* argv) {
  const std::string word = CommandWord(app, argc, argv);
  std::vector<absl::string_view> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == word) return "";
    names.push_back(command->get_name());
  }
  if (word.empty()) return "";
  const absl::string_view nearest = pipeline::NearestWord(word, names);
  return absl::StrCat("there is no command \"", word, "\"",
                      nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?"),
                      " (rallyctl --help lists them)");
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
  app.set_version_flag("--version", absl::StrCat("rallyctl ", kVersion));
  // Global flags may stand before or behind the command.
  app.fallthrough();
  AddGlobalFlags(&app, &flags);
  for (const AddCommand& add : more_commands) add(&app, &action);
  for (const auto add :
       {AddSubmit, AddList, AddGet, AddLogs, AddWatch, AddCancel, AddFetch, AddDiff, AddBlame,
        AddAgents, AddLint, AddRender, AddGraph, AddSchema, AddVersion, AddCompletion}) {
    add(&app, &action);
  }
  if (const std::string mistake = UnknownCommand(app, argc, argv); !mistake.empty()) {
    terminal->Err(absl::StrCat("rallyctl: ", mistake, "\n"));
    terminal->Flush();
    return static_cast<int>(ExitStatus::kUsage);
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
  if (terminal->out_error() != 0) {
    terminal->Err(absl::StrCat("rallyctl: standard output can't be written: ",
                               std::strerror(terminal->out_error()), "\n"));
    terminal->Flush();
    return static_cast<int>(ExitStatus::kServer);
  }
  return static_cast<int>(result.ok() ? *result : ExitStatusOf(result.status()));
}

}  // namespace rally::rallyctl
