#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/blob/cas_client.h"
#include "common/blob/file_digest.h"
#include "common/blob/materialise.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/fetch/counting_store.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/fetch/tree_selection.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {
namespace {

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
  for (const v1::Step& step : build.steps()) {
    if (step.id() != step_id) continue;
    if (!step.output().hash().empty()) {
      return blob::MakeDigest(step.output().hash(), step.output().size_bytes());
    }
    // A step that changed nothing left its input as it was.
    if (HasEnded(step.status()) && !step.input().hash().empty()) {
      return blob::MakeDigest(step.input().hash(), step.input().size_bytes());
    }
    return absl::FailedPreconditionError(
        absl::StrCat("step ", step_id, " is ", Word(step.status()), " and has left no files"));
  }
  return absl::NotFoundError(absl::StrCat("build ", build.id(), " has no step \"", step_id, "\""));
}

absl::StatusOr<ExitStatus> Fetch(Invocation& invocation, const Flags& flags) {
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

  const absl::Time begin = absl::Now();
  Terminal& terminal = invocation.terminal();
  blob::CasClient remote(connection.channel(), {});
  CountingStore store(&remote, [&](int64_t bytes) {
    if (invocation.progress() != ProgressMode::kTty) return;
    terminal.SetBlock({absl::StrCat("fetched ", BytesText(bytes))});
    terminal.Flush();
  });
  blob::CachingDirectoryReader reader(&store);
  auto selection = TreeSelection::Make(*root, &reader, flags.paths);
  if (!selection.ok()) return selection.status();

  if (mkdir(flags.to.c_str(), 0777) != 0 && errno != EEXIST) {
    return blob::ErrnoStatus(errno, absl::StrCat("making the folder ", flags.to));
  }
  const int to = open(flags.to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (to < 0) return blob::ErrnoStatus(errno, absl::StrCat("opening the folder ", flags.to));
  // Beside its place, so that what is incomplete is never taken for the result.
  const std::string staging = absl::StrCat(".rally-fetch-", RandomKey().substr(0, 12));
  auto clean_up = absl::MakeCleanup([to, &staging] {
    RemoveTree(to, staging.c_str()).IgnoreError();  // Nothing better can be done with its error.
    close(to);
  });
  auto stats = blob::Materialise((*selection)->root(), **selection, store, nullptr, to, staging);
  terminal.SetBlock({});
  if (!stats.ok()) return stats.status();
  const int from = openat(to, staging.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0) return blob::ErrnoStatus(errno, "opening what was fetched");
  // The tree's root may have a mode that would keep its entries from being moved.
  fchmod(from, 0700);
  status = InstallTree(from, to, flags.force);
  close(from);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat(flags.to, ": ", status.message()));
  }
  invocation.Say(absl::StrCat("fetched ", Count(stats->files, "file"), ", ",
                              BytesText(stats->fetched_bytes), " into ", flags.to, " in ",
                              DurationText(absl::Now() - begin)));
  return ExitStatus::kSuccess;
}

}  // namespace

void AddFetch(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("fetch", "Download files of a build's workspace");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("PATH", flags->paths, "Files or folders in the workspace (everything)");
  command->add_option("--to", flags->to, "The folder to put them in; made when missing")
      ->required();
  command->add_option("--step", flags->step_id, "What this step left behind (the final workspace)");
  command->add_flag("--force", flags->force, "Replace files that are there already");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Fetch(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
