#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/fetch/download.h"
#include "rallyctl/fetch/target_folder.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/trees/build_trees.h"

namespace rally::rallyctl {
namespace {

constexpr char kStandardOutput[] = "-";

struct Flags {
  std::string build_id;
  std::string step_id;
  std::vector<std::string> paths;
  std::string to;
  bool force = false;
};

absl::StatusOr<blob::Digest> TreeOf(const v1::Build& build, const std::string& step_id) {
  if (step_id.empty()) {
    if (!build.workspace().hash().empty()) {
      return blob::MakeDigest(build.workspace().hash(), build.workspace().size_bytes());
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "build ", build.id(), " is ", Word(build.status()), " and has no final workspace",
        HasEnded(build.status()) ? "" : " yet", "; --step S gives what a step left behind"));
  }
  const v1::Step* const step = FindStep(build, step_id);
  if (step == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("build ", build.id(), " has no step \"", step_id, "\""));
  }
  auto trees = TreesOf(*step);
  if (!trees.ok()) return trees.status();
  return trees->output;
}

absl::StatusOr<ExitStatus> Fetch(Invocation& invocation, const Flags& flags) {
  if (flags.to == kStandardOutput && flags.paths.size() != 1) {
    return absl::InvalidArgumentError("--to - writes one file: name it, and no other");
  }
  if (flags.to != kStandardOutput) {
    if (absl::Status status = CheckTarget(flags.to); !status.ok()) return status;
  }
  auto opened = invocation.ConnectAndWait();
  if (!opened.ok()) return opened.status();
  Connection& connection = **opened;
  v1::GetBuildRequest request;
  request.set_build_id(flags.build_id);
  v1::Build build;
  absl::Status status = connection.Call([&](grpc::ClientContext* context) {
    return connection.builds()->GetBuild(context, request, &build);
  });
  if (!status.ok()) return status;
  auto root = TreeOf(build, flags.step_id);
  if (!root.ok()) return root.status();

  if (flags.to == kStandardOutput) {
    status = FetchToOutput(invocation, connection, *root, flags.paths.front());
    if (!status.ok()) return status;
    return ExitStatus::kSuccess;
  }
  Download download;
  download.ends_on_interrupt = true;
  download.tree = *std::move(root);
  download.paths = flags.paths;
  download.to = flags.to;
  download.replace = flags.force;
  status = FetchInto(invocation, connection, download);
  if (!status.ok()) return status;
  return ExitStatus::kSuccess;
}

}  // namespace

void AddFetch(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("fetch", "Download files of a build's workspace");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("PATH", flags->paths, "Files or folders in the workspace (everything)");
  command
      ->add_option("--to", flags->to,
                   "The folder to put them in, made when missing; - prints one file")
      ->required();
  command->add_option("--step", flags->step_id, "What this step left behind (the final workspace)");
  command->add_flag("--force", flags->force, "Replace files that are there already");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Fetch(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
