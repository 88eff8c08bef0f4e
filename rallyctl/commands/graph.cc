#include <memory>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/pipeline/graph_text.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/pipeline_file.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<pipeline::GraphFormat> FormatOf(const std::string& output) {
  if (output.empty() || output == "text") return pipeline::GraphFormat::kText;
  if (output == "dot") return pipeline::GraphFormat::kDot;
  if (output == "json") return pipeline::GraphFormat::kJson;
  return absl::InvalidArgumentError(
      absl::StrCat("-o ", output, ": a graph is printed as text, dot or json"));
}

struct Flags {
  std::string file = "rally.toml";
  PipelineFlags pipeline;
  bool digest = false;
};

absl::StatusOr<ExitStatus> Graph(Invocation& invocation, const Flags& flags) {
  auto format = FormatOf(invocation.flags().output);
  if (!format.ok()) return format.status();
  auto inputs = ReadPipelineInputs(flags.pipeline);
  if (!inputs.ok()) return inputs.status();
  auto file = ReadPipelineFile(flags.file, *inputs);
  if (!file.ok()) return file.status();
  Terminal& terminal = invocation.terminal();
  if (!file->ok()) {
    terminal.Err(file->FormatFindings(terminal.err_is_terminal()));
    return ExitStatus::kUsage;
  }
  const pipeline::Pipeline& pipeline = *file->parsed.pipeline;
  terminal.Out(flags.digest
                   ? absl::StrCat(blob::DigestOf(pipeline::GraphDigestInput(pipeline)).hash, "\n")
                   : pipeline::RenderGraph(pipeline, *format));
  return ExitStatus::kSuccess;
}

}  // namespace

void AddGraph(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand(
      "graph", "The steps in order, what each waits for and what it sees (-o text|dot|json)");
  command->add_option("-f,--file,FILE", flags->file, "The pipeline")->capture_default_str();
  AddPipelineFlags(command, &flags->pipeline);
  command->add_flag("--digest", flags->digest, "Print the SHA-256 of the graph's edges instead");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Graph(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
