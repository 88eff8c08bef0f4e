#include "controller/core/core_script.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

Digest Tree(const std::string& name) { return name.empty() ? Digest{} : Digest{name, 1}; }

std::vector<Digest> Trees(const std::vector<std::string>& names) {
  std::vector<Digest> trees;
  for (const std::string& name : names) trees.push_back(Tree(name));
  return trees;
}

std::string Names(const std::vector<Digest>& digests) {
  return absl::StrJoin(digests, " ", [](std::string* out, const Digest& digest) {
    absl::StrAppend(out, digest.hash);
  });
}

const char* Word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kKeep:
      return "keep";
    case Verdict::kKill:
      return "kill";
    case Verdict::kResendResult:
      return "resend";
    case Verdict::kForget:
      return "forget";
  }
  return "?";
}

AttemptReportState ReportState(const std::string& word) {
  static const auto* const kStates = new std::map<std::string, AttemptReportState>{
      {"preparing", AttemptReportState::kPreparing}, {"prepared", AttemptReportState::kPrepared},
      {"starting", AttemptReportState::kStarting},   {"running", AttemptReportState::kRunning},
      {"ended", AttemptReportState::kEnded},
  };
  return kStates->at(word);
}

template <typename... Parts>
void AddAll(std::vector<std::string>& all, const Parts&... parts) {
  (all.insert(all.end(), parts.begin(), parts.end()), ...);
}

}  // namespace

Script::Script(CoreOptions options) : options_(options), core_(std::make_unique<Core>(options)) {}

std::vector<std::string> Script::Apply(const Event& event) {
  events_.emplace_back(event, now_);
  absl::StatusOr<std::vector<Command>> commands = core_->Apply(event, now_);
  EXPECT_TRUE(commands.ok()) << commands.status();
  std::vector<std::string> lines;
  if (!commands.ok()) return lines;
  for (const Command& command : *commands) {
    if (std::string line = Line(command); !line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> Script::Pass(absl::Duration duration) {
  const absl::Time end = now_ + duration;
  std::vector<std::string> lines;
  while (core_->NextDeadline() <= end) {
    const absl::Time deadline = core_->NextDeadline();
    now_ = std::max(now_, deadline);
    AddAll(lines, Apply(TimerFired{}));
    EXPECT_GT(core_->NextDeadline(), now_) << "a timer that fired must not be due any more";
    if (core_->NextDeadline() <= now_) break;
  }
  now_ = end;
  return lines;
}

std::vector<std::string> Script::Start(int64_t epoch) { return Apply(ControllerStarted{epoch}); }

std::vector<std::string> Script::Submit(const std::string& build,
                                        const std::vector<ScriptStep>& steps,
                                        absl::Duration total_timeout, const Labels& labels,
                                        ScriptPolicy policy) {
  BuildSubmitted event;
  event.build_id = build;
  event.idempotency_key = absl::StrCat("key-", build);
  event.context = Tree("ctx");
  event.total_timeout = total_timeout;
  event.labels = labels;
  event.fail_on_conflict = policy.fail_on_conflict;
  event.fail_fast = policy.fail_fast;
  std::map<std::string, int> index;
  for (const ScriptStep& step : steps) {
    const int next = static_cast<int>(index.size());
    index[step.id] = next;
  }
  for (const ScriptStep& step : steps) {
    StepDefinition definition;
    definition.spec.id = step.id;
    definition.spec.image = step.image;
    definition.timeout = step.timeout;
    definition.exited_with = step.exited_with;
    definition.exited_without = step.exited_without;
    definition.rerun = step.rerun;
    for (const std::string& id : step.after) definition.dependencies.push_back(index.at(id));
    std::sort(definition.dependencies.begin(), definition.dependencies.end());
    event.steps.push_back(definition);
  }
  return Apply(event);
}

std::vector<std::string> Script::Hello(const std::string& agent, int slots,
                                       const std::vector<std::string>& attempts,
                                       const std::string& incarnation, const Labels& labels,
                                       const std::string& boot) {
  AgentConnected event;
  event.agent = agent;
  event.session = ++last_session_;
  event.incarnation = incarnation;
  event.boot_id = boot;
  event.slots = slots;
  event.labels = labels;
  for (const std::string& attempt : attempts) {
    const std::vector<std::string> parts = absl::StrSplit(attempt, '=');
    event.attempts.push_back({Key(parts[0]), ReportState(parts[1])});
  }
  return Apply(event);
}

std::vector<std::string> Script::Disconnect(const std::string& agent) {
  return Apply(AgentDisconnected{agent, core_->Agents().at(agent).session});
}

std::vector<std::string> Script::Lose(const std::string& agent, absl::Duration silent_for) {
  return Apply(AgentLivenessChanged{agent, Liveness::kLost, true, silent_for});
}

std::vector<std::string> Script::HearAgain(const std::string& agent) {
  return Apply(AgentLivenessChanged{agent, Liveness::kAlive, true, absl::ZeroDuration()});
}

std::vector<std::string> Script::Drain(const std::string& agent, bool drain) {
  return Apply(DrainRequested{agent, drain});
}

std::vector<std::string> Script::Prepared(const std::string& agent, const std::string& attempt,
                                          const std::string& image_digest) {
  return Apply(
      AttemptPrepared{agent, Key(attempt), image_digest, absl::Seconds(1), absl::Seconds(2)});
}

std::vector<std::string> Script::Rejected(const std::string& agent, const std::string& attempt,
                                          RejectCause cause, const std::string& message) {
  return Apply(AttemptRejected{agent, Key(attempt), cause, message});
}

std::vector<std::string> Script::Started(const std::string& agent, const std::string& attempt) {
  return Apply(AttemptStarted{agent, Key(attempt), absl::Seconds(1)});
}

std::vector<std::string> Script::Exited(const std::string& agent, const std::string& attempt,
                                        int exit_code, const std::string& output) {
  AttemptEnded event;
  event.agent = agent;
  event.key = Key(attempt);
  event.exit_code = exit_code;
  event.output = Tree(output);
  event.running = absl::Seconds(3);
  return Apply(event);
}

std::vector<std::string> Script::Ended(const std::string& agent, const std::string& attempt,
                                       EndKind kind, const std::string& message, bool may_retry) {
  AttemptEnded event;
  event.agent = agent;
  event.key = Key(attempt);
  event.kind = kind;
  event.message = message;
  event.may_retry = may_retry;
  return Apply(event);
}

std::vector<std::string> Script::Missing(const std::string& agent, const std::string& attempt,
                                         const std::vector<std::string>& blobs,
                                         bool never_started) {
  AttemptEnded event;
  event.agent = agent;
  event.key = Key(attempt);
  event.kind = EndKind::kErrored;
  event.message = "its input can't be fetched";
  event.may_retry = true;
  event.never_started = never_started;
  event.missing = Trees(blobs);
  return Apply(event);
}

std::vector<std::string> Script::Uploaded(const std::string& agent, const std::string& attempt,
                                          const std::vector<std::string>& blobs) {
  return Apply(BlobsUploaded{agent, Key(attempt), Trees(blobs)});
}

std::vector<std::string> Script::Traced(
    const std::string& build, const std::string& step,
    const std::vector<std::pair<std::string, std::string>>& made,
    const std::vector<std::string>& in_context) {
  const auto index = [&](const std::string& id) {
    return Key(absl::StrCat(build, "/", id, "#0")).step;
  };
  BlobsTraced event{build, index(step), Trees(in_context), {}, {}};
  for (const auto& [maker, blob] : made) event.made.push_back({index(maker), Tree(blob)});
  return Apply(event);
}

std::vector<std::string> Script::Joined(const std::string& build, int step, const std::string& root,
                                        std::vector<Conflict> conflicts, const std::string& error,
                                        const std::vector<std::string>& missing) {
  return Apply(TreeJoined{build, step, Tree(root), std::move(conflicts), error, Trees(missing),
                          this->build(build).generation});
}

std::vector<std::string> Script::Cancel(const std::string& build) {
  return Apply(CancelRequested{build, "cancelled by a person"});
}

std::vector<std::string> Script::Run(const std::string& agent, const std::string& attempt,
                                     int exit_code, const std::string& output) {
  std::vector<std::string> lines;
  AddAll(lines, Prepared(agent, attempt));
  AddAll(lines, Started(agent, attempt));
  AddAll(lines, Exited(agent, attempt, exit_code, output));
  return lines;
}

const Step& Script::step(const std::string& build_id, const std::string& id) const {
  const Build& found = build(build_id);
  for (const Step& step : found.steps) {
    if (step.definition.spec.id == id) return step;
  }
  ADD_FAILURE() << "no step " << id;
  return found.steps.front();
}

std::string Script::State(const std::string& build, const std::string& id) const {
  const Step& found = step(build, id);
  return absl::StrCat(ToString(found.status), found.message.empty() ? "" : ": ", found.message);
}

std::unique_ptr<Core> Script::Replay() const {
  auto core = std::make_unique<Core>(options_);
  for (const auto& [event, time] : events_) EXPECT_TRUE(core->Apply(event, time).ok());
  return core;
}

AttemptKey Script::Key(const std::string& attempt) const {
  const std::vector<std::string> parts = absl::StrSplit(attempt, absl::ByAnyChar("/#"));
  AttemptKey key;
  key.build_id = parts[0];
  EXPECT_TRUE(absl::SimpleAtoi(parts[2], &key.attempt)) << attempt;
  const Build* build = core_->FindBuild(parts[0]);
  if (build == nullptr) return key;
  for (size_t i = 0; i < build->steps.size(); ++i) {
    if (build->steps[i].definition.spec.id == parts[1]) key.step = static_cast<int>(i);
  }
  return key;
}

std::string Script::Name(const AttemptKey& key) const {
  const Build* build = core_->FindBuild(key.build_id);
  const std::string id =
      build == nullptr ? absl::StrCat(key.step) : build->steps[key.step].definition.spec.id;
  return absl::StrCat(key.build_id, "/", id, "#", key.attempt);
}

std::string Script::Line(const Command& command) const {
  if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
    return absl::StrCat("prepare ", prepare->agent, " ", Name(prepare->key),
                        prepare->image_digest.empty() ? "" : " image=", prepare->image_digest,
                        prepare->input.empty() ? "" : " input=", prepare->input.hash);
  }
  if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
    return absl::StrCat("grant ", grant->agent, " ", Name(grant->key), " input=", grant->input.hash,
                        " ", absl::FormatDuration(grant->timeout_left),
                        grant->exclusive_lease > absl::ZeroDuration()
                            ? absl::StrCat(" lease=", absl::FormatDuration(grant->exclusive_lease))
                            : "");
  }
  if (const auto* cancel = std::get_if<SendCancel>(&command)) {
    return absl::StrCat("cancel ", cancel->agent, " ", Name(cancel->key),
                        cancel->discard ? " discard" : "");
  }
  if (const auto* ack = std::get_if<SendResultAck>(&command)) {
    return absl::StrCat("ack ", ack->agent, " ", Name(ack->key));
  }
  if (const auto* welcome = std::get_if<SendWelcome>(&command)) {
    std::string line = absl::StrCat("welcome ", welcome->agent);
    for (const AttemptVerdict& verdict : welcome->verdicts) {
      absl::StrAppend(&line, " ", Name(verdict.key), "=", Word(verdict.verdict));
    }
    return line;
  }
  if (const auto* join = std::get_if<JoinTrees>(&command)) {
    const Build& of = build(join->build_id);
    std::string line =
        absl::StrCat("join ", join->build_id, "/",
                     join->step < 0 ? "workspace" : of.steps[join->step].definition.spec.id,
                     " base=", join->base.hash);
    for (size_t i = 0; i < join->deltas.size(); ++i) {
      const StepTrees& delta = join->deltas[i];
      absl::StrAppend(&line, " ", delta.step_id, ":", delta.input.hash, ">", delta.output.hash);
      std::vector<std::string> before;
      for (int position : join->before[i]) before.push_back(join->deltas[position].step_id);
      if (!before.empty()) absl::StrAppend(&line, "{", absl::StrJoin(before, ","), "}");
    }
    return line;
  }
  if (const auto* upload = std::get_if<SendUploadBlobs>(&command)) {
    return absl::StrCat("upload ", upload->agent, " ", Name(upload->key), " ",
                        Names(upload->blobs));
  }
  if (const auto* trace = std::get_if<TraceBlobs>(&command)) {
    std::string line = absl::StrCat("trace ", trace->build_id, "/",
                                    build(trace->build_id).steps[trace->step].definition.spec.id,
                                    " ", Names(trace->blobs), " in ", trace->context.hash);
    for (const StepTrees& step : trace->steps) {
      absl::StrAppend(&line, " ", step.step_id, ":", step.input.hash, ">", step.output.hash);
    }
    return line;
  }
  const auto& changed = std::get<BuildChanged>(command);
  return changed.ended ? absl::StrCat("ended ", changed.build_id) : "";
}

}  // namespace rally::core
