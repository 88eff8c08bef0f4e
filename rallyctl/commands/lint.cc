#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/findings/findings.h"
#include "rallyctl/pipeline_file.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::vector<std::string> files;
  PipelineFlags pipeline;
  bool warnings_are_errors = false;
};

// What was found in all files, in their order.
struct Report {
  bool ok = true;
  std::vector<std::string> files;
  std::vector<Finding> findings;
  std::string text;                // the findings for people
  std::vector<std::string> valid;  // a line about each file without an error
};

// A file that can't be read keeps nobody from the others.
void ReportUnreadable(const std::string& path, const absl::Status& why, Report* report) {
  pipeline::Diagnostic diagnostic;
  diagnostic.message = std::string(why.message());
  report->findings.push_back(MakeFinding(path, diagnostic, ""));
  absl::StrAppend(&report->text, pipeline::Format(diagnostic, path, "", false), "\n");
  report->ok = false;
}

Report LintAll(const std::vector<std::string>& paths, const PipelineInputs& inputs, bool caret) {
  Report report;
  // What is wrong with the values is wrong for every pipeline, and told once.
  std::set<std::string> told;
  for (const std::string& path : paths) {
    const auto file = ReadPipelineFile(path, inputs);
    report.files.push_back(file.ok() ? file->name : path);
    if (!file.ok()) {
      ReportUnreadable(path, file.status(), &report);
      continue;
    }
    for (const pipeline::Diagnostic& diagnostic : file->parsed.diagnostics) {
      const std::string& name = file->NameOf(diagnostic);
      const absl::string_view text = file->TextOf(diagnostic);
      const std::string line = pipeline::Format(diagnostic, name, text, caret);
      if (!diagnostic.file.empty() && !told.insert(line).second) continue;
      absl::StrAppend(&report.text, line, "\n");
      report.findings.push_back(MakeFinding(name, diagnostic, text));
    }
    if (file->ok()) {
      report.valid.push_back(absl::StrCat(
          file->name, " is valid: ", Count(file->parsed.pipeline->steps.size(), "step")));
    }
    report.ok = report.ok && file->ok();
  }
  return report;
}

absl::StatusOr<ExitStatus> Lint(Invocation& invocation, Flags flags) {
  const std::string& output = invocation.flags().output;
  const bool sarif = output == "sarif";
  if (!sarif && !invocation.CheckTextOrJson().ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("-o ", output, ": findings are printed as text, json or sarif"));
  }
  if (flags.files.empty()) flags.files.push_back("rally.toml");
  if (std::count(flags.files.begin(), flags.files.end(), "-") > 1) {
    return absl::InvalidArgumentError("\"-\" is given twice; standard input can be read once");
  }
  auto inputs = ReadPipelineInputs(flags.pipeline);
  if (!inputs.ok()) return inputs.status();
  Terminal& terminal = invocation.terminal();
  const Report report = LintAll(flags.files, *inputs, terminal.out_is_terminal());
  const bool good = report.ok && (report.findings.empty() || !flags.warnings_are_errors);
  if (sarif) {
    terminal.Out(FindingsSarif(report.findings));
  } else if (invocation.json()) {
    terminal.Out(FindingsJson(good, report.files, report.findings));
  } else {
    // The findings are what was asked for.
    terminal.Out(report.text);
    for (const std::string& line : report.valid) invocation.Say(line);
    if (report.ok && !good) {
      invocation.Say(
          absl::StrCat(Count(report.findings.size(), "warning"), ", refused by --werror"));
    }
  }
  return good ? ExitStatus::kSuccess : ExitStatus::kUsage;
}

}  // namespace

void AddLint(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("lint", "Check pipelines, without a server (-o text|json|sarif)");
  command->add_option("-f,--file,FILE", flags->files,
                      "The pipelines (rally.toml here; - reads stdin)");
  AddPipelineFlags(command, &flags->pipeline);
  command->add_flag("--werror", flags->warnings_are_errors, "Fail on warnings too");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Lint(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
