#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {
namespace {

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::string BashScript(const CLI::App& app) {
  std::vector<std::string> names;
  std::string cases;
  const std::string global_flags = absl::StrJoin(FlagsOf(app), " ");
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
    std::vector<std::string> words = FlagsOf(*command);
    for (const CLI::App* nested : command->get_subcommands({})) words.push_back(nested->get_name());
    absl::StrAppend(&cases, "    ", command->get_name(), ") words='", absl::StrJoin(words, " "),
                    "' ;;\n");
  }
  return absl::StrCat(
      "# bash completion for rallyctl:  source <(rallyctl completion)\n"
      "_rallyctl() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} command= words= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
      "  done\n"
      "  case $command in\n",
      cases, "    '') words='", absl::StrJoin(names, " "),
      "' ;;\n"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words ",
      global_flags,
      "\" -- \"$current\"))\n"
      "}\n"
      "complete -o default -F _rallyctl rallyctl\n");
}

}  // namespace

void AddCompletion(CLI::App* app, Action* chosen) {
  CLI::App* command =
      app->add_subcommand("completion", "A script for bash: source <(rallyctl completion)");
  command->callback([=] {
    *chosen = [=](Invocation& invocation) -> absl::StatusOr<ExitStatus> {
      invocation.terminal().Out(BashScript(*app));
      return ExitStatus::kSuccess;
    };
  });
}

}  // namespace rally::rallyctl
