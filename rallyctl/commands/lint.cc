#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/pipeline_file.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

std::string FindingsJson(const PipelineFile& file) {
  using Json = nlohmann::ordered_json;
  Json errors = Json::array();
  Json warnings = Json::array();
  for (const pipeline::Diagnostic& diagnostic : file.parsed.diagnostics) {
    Json finding;
    finding["line"] = diagnostic.line;
    finding["column"] = diagnostic.column;
    finding["message"] = diagnostic.message;
    (diagnostic.severity == pipeline::Severity::kError ? errors : warnings).push_back(finding);
  }
  Json json;
  json["ok"] = file.ok();
  json["file"] = file.name;
  json["errors"] = std::move(errors);
  json["warnings"] = std::move(warnings);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<ExitStatus> Lint(Invocation& invocation, const std::string& path,
                                bool warnings_are_errors) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto file = ReadPipelineFile(path);
  if (!file.ok()) return file.status();
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    terminal.Out(FindingsJson(*file));
  } else {
    // The findings are what was asked for.
    terminal.Out(file->FormatFindings(terminal.out_is_terminal()));
    if (file->ok()) {
      invocation.Say(absl::StrCat(
          file->name, " is valid: ", Count(file->parsed.pipeline->steps.size(), "step")));
    }
  }
  const bool bad = !file->ok() || (warnings_are_errors && !file->parsed.diagnostics.empty());
  return bad ? ExitStatus::kUsage : ExitStatus::kSuccess;
}

}  // namespace

void AddLint(CLI::App* app, Action* chosen) {
  struct Flags {
    std::string file = "rally.toml";
    bool warnings_are_errors = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("lint", "Check a pipeline, without a server");
  command->add_option("-f,--file,FILE", flags->file, "The pipeline")->capture_default_str();
  command->add_flag("--werror", flags->warnings_are_errors, "Fail on warnings too");
  command->callback([=] {
    *chosen = [=](Invocation& invocation) {
      return Lint(invocation, flags->file, flags->warnings_are_errors);
    };
  });
}

}  // namespace rally::rallyctl
