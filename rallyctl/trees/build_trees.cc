#include "rallyctl/trees/build_trees.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/dag.h"
#include "rallyctl/render/status_words.h"

namespace rally::rallyctl {
namespace {

// What a step changed is kept if its command ended, however it did. A cancelled one has written
// into its workspace, but nobody has looked what.
bool LeavesFiles(v1::StepStatus status) {
  return status == v1::STEP_STATUS_SUCCEEDED || status == v1::STEP_STATUS_FAILED ||
         status == v1::STEP_STATUS_TIMED_OUT;
}

}  // namespace

const v1::Step* FindStep(const v1::Build& build, const std::string& step_id) {
  for (const v1::Step& step : build.steps()) {
    if (step.id() == step_id) return &step;
  }
  return nullptr;
}

absl::StatusOr<StepTrees> TreesOf(const v1::Step& step) {
  if (!LeavesFiles(step.status()) || step.input().hash().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("step ", step.id(), " is ",
                                                      Word(step.status()), " and has left no files",
                                                      HasEnded(step.status()) ? "" : " yet"));
  }
  auto input = blob::MakeDigest(step.input().hash(), step.input().size_bytes());
  if (!input.ok()) return input.status();
  // A step that changed nothing left its input as it was.
  if (step.output().hash().empty()) return StepTrees{*input, *input};
  auto output = blob::MakeDigest(step.output().hash(), step.output().size_bytes());
  if (!output.ok()) return output.status();
  return StepTrees{*std::move(input), *std::move(output)};
}

absl::StatusOr<blob::Digest> ContextOf(const v1::Build& build) {
  return blob::MakeDigest(build.context().hash(), build.context().size_bytes());
}

absl::StatusOr<blob::Digest> WorkspaceOf(const v1::Build& build) {
  if (!build.workspace().hash().empty()) {
    return blob::MakeDigest(build.workspace().hash(), build.workspace().size_bytes());
  }
  return absl::FailedPreconditionError(
      absl::StrCat("build ", build.id(), " is ", Word(build.status()),
                   " and has no final workspace", HasEnded(build.status()) ? "" : " yet"));
}

absl::StatusOr<std::vector<int>> StepOrder(const v1::Build& build) {
  absl::flat_hash_map<std::string, int> positions;
  for (int i = 0; i < build.steps_size(); ++i) positions[build.steps(i).id()] = i;
  std::vector<std::vector<int>> dependencies(build.steps_size());
  for (int i = 0; i < build.steps_size(); ++i) {
    for (const std::string& id : build.steps(i).depends_on()) {
      const auto found = positions.find(id);
      if (found != positions.end()) dependencies[i].push_back(found->second);
    }
  }
  return pipeline::TopologicalOrder(dependencies);
}

}  // namespace rally::rallyctl
