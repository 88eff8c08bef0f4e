#include "rallyctl/run/run.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/options.h"
#include "agent/runtime/purge_namespace.h"
#include "common/blob/digest.h"
#include "common/flags/flags.h"
#include "glog/logging.h"
#include "rallyctl/attach.h"
#include "rallyctl/fetch/download.h"
#include "rallyctl/fetch/target_folder.h"
#include "rallyctl/interrupts.h"
#include "rallyctl/run/local_fleet.h"
#include "rallyctl/run/private_folder.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {
namespace {

constexpr std::chrono::seconds kCancelDeadline{10};
constexpr char kOwnNamespace[] = "rally-run";

struct Flags {
  SubmissionFlags submission;
  agent::Options agent;
  std::string network = "none";
  std::string to;
  bool keep = false;
};

// What Ctrl-C does: the first cancels the build, the second ends everything at once, and the steps
// are killed with it.
// Threads: thread-safe; OnInterrupt blocks for at most the cancel call's deadline.
class StopOnInterrupt {
 public:
  void SetBuild(Connection* connection, const std::string& build_id) {
    absl::MutexLock lock(&mutex_);
    connection_ = connection;
    build_id_ = build_id;
  }
  void SetFollower(BuildFollower* follower) {
    absl::MutexLock lock(&mutex_);
    follower_ = follower;
  }
  bool interrupted() const {
    absl::MutexLock lock(&mutex_);
    return count_ > 0;
  }

  void OnInterrupt(int count) {
    Connection* connection = nullptr;
    std::string build_id;
    {
      absl::MutexLock lock(&mutex_);
      count_ = count;
      if (count > 1) {
        if (follower_ != nullptr) follower_->Interrupt();
        return;
      }
      connection = connection_;
      build_id = build_id_;
    }
    if (connection != nullptr) Cancel(*connection, build_id);
  }

  static void Cancel(Connection& connection, const std::string& build_id) {
    v1::CancelBuildRequest request;
    request.set_build_id(build_id);
    request.set_reason("Ctrl-C");
    v1::Build build;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCancelDeadline);
    // When it fails there is still the second Ctrl-C.
    const grpc::Status status = connection.builds()->CancelBuild(&context, request, &build);
    if (!status.ok()) LOG(WARNING) << "cancelling: " << status.error_message();
  }

 private:
  mutable absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  Connection* connection_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::string build_id_ ABSL_GUARDED_BY(mutex_);
  BuildFollower* follower_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// Daemons in this process log into the folder, for --keep; people get messages.
void LogInto(const std::string& folder) {
  const std::string logs = absl::StrCat(folder, "/log");
  if (mkdir(logs.c_str(), 0700) != 0) return;
  FLAGS_log_dir = logs;
  FLAGS_logtostderr = false;
  FLAGS_stderrthreshold = google::GLOG_FATAL;
  FLAGS_minloglevel = google::GLOG_INFO;
}

absl::StatusOr<ExitStatus> RunOn(const LocalFleet& fleet, const Invocation& outer,
                                 StopOnInterrupt* stop, const PipelineFile& pipeline,
                                 const Flags& flags) {
  GlobalFlags global = outer.flags();
  global.server = ServerSettings();
  global.server.address = fleet.address();
  Invocation invocation(&global, &outer.terminal());
  auto connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  auto response = SubmitBuild(invocation, **connection, pipeline, flags.submission,
                              /*interrupts=*/nullptr);
  if (!response.ok()) return response.status();
  stop->SetBuild(*connection, response->build_id());
  if (stop->interrupted()) StopOnInterrupt::Cancel(**connection, response->build_id());
  LiveView::Options view;
  view.outlives_us = false;
  view.known_warnings = pipeline.Warnings();
  view.cancelling_hint = "Ctrl-C once more kills what still runs";
  auto build = Attach(invocation, **connection, response->build_id(), view,
                      [stop](BuildFollower* follower) { stop->SetFollower(follower); });
  stop->SetBuild(nullptr, "");
  if (!build.ok()) return build.status();
  if (build->has_value() && !flags.to.empty() && !(*build)->workspace().hash().empty()) {
    auto tree = blob::MakeDigest((*build)->workspace().hash(), (*build)->workspace().size_bytes());
    if (!tree.ok()) return tree.status();
    Download download;
    download.tree = *std::move(tree);
    download.to = flags.to;
    download.replace = true;
    absl::Status status = FetchInto(invocation, **connection, download);
    if (!status.ok()) return status;
  }
  return build->has_value() ? ExitStatusOf((*build)->status()) : ExitStatus::kCancelled;
}

// Whether the namespace is this program's to remove. One that somebody else made may hold images
// that he wants to keep.
bool IsOurNamespace(const agent::Options& options) {
  if (options.containerd_namespace == kOwnNamespace) return true;
  const auto exists = runtime::NamespaceExists(options.containerd, options.containerd_namespace);
  return exists.ok() && !*exists;
}

absl::StatusOr<ExitStatus> Run(Invocation& invocation, Flags flags) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  flags.agent.network =
      flags.network == "host" ? runtime::StepNetwork::kHost : runtime::StepNetwork::kNone;
  auto inputs = ReadPipelineInputs(flags.submission.pipeline);
  if (!inputs.ok()) return inputs.status();
  auto pipeline = ReadSubmission(flags.submission, *inputs);
  if (!pipeline.ok()) return pipeline.status();
  Terminal& terminal = invocation.terminal();
  terminal.Err(pipeline->FormatFindings(terminal.err_is_terminal()));
  terminal.Flush();
  if (!pipeline->ok()) return ExitStatus::kUsage;
  if (geteuid() != 0) {
    return absl::FailedPreconditionError(
        "`rallyctl run` starts containers itself and needs root for that: sudo rallyctl run, or "
        "submit to a controller");
  }
  // A build whose result can't be put anywhere would be for nothing.
  if (!flags.to.empty()) {
    if (absl::Status status = CheckTarget(flags.to); !status.ok()) return status;
  }

  auto folder = PrivateFolder::Make();
  if (!folder.ok()) return folder.status();
  if (flags.keep) (*folder)->Keep();
  LogInto((*folder)->path());
  StopOnInterrupt stop;
  // From here on nothing may end this process before what it started has ended.
  Interrupts interrupts([&stop](int count) { stop.OnInterrupt(count); });
  absl::StatusOr<ExitStatus> result = ExitStatus::kServer;
  {
    const bool ours = !flags.keep && IsOurNamespace(flags.agent);
    auto fleet = LocalFleet::Start((*folder)->path(), flags.agent, inputs->options);
    if (!fleet.ok()) return fleet.status();
    result = RunOn(**fleet, invocation, &stop, *pipeline, flags);
    if (absl::Status status = (*fleet)->Stop(ours); !status.ok()) {
      invocation.Say(absl::StrCat("not everything was removed: ", status.message()));
    }
  }
  if (flags.keep) invocation.Say(absl::StrCat("kept ", (*folder)->path()));
  return result;
}

}  // namespace

void AddRun(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  flags->agent.containerd_namespace = kOwnNamespace;
  CLI::App* command = app->add_subcommand(
      "run", "Build here, without a server, on this machine's containerd (needs root)");
  AddSubmissionFlags(command, &flags->submission);
  command->add_option("--to", flags->to,
                      "Put the final workspace into this folder, over what is there");
  command->add_flag("--keep", flags->keep,
                    "Keep the data, logs and images, and say where they are");
  command->add_option("--containerd", flags->agent.containerd, "containerd's socket")
      ->capture_default_str();
  command
      ->add_option("--namespace", flags->agent.containerd_namespace,
                   "containerd's namespace; removed at the end when it is new")
      ->capture_default_str();
  command->add_option("--slots", flags->agent.slots, "Steps at a time (one a core)")
      ->check(CLI::Range(1, 256));
  command->add_option("--network", flags->network, "What steps can reach: none or host")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "host"}));
  flags::AddSize(command, "--step-memory", &flags->agent.step_memory_bytes, "Memory of one step");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Run(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
