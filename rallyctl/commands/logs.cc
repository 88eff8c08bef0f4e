#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/follow/build_follower.h"
#include "rallyctl/follow/line_assembler.h"
#include "rallyctl/follow/log_reader.h"
#include "rallyctl/interrupts.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::string build_id;
  std::string step_id;
  bool follow = false;
  int attempt = 0;
};

// Records of several steps, as lines behind the step's id or as JSON.
class RecordPrinter final : public FollowListener {
 public:
  explicit RecordPrinter(const Invocation* invocation)
      : invocation_(invocation), terminal_(&invocation->terminal()) {}

  void SetBuild(const v1::Build& build) {
    build_ = build;
    width_ = 0;
    for (const v1::Step& step : build.steps()) width_ = std::max(width_, DisplayWidth(step.id()));
    width_ = std::min(width_, 24);
  }

  void OnBuild(const v1::Build& build, absl::Time) override { SetBuild(build); }
  void OnLog(int step, int attempt, const v1::LogRecord& record) override {
    if (invocation_->json()) {
      terminal_->Out(LogRecordJson(build_.steps(step).id(), attempt, record));
      return;
    }
    for (const LogLine& line : assemblers_[step].Add(record)) Print(step, line);
  }
  void OnStepComplete(int step) override {
    for (const LogLine& line : assemblers_[step].Finish()) Print(step, line);
    assemblers_.erase(step);
  }
  void OnConnectionLost(const absl::Status& why) override {
    invocation_->Say(
        absl::StrCat("no connection to the controller (", why.message(), "), trying again"));
  }
  void OnConnectionRestored() override { invocation_->Say("connected again"); }
  void Flush(absl::Time) override { terminal_->Flush(); }
  absl::Time NextFlush(absl::Time) override { return absl::InfiniteFuture(); }

 private:
  void Print(int step, const LogLine& line) {
    const std::string& id = build_.steps(step).id();
    terminal_->Out(
        absl::StrCat(Paint(id, StepColour(step), terminal_->out_colour()),
                     std::string(std::max(0, width_ - DisplayWidth(id)), ' '), " | ",
                     terminal_->out_is_terminal() ? SafeForTerminal(line.text) : line.text, "\n"));
  }

  const Invocation* const invocation_;
  Terminal* const terminal_;
  v1::Build build_;
  int width_ = 0;
  std::map<int, LineAssembler> assemblers_;
};

// The log of one step, byte for byte.
absl::Status OneStep(Invocation& invocation, Connection& connection, const Flags& flags) {
  Terminal& terminal = invocation.terminal();
  v1::ReadLogRequest request;
  request.set_build_id(flags.build_id);
  request.set_step_id(flags.step_id);
  request.set_attempt(flags.attempt);
  request.set_follow(flags.follow);
  return ReadLog(
      connection, request, [&](const std::string& line) { invocation.Say(line); },
      [&](int attempt, const v1::LogRecord& record) {
        terminal.Out(invocation.json() ? LogRecordJson(flags.step_id, attempt, record)
                                       : record.data());
        terminal.Flush();
      });
}

// The logs of all steps so far, one after the other.
absl::Status AllSteps(Invocation& invocation, Connection& connection, const Flags& flags) {
  v1::GetBuildRequest get;
  get.set_build_id(flags.build_id);
  v1::Build build;
  absl::Status status = connection.Call([&](grpc::ClientContext* context) {
    return connection.builds()->GetBuild(context, get, &build);
  });
  if (!status.ok()) return status;
  RecordPrinter printer(&invocation);
  printer.SetBuild(build);
  for (int i = 0; i < build.steps_size(); ++i) {
    if (build.steps(i).attempt() == 0) continue;
    v1::ReadLogRequest request;
    request.set_build_id(flags.build_id);
    request.set_step_id(build.steps(i).id());
    status = ReadLog(
        connection, request, [&](const std::string& line) { invocation.Say(line); },
        [&](int attempt, const v1::LogRecord& record) {
          printer.OnLog(i, attempt, record);
          printer.Flush(absl::Now());
        });
    if (!status.ok()) return status;
    printer.OnStepComplete(i);
    printer.Flush(absl::Now());
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitStatus> FollowAll(Invocation& invocation, Connection& connection,
                                     const Flags& flags) {
  RecordPrinter printer(&invocation);
  FollowOptions options;
  options.build_id = flags.build_id;
  BuildFollower follower(connection.builds(), options, &printer);
  Interrupts interrupts([&follower](int) { follower.Interrupt(); });
  const auto build = follower.Run();
  if (build.ok()) return ExitStatus::kSuccess;
  if (build.status().code() == absl::StatusCode::kCancelled) return ExitStatus::kCancelled;
  return build.status();
}

absl::StatusOr<ExitStatus> Logs(Invocation& invocation, const Flags& flags) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  if (flags.step_id.empty() && flags.attempt != 0) {
    return absl::InvalidArgumentError("--attempt needs a STEP");
  }
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  if (flags.step_id.empty() && flags.follow) return FollowAll(invocation, **connection, flags);
  absl::Status status = flags.step_id.empty() ? AllSteps(invocation, **connection, flags)
                                              : OneStep(invocation, **connection, flags);
  if (!status.ok()) return status;
  return ExitStatus::kSuccess;
}

}  // namespace

void AddLogs(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("logs", "What a build's steps have written");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("STEP", flags->step_id, "One step, byte for byte (all, behind their ids)");
  command->add_flag("-f,--follow", flags->follow, "Go on until the log is complete");
  command->add_option("--attempt", flags->attempt, "An earlier attempt of STEP (the current one)")
      ->check(CLI::PositiveNumber);
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Logs(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
