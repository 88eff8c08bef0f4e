// Blobs of a step's input that the store has lost. Agents that have them send them again; else the
// steps that made them run again; else the step is errored. Meanwhile it holds no attempt.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// For agents to find and send what they have. Theirs is shorter.
constexpr absl::Duration kUploadPatience = absl::Minutes(5);
// Of a large fleet those are asked that had a tree of the step's ancestors, and some others.
constexpr size_t kMaxAsked = 64;
// A store that loses one input again and again is broken.
constexpr int kMaxInputLosses = 5;

std::string Name(const Digest& blob) { return absl::StrCat(blob.hash, "/", blob.size_bytes); }

std::string Name(const std::vector<Digest>& blobs) {
  return absl::StrCat(Name(blobs.front()),
                      blobs.size() > 1 ? absl::StrCat(" and ", blobs.size() - 1, " more") : "");
}

// The places in the order of the steps that `index` depends on, directly or not.
std::set<int> AncestorRanks(const BuildRecord& record, int index) {
  std::set<int> ranks;
  std::vector<int> open = {index};
  while (!open.empty()) {
    const Step& step = record.build.steps[open.back()];
    open.pop_back();
    for (int dependency : step.definition.dependencies) {
      if (ranks.insert(record.rank[dependency]).second) open.push_back(dependency);
    }
  }
  return ranks;
}

}  // namespace

std::vector<std::string> Core::Impl::WhoMayHaveInput(const BuildRecord& record, int index) const {
  std::set<std::string> roots = {record.build.context.hash, record.build.steps[index].input.hash};
  for (int rank : AncestorRanks(record, index)) {
    const Step& step = record.build.steps[record.build.order[rank]];
    roots.insert(SettledInput(step).hash);
    roots.insert(SettledOutput(step).hash);
  }
  std::vector<std::string> likely;
  std::vector<std::string> others;
  for (const auto& [name, agent] : agents_.agents()) {
    // Whoever is away for a moment is asked when it is back.
    if (agent.liveness == Liveness::kLost) continue;
    const bool had_one =
        std::any_of(roots.begin(), roots.end(), [&known = agent.trees](const std::string& root) {
          return !root.empty() && known.count(root) != 0;
        });
    (had_one ? likely : others).push_back(name);
  }
  likely.insert(likely.end(), others.begin(), others.end());
  if (likely.size() > kMaxAsked) likely.resize(kMaxAsked);
  return likely;
}

void Core::Impl::LoseInput(BuildRecord& record, int index, std::vector<Digest> blobs) {
  Step& step = record.build.steps[index];
  StepTrack& track = record.tracks[index];
  if (record.build.status != BuildStatus::kRunning) {
    Settle(record, index, StepStatus::kCancelled, std::nullopt, record.build.reason);
    return;
  }
  if (HasAttempt(step)) DropAttempt(record, index);
  Dequeue(record, index);
  step.status = StepStatus::kReady;
  step.agent.clear();
  step.prepared = false;
  step.granted = false;
  step.joining = false;
  step.started_at = absl::InfinitePast();
  if (++track.input_losses > kMaxInputLosses) {
    GiveUpInput(record, index, blobs.front(),
                absl::StrCat("and its input got lost ", kMaxInputLosses,
                             " times before: something is wrong with the blob store"));
    return;
  }
  track.lost_input = LostInput();
  track.lost_input->blobs = std::move(blobs);
  lost_inputs_.insert({record.number, index});
  for (const std::string& name : WhoMayHaveInput(record, index)) AskForBlobs(record, index, name);
  if (track.lost_input->asked.empty()) {
    TraceInput(record, index);
  } else {
    timers_.Arm({record.number, index, ""}, now_ + kUploadPatience);
  }
  UpdateLive(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

void Core::Impl::AskForBlobs(BuildRecord& record, int index, const std::string& agent) {
  LostInput& lost = *record.tracks[index].lost_input;
  lost.asked.insert(agent);
  if (agents_.Find(agent)->session == 0) return;
  Emit(SendUploadBlobs{agent, KeyOf(record, index), lost.blobs});
}

void Core::Impl::AskNewcomer(const std::string& agent) {
  for (const StepRef& ref : lost_inputs_) {
    BuildRecord& record = *records_[ref.build];
    const LostInput& lost = *record.tracks[ref.step].lost_input;
    if (lost.stage != LostInput::Stage::kAsking) continue;
    if (lost.asked.size() >= kMaxAsked && lost.asked.count(agent) == 0) continue;
    AskForBlobs(record, ref.step, agent);
    ExplainWaiting(record, ref.step);
    Touch(record);
  }
}

// The agent is lost.
void Core::Impl::AwaitNoAnswer(const std::string& agent) {
  const std::set<StepRef> waiting = lost_inputs_;
  for (const StepRef& ref : waiting) {
    BuildRecord& record = *records_[ref.build];
    LostInput& lost = *record.tracks[ref.step].lost_input;
    if (lost.asked.erase(agent) == 0 || lost.stage != LostInput::Stage::kAsking) continue;
    if (lost.asked.empty()) TraceInput(record, ref.step);
    ExplainWaiting(record, ref.step);
    Touch(record);
  }
}

absl::Status Core::Impl::On(const BlobsUploaded& event) {
  BuildRecord* record = FindById(event.key.build_id);
  const int index = event.key.step;
  if (record == nullptr || lost_inputs_.count({record->number, index}) == 0) {
    return absl::OkStatus();
  }
  LostInput& lost = *record->tracks[index].lost_input;
  if (lost.stage != LostInput::Stage::kAsking ||
      record->build.steps[index].attempt != event.key.attempt ||
      lost.asked.erase(event.agent) == 0) {
    return absl::OkStatus();
  }
  const size_t before = lost.blobs.size();
  lost.blobs.erase(std::remove_if(lost.blobs.begin(), lost.blobs.end(),
                                  [&](const Digest& blob) {
                                    return std::find(event.blobs.begin(), event.blobs.end(),
                                                     blob) != event.blobs.end();
                                  }),
                   lost.blobs.end());
  Touch(*record);
  if (before > lost.blobs.size()) {
    record->build.steps[index].warnings.push_back(
        absl::StrCat("the blob store had lost ", before - lost.blobs.size(),
                     " blobs of its input; agent ", event.agent, " sent them again"));
  }
  if (lost.blobs.empty()) {
    RestoreInput(*record, index);
  } else if (lost.asked.empty()) {
    TraceInput(*record, index);
  } else {
    ExplainWaiting(*record, index);
  }
  return absl::OkStatus();
}

void Core::Impl::TraceInput(BuildRecord& record, int index) {
  record.tracks[index].lost_input->stage = LostInput::Stage::kTracing;
  timers_.Disarm({record.number, index, ""});
  EmitTrace(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

void Core::Impl::EmitTrace(const BuildRecord& record, int index) {
  const Build& build = record.build;
  TraceBlobs trace{build.id, index, build.context, {}, record.tracks[index].lost_input->blobs};
  for (int rank : AncestorRanks(record, index)) {
    const int ancestor = build.order[rank];
    const Step& step = build.steps[ancestor];
    if (!HasDelta(step)) continue;
    trace.steps.push_back(
        {ancestor, step.definition.spec.id, SettledInput(step), SettledOutput(step)});
  }
  Emit(std::move(trace));
}

absl::Status Core::Impl::On(const BlobsTraced& event) {
  BuildRecord* record = FindById(event.build_id);
  if (record == nullptr || lost_inputs_.count({record->number, event.step}) == 0) {
    return absl::OkStatus();
  }
  const int index = event.step;
  LostInput& lost = *record->tracks[index].lost_input;
  if (lost.stage != LostInput::Stage::kTracing) return absl::OkStatus();
  if (!event.in_context.empty()) {
    GiveUpInput(*record, index, event.in_context.front(),
                "and it belongs to the build's context: submit it again");
    return absl::OkStatus();
  }
  // All or none: without one of them the others are no help.
  for (const MadeBlob& made : event.made) {
    const std::string why_not = WhyNotAgain(*record, made.step);
    if (why_not.empty()) continue;
    GiveUpInput(*record, index, made.blob, why_not);
    return absl::OkStatus();
  }
  if (event.made.empty()) {
    // What no step made, a join did, and will do again.
    if (record->build.steps[index].definition.dependencies.size() > 1) {
      RestoreInput(*record, index);
    } else {
      GiveUpInput(*record, index, lost.blobs.front(), "and no step is known to have made it");
    }
    return absl::OkStatus();
  }
  lost.stage = LostInput::Stage::kRemaking;
  for (const MadeBlob& made : event.made) {
    if (!lost.makers.insert(made.step).second) continue;
    if (!record->build.steps[made.step].ended_before.has_value()) {
      RunAgain(*record, made.step, index, made.blob);
    }
  }
  ExplainWaiting(*record, index);
  Touch(*record);
  return absl::OkStatus();
}

// The controller was away, and whoever was asked may not have heard of it.
void Core::Impl::ResumeLostInputs(BuildRecord& record) {
  const auto begin = lost_inputs_.lower_bound({record.number, 0});
  for (auto it = begin; it != lost_inputs_.end() && it->build == record.number; ++it) {
    LostInput& lost = *record.tracks[it->step].lost_input;
    if (lost.stage == LostInput::Stage::kTracing) EmitTrace(record, it->step);
    if (lost.stage != LostInput::Stage::kAsking) continue;
    timers_.Arm({record.number, it->step, ""}, now_ + kUploadPatience);
  }
}

// Back to the queue: the input can be had, or is joined anew.
void Core::Impl::RestoreInput(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  StepTrack& track = record.tracks[index];
  timers_.Disarm({record.number, index, ""});
  track.lost_input.reset();
  lost_inputs_.erase({record.number, index});
  track.queued_at = now_;
  // A root that is known already may have lost directories that only its join made.
  auto joined = record.joins.find(step.definition.dependencies);
  if (joined != record.joins.end() && !joined->second.root.empty()) record.joins.erase(joined);
  Refind(record, index);
  UpdateLive(record, index);
  Enqueue(record, index);
  Touch(record);
}

void Core::Impl::GiveUpInput(BuildRecord& record, int index, const Digest& blob,
                             const std::string& why) {
  Settle(record, index, StepStatus::kErrored, kErroredCode,
         absl::StrCat("blob ", Name(blob),
                      " of its input is lost: the blob store doesn't have it, nor has any agent, ",
                      why));
}

std::string Core::Impl::DescribeLostInput(const BuildRecord& record, int index) const {
  const LostInput& lost = *record.tracks[index].lost_input;
  const std::string what =
      absl::StrCat("the blob store has lost ", Name(lost.blobs), " of its input; ");
  switch (lost.stage) {
    case LostInput::Stage::kAsking:
      return absl::StrCat(what, "asks for it: ", absl::StrJoin(lost.asked, ", "));
    case LostInput::Stage::kTracing:
      return absl::StrCat(what, "looks for the step that made it");
    case LostInput::Stage::kRemaking:
      break;
  }
  return absl::StrCat(what, "waits for it to be made again by ",
                      absl::StrJoin(lost.makers, ", ", [&record](std::string* out, int maker) {
                        absl::StrAppend(out, record.build.steps[maker].definition.spec.id);
                      }));
}

}  // namespace rally::core
