// The whole state as text.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// Writes name=value pairs, one thing a line.
class Lines {
 public:
  template <typename... Values>
  void Add(const Values&... values) {
    absl::StrAppend(&text_, values...);
    text_ += '\n';
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string At(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

std::string Text(const Digest& digest) { return absl::StrCat(digest.hash, "/", digest.size_bytes); }

std::string Text(absl::Duration duration) { return absl::FormatDuration(duration); }

std::string Text(const std::map<std::string, std::string>& map) {
  return absl::StrJoin(map, ",", absl::PairFormatter("="));
}

void DescribeAgent(const Agent& agent, Lines& lines) {
  lines.Add("agent ", agent.name, " session=", agent.session, " incarnation=", agent.incarnation,
            " boot=", agent.boot_id, " version=", agent.version, " slots=", agent.slots,
            " liveness=", static_cast<int>(agent.liveness), " draining=", agent.draining,
            " accepts=", agent.accepts_work, " connected=", At(agent.connected_at),
            " busy=", agent.busy_slots, " early=", agent.early_prepared,
            " rests=", At(agent.rests_until), " rejections=", agent.busy_rejections);
  lines.Add("  labels=", Text(agent.labels), " images=", absl::StrJoin(agent.images, ","),
            " trees=", absl::StrJoin(agent.trees, ","));
}

void DescribeStep(const Step& step, const StepTrack& track, Lines& lines) {
  lines.Add("  step ", step.definition.spec.id, " ", ToString(step.status),
            " undecided=", step.undecided_dependencies, " attempt=", step.attempt,
            " agent=", step.agent, " prepared=", step.prepared, " early=", step.early,
            " granted=", step.granted, " cancelling=", step.cancelling,
            " for_timeout=", step.cancelled_for_timeout, " failures=", step.infrastructure_failures,
            " avoid=", step.avoid_agent, " lost=", step.agent_lost,
            " handled=", absl::StrJoin(step.handled_by, ","), " reruns=", step.reruns,
            " behind=", step.behind);
  lines.Add("    code=", step.exit_code.has_value() ? absl::StrCat(*step.exit_code) : "none",
            " oom=", step.oom_killed, " input=", Text(step.input), " joining=", step.joining,
            " output=", Text(step.output), " log_end=", step.log_end, " image=", step.image_digest,
            " message=", step.message, " warnings=", absl::StrJoin(step.warnings, ";"));
  lines.Add("    ready=", At(step.ready_at), " assigned=", At(step.assigned_at),
            " started=", At(step.started_at), " ended=", At(step.ended_at),
            " queued=", Text(step.phases.queued), " pulling=", Text(step.phases.pulling),
            " creating=", Text(step.phases.creating), " restoring=", Text(step.phases.restoring),
            " running=", Text(step.phases.running), " capturing=", Text(step.phases.capturing));
  lines.Add("    live=", track.live, " missing_live=", track.missing_live, " ahead=", track.ahead,
            " no_early=", track.no_early, " result=", track.result_accepted,
            " total_is_nearer=", track.total_is_nearer, " failure=", track.failure,
            " queued=", At(track.queued_at), " clock=", At(track.clock_at),
            " lease=", Text(track.lease), " disk_lost=", track.disk_lost,
            " because=", track.lost_because, " until=", At(track.awaited_until),
            " losses=", track.input_losses);
  if (track.lost_input.has_value()) {
    const LostInput& lost = *track.lost_input;
    lines.Add("    lost stage=", static_cast<int>(lost.stage),
              " asked=", absl::StrJoin(lost.asked, ","),
              " makers=", absl::StrJoin(lost.makers, ","),
              " blobs=", absl::StrJoin(lost.blobs, ",", [](std::string* out, const Digest& blob) {
                absl::StrAppend(out, Text(blob));
              }));
  }
  if (step.ended_before.has_value()) {
    const EarlierEnd& end = *step.ended_before;
    lines.Add("    before=", ToString(end.status), " message=", end.message,
              " oom=", end.oom_killed, " input=", Text(end.input), " output=", Text(end.output),
              " behind=", end.behind, " assigned=", At(end.assigned_at),
              " started=", At(end.started_at), " running=", Text(end.phases.running));
  }
}

}  // namespace

std::string Core::Impl::Describe() const {
  Lines lines;
  lines.Add("epoch=", epoch_, " last_served=", last_served_, " settles=", At(settles_at_),
            " awaited=", absl::StrJoin(awaited_agents_, ","), " of=", agents_before_restart_,
            " lease=", Text(exclusive_lease_), " unknown=", Text(unknown_after_), " shortages=",
            absl::StrJoin(shortages_, "; ", [](std::string* out, const auto& shortage) {
              absl::StrAppend(out, Text(shortage.first), ": ", shortage.second);
            }));
  for (const auto& [name, agent] : agents_.agents()) DescribeAgent(agent, lines);
  for (const auto& record : records_) {
    const Build& build = record->build;
    lines.Add("build ", build.id, " key=", build.idempotency_key, " hash=", build.content_hash,
              " name=", build.pipeline_name, " labels=", Text(build.labels),
              " context=", Text(build.context), " total=", Text(build.total_timeout),
              " submitted=", At(build.submitted_at), " started=", At(build.started_at),
              " ended=", At(build.ended_at), " ", ToString(build.status), " reason=", build.reason,
              " struck=", build.total_timeout_struck, " unfinished=", build.unfinished_steps,
              " workspace=", Text(build.workspace), " joining=", build.joining_workspace,
              " fail_on_conflict=", build.fail_on_conflict, " fail_fast=", build.fail_fast,
              " edges=", record->edges_to_walk, " revision=", build.revision,
              " generation=", build.generation);
    lines.Add("  order=", absl::StrJoin(build.order, ","), " images=", Text(build.image_digests),
              " warnings=", absl::StrJoin(build.warnings, ";"),
              " ready=", absl::StrJoin(record->ready, ","),
              " candidates=", absl::StrJoin(record->early_candidates, ","),
              " resolving=", absl::StrJoin(record->resolving, ",", absl::PairFormatter("=")));
    for (const auto& [tag, ranks] : record->awaiting_tag) {
      lines.Add("  await ", tag, "=", absl::StrJoin(ranks, ","));
    }
    for (const auto& [step, dependencies] : record->joins_under_way) {
      lines.Add("  join ", step, "=", absl::StrJoin(dependencies, ","));
    }
    for (size_t i = 0; i < build.steps.size(); ++i) {
      DescribeStep(build.steps[i], record->tracks[i], lines);
    }
  }
  for (const auto& [deadline, key] : timers_.queue()) {
    lines.Add("timer ", At(deadline), " ", key.build, "/", key.step, "/", key.agent);
  }
  return lines.Take();
}

std::string Fingerprint(const Core& core) { return core.impl_->Describe(); }

}  // namespace rally::core
