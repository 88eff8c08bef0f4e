#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "rallyctl/attach.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/findings/rules.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {
namespace {

constexpr absl::Duration kAnyTimeout = absl::Hours(24 * 365);

struct Flags {
  SubmissionFlags submission;
  std::vector<std::string> labels;
  bool detach = false;
};

absl::Status ParseLabels(Flags* flags) {
  for (const std::string& label : flags->labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--label \"", label, "\" must be NAME=VALUE"));
    }
    flags->submission.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return absl::OkStatus();
}

// Whether all that is wrong is that verbs aren't known here: the controller may have others.
bool IsForTheController(const PipelineFile& pipeline, const Flags& flags) {
  if (!flags.submission.pipeline.verbs.empty()) return false;
  for (const pipeline::Diagnostic& diagnostic : pipeline.parsed.diagnostics) {
    const bool error = diagnostic.severity == pipeline::Severity::kError;
    if (error && RuleId(diagnostic) != "no-image") return false;
  }
  return true;
}

absl::StatusOr<ExitStatus> Submit(Invocation& invocation, Flags flags) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  if (absl::Status status = ParseLabels(&flags); !status.ok()) return status;
  auto inputs = ReadPipelineInputs(flags.submission.pipeline);
  if (!inputs.ok()) return inputs.status();
  // What is too long is the controller's to say.
  inputs->options.limits.max_step_timeout = kAnyTimeout;
  inputs->options.limits.max_total_timeout = kAnyTimeout;
  auto pipeline = ReadSubmission(flags.submission, *std::move(inputs));
  if (!pipeline.ok()) return pipeline.status();
  Terminal& terminal = invocation.terminal();
  if (pipeline->ok() || !IsForTheController(*pipeline, flags)) {
    terminal.Err(pipeline->FormatFindings(terminal.err_is_terminal()));
    terminal.Flush();
    if (!pipeline->ok()) return ExitStatus::kUsage;
  }

  // The connection is made while the context is read.
  auto connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  SubmissionInterrupts interrupts;
  auto response = SubmitBuild(invocation, **connection, *pipeline, flags.submission, &interrupts);
  if (!response.ok()) return response.status();
  invocation.Say(absl::StrCat("build ", response->build_id(),
                              response->existed() && !flags.submission.key.empty()
                                  ? " was submitted before with this key"
                                  : " accepted"));
  if (flags.detach) {
    nlohmann::ordered_json json;
    json["build_id"] = response->build_id();
    json["existed"] = response->existed();
    terminal.Out(invocation.json() ? json.dump(2) + "\n"
                                   : absl::StrCat(response->build_id(), "\n"));
    terminal.Flush();
    if (!interrupts.interrupted()) return ExitStatus::kSuccess;
  }
  if (interrupts.interrupted()) {
    SayLeft(invocation, response->build_id());
    return ExitStatus::kCancelled;
  }
  LiveView::Options view;
  view.known_warnings = pipeline->Warnings();
  auto build = Attach(invocation, **connection, response->build_id(), std::move(view),
                      [&interrupts](BuildFollower* follower) { interrupts.SetFollower(follower); });
  if (!build.ok()) return build.status();
  if (build->has_value()) return ExitStatusOf((*build)->status());
  SayLeft(invocation, response->build_id());
  return ExitStatus::kCancelled;
}

}  // namespace

void AddSubmit(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("submit", "Hand in a pipeline with its files, and show the build");
  AddSubmissionFlags(command, &flags->submission);
  command->add_option("--key", flags->submission.key,
                      "Submitting again with the same key and content gives the same build");
  command->add_option("--label", flags->labels, "NAME=VALUE that an agent must have")
      ->allow_extra_args(false);
  command->add_flag("--detach", flags->detach,
                    "Print the build's id once it is accepted, and don't wait");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Submit(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
