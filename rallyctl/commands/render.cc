#include <memory>

#include "absl/strings/str_cat.h"
#include "common/pipeline/pipeline_json.h"
#include "common/pipeline/pipeline_toml.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/pipeline_file.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::string file = "rally.toml";
  PipelineFlags pipeline;
};

absl::StatusOr<ExitStatus> Render(Invocation& invocation, const Flags& flags) {
  const std::string& output = invocation.flags().output;
  if (!output.empty() && output != "toml" && output != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("-o ", output, ": a pipeline is printed as toml or json"));
  }
  auto inputs = ReadPipelineInputs(flags.pipeline);
  if (!inputs.ok()) return inputs.status();
  auto file = ReadPipelineFile(flags.file, *inputs);
  if (!file.ok()) return file.status();
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    // The findings are in it.
    terminal.Out(pipeline::PipelineJson(file->parsed));
  } else {
    terminal.Err(file->FormatFindings(terminal.err_is_terminal()));
    if (file->ok()) terminal.Out(pipeline::PipelineToml(*file->parsed.pipeline));
  }
  return file->ok() ? ExitStatus::kSuccess : ExitStatus::kUsage;
}

}  // namespace

void AddRender(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand(
      "render", "The pipeline with its templates filled in, as it would run (-o toml|json)");
  command->add_option("-f,--file,FILE", flags->file, "The pipeline")->capture_default_str();
  AddPipelineFlags(command, &flags->pipeline);
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Render(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
