#include "controller/wire/event_wire.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/wire/value_wire.h"

namespace rally::wire {
namespace {

using core::RejectCause;

v1::RejectCause ToProto(RejectCause cause) {
  switch (cause) {
    case RejectCause::kBusy:
      return v1::REJECT_CAUSE_BUSY;
    case RejectCause::kPermanent:
      return v1::REJECT_CAUSE_PERMANENT;
    case RejectCause::kHere:
      return v1::REJECT_CAUSE_HERE;
  }
  return v1::REJECT_CAUSE_PERMANENT;
}

RejectCause FromProto(v1::RejectCause cause) {
  switch (cause) {
    case v1::REJECT_CAUSE_BUSY:
      return RejectCause::kBusy;
    case v1::REJECT_CAUSE_HERE:
      return RejectCause::kHere;
    default:
      return RejectCause::kPermanent;
  }
}

v1::EndKind ToProto(core::EndKind kind) {
  switch (kind) {
    case core::EndKind::kExited:
      return v1::END_KIND_EXITED;
    case core::EndKind::kTimedOut:
      return v1::END_KIND_TIMED_OUT;
    case core::EndKind::kCancelled:
      return v1::END_KIND_CANCELLED;
    case core::EndKind::kErrored:
      return v1::END_KIND_ERRORED;
  }
  return v1::END_KIND_ERRORED;
}

// A kind that this version doesn't know can only be reported as a failure of Rally.
core::EndKind FromProto(v1::EndKind kind) {
  switch (kind) {
    case v1::END_KIND_EXITED:
      return core::EndKind::kExited;
    case v1::END_KIND_TIMED_OUT:
      return core::EndKind::kTimedOut;
    case v1::END_KIND_CANCELLED:
      return core::EndKind::kCancelled;
    default:
      return core::EndKind::kErrored;
  }
}

v1::AttemptState ToProto(core::AttemptReportState state) {
  switch (state) {
    case core::AttemptReportState::kPreparing:
      return v1::ATTEMPT_STATE_PREPARING;
    case core::AttemptReportState::kPrepared:
      return v1::ATTEMPT_STATE_PREPARED;
    case core::AttemptReportState::kStarting:
      return v1::ATTEMPT_STATE_STARTING;
    case core::AttemptReportState::kRunning:
      return v1::ATTEMPT_STATE_RUNNING;
    case core::AttemptReportState::kEnded:
      return v1::ATTEMPT_STATE_ENDED;
  }
  return v1::ATTEMPT_STATE_PREPARING;
}

core::AttemptReportState FromProto(v1::AttemptState state) {
  switch (state) {
    case v1::ATTEMPT_STATE_PREPARED:
      return core::AttemptReportState::kPrepared;
    case v1::ATTEMPT_STATE_STARTING:
      return core::AttemptReportState::kStarting;
    case v1::ATTEMPT_STATE_RUNNING:
      return core::AttemptReportState::kRunning;
    case v1::ATTEMPT_STATE_ENDED:
      return core::AttemptReportState::kEnded;
    default:
      return core::AttemptReportState::kPreparing;
  }
}

// A class that this version doesn't know is taken for the most careful one.
core::Rerun RerunFromProto(int rerun) {
  switch (rerun) {
    case static_cast<int>(core::Rerun::kSafe):
      return core::Rerun::kSafe;
    case static_cast<int>(core::Rerun::kExclusive):
      return core::Rerun::kExclusive;
    default:
      return core::Rerun::kNever;
  }
}

using DigestField = google::protobuf::RepeatedPtrField<v1::Digest>;

void AddAll(const std::vector<core::Digest>& digests, DigestField* field) {
  for (const core::Digest& digest : digests) *field->Add() = wire::ToProto(digest);
}

std::vector<core::Digest> DigestsIn(const DigestField& field) {
  std::vector<core::Digest> digests;
  digests.reserve(field.size());
  for (const v1::Digest& digest : field) digests.push_back(wire::FromProto(digest));
  return digests;
}

// Writes one event into the journal's message.
struct Writer {
  v1::JournalEvent& out;

  void operator()(const core::ControllerStarted& event) {
    auto* to = out.mutable_controller_started();
    to->set_epoch(event.epoch);
    *to->mutable_exclusive_lease() = wire::ToProto(event.exclusive_lease);
    *to->mutable_unknown_after() = wire::ToProto(event.unknown_after);
  }

  void operator()(const core::BuildSubmitted& event) {
    auto* to = out.mutable_build_submitted();
    to->set_build_id(event.build_id);
    to->set_idempotency_key(event.idempotency_key);
    to->set_content_hash(event.content_hash);
    to->set_pipeline_name(event.pipeline_name);
    *to->mutable_context() = wire::ToProto(event.context);
    *to->mutable_total_timeout() = wire::ToProto(event.total_timeout);
    for (const core::StepDefinition& step : event.steps) {
      auto* definition = to->add_steps();
      *definition->mutable_spec() = wire::ToProto(step.spec);
      for (int dependency : step.dependencies) definition->add_dependencies(dependency);
      *definition->mutable_timeout() = wire::ToProto(step.timeout);
      for (int code : step.exited_with) definition->add_exited_with(code);
      for (int code : step.exited_without) definition->add_exited_without(code);
      definition->set_rerun(static_cast<int>(step.rerun));
    }
    for (const std::string& warning : event.warnings) to->add_warnings(warning);
    to->mutable_labels()->insert(event.labels.begin(), event.labels.end());
    to->set_fail_on_conflict(event.fail_on_conflict);
    to->set_fail_fast(event.fail_fast);
  }

  void operator()(const core::AgentConnected& event) {
    auto* to = out.mutable_agent_connected();
    to->set_session(event.session);
    v1::Hello* hello = to->mutable_hello();
    hello->set_name(event.agent);
    hello->set_incarnation(event.incarnation);
    hello->set_boot_id(event.boot_id);
    hello->set_version(event.version);
    hello->set_slots(event.slots);
    hello->mutable_labels()->insert(event.labels.begin(), event.labels.end());
    for (const core::AttemptReport& attempt : event.attempts) {
      v1::AttemptReport* report = hello->add_attempts();
      *report->mutable_key() = wire::ToProto(attempt.key);
      report->set_state(ToProto(attempt.state));
    }
  }

  void operator()(const core::AgentDisconnected& event) {
    out.mutable_agent_disconnected()->set_agent(event.agent);
    out.mutable_agent_disconnected()->set_session(event.session);
  }

  void operator()(const core::AgentLivenessChanged& event) {
    auto* to = out.mutable_agent_liveness();
    to->set_agent(event.agent);
    to->set_liveness(static_cast<int>(event.liveness));
    to->set_accepts_work(event.accepts_work);
    *to->mutable_silent_for() = wire::ToProto(event.silent_for);
  }

  void operator()(const core::AttemptPrepared& event) {
    out.mutable_attempt_prepared()->set_agent(event.agent);
    v1::Prepared* report = out.mutable_attempt_prepared()->mutable_report();
    *report->mutable_key() = wire::ToProto(event.key);
    report->set_image_digest(event.image_digest);
    *report->mutable_pulling() = wire::ToProto(event.pulling);
    *report->mutable_creating() = wire::ToProto(event.creating);
  }

  void operator()(const core::AttemptRejected& event) {
    out.mutable_attempt_rejected()->set_agent(event.agent);
    v1::Rejected* report = out.mutable_attempt_rejected()->mutable_report();
    *report->mutable_key() = wire::ToProto(event.key);
    report->set_cause(ToProto(event.cause));
    report->set_message(event.message);
  }

  void operator()(const core::AttemptStarted& event) {
    out.mutable_attempt_started()->set_agent(event.agent);
    v1::Started* report = out.mutable_attempt_started()->mutable_report();
    *report->mutable_key() = wire::ToProto(event.key);
    *report->mutable_restoring() = wire::ToProto(event.restoring);
  }

  void operator()(const core::AttemptEnded& event) {
    out.mutable_attempt_ended()->set_agent(event.agent);
    v1::Result* report = out.mutable_attempt_ended()->mutable_report();
    *report->mutable_key() = wire::ToProto(event.key);
    report->set_kind(ToProto(event.kind));
    report->set_exit_code(event.exit_code);
    report->set_oom_killed(event.oom_killed);
    report->set_message(event.message);
    if (!event.output.empty()) *report->mutable_output() = wire::ToProto(event.output);
    report->set_log_end(event.log_end);
    *report->mutable_running() = wire::ToProto(event.running);
    *report->mutable_capturing() = wire::ToProto(event.capturing);
    for (const std::string& warning : event.warnings) report->add_warnings(warning);
    report->set_never_started(event.never_started);
    report->set_may_retry(event.may_retry);
    AddAll(event.missing, report->mutable_missing());
  }

  void operator()(const core::TreeJoined& event) {
    auto* to = out.mutable_tree_joined();
    to->set_build_id(event.build_id);
    to->set_step(event.step);
    *to->mutable_root() = wire::ToProto(event.root);
    for (const core::Conflict& conflict : event.conflicts) {
      auto* proto = to->add_conflicts();
      proto->set_earlier_step(conflict.earlier_step);
      proto->set_later_step(conflict.later_step);
      proto->set_path(conflict.path);
      proto->set_earlier_deed(static_cast<v1::JournalEvent::Conflict::Deed>(conflict.earlier_deed));
      proto->set_later_deed(static_cast<v1::JournalEvent::Conflict::Deed>(conflict.later_deed));
    }
    to->set_error(event.error);
    AddAll(event.missing, to->mutable_missing());
    to->set_generation(event.generation);
  }

  void operator()(const core::CancelRequested& event) {
    out.mutable_cancel_requested()->set_build_id(event.build_id);
    out.mutable_cancel_requested()->set_reason(event.reason);
  }

  void operator()(const core::DrainRequested& event) {
    out.mutable_drain_requested()->set_agent(event.agent);
    out.mutable_drain_requested()->set_drain(event.drain);
  }

  void operator()(const core::TimerFired&) { out.mutable_timer_fired(); }

  void operator()(const core::BlobsUploaded& event) {
    out.mutable_agent_uploaded_blobs()->set_agent(event.agent);
    v1::BlobsUploaded* report = out.mutable_agent_uploaded_blobs()->mutable_report();
    *report->mutable_key() = wire::ToProto(event.key);
    AddAll(event.blobs, report->mutable_digests());
  }

  void operator()(const core::BlobsTraced& event) {
    auto* to = out.mutable_blobs_traced();
    to->set_build_id(event.build_id);
    to->set_step(event.step);
    AddAll(event.in_context, to->mutable_in_context());
    for (const core::MadeBlob& made : event.made) {
      auto* proto = to->add_made();
      proto->set_step(made.step);
      *proto->mutable_blob() = wire::ToProto(made.blob);
    }
    AddAll(event.unknown, to->mutable_unknown());
  }
};

core::BuildSubmitted FromProto(const v1::JournalEvent::BuildSubmitted& proto) {
  core::BuildSubmitted event;
  event.build_id = proto.build_id();
  event.idempotency_key = proto.idempotency_key();
  event.content_hash = proto.content_hash();
  event.pipeline_name = proto.pipeline_name();
  event.context = wire::FromProto(proto.context());
  event.total_timeout = wire::FromProto(proto.total_timeout());
  event.steps.reserve(proto.steps_size());
  for (const auto& step : proto.steps()) {
    core::StepDefinition definition;
    definition.spec = wire::FromProto(step.spec());
    definition.dependencies.assign(step.dependencies().begin(), step.dependencies().end());
    definition.timeout = wire::FromProto(step.timeout());
    definition.exited_with.assign(step.exited_with().begin(), step.exited_with().end());
    definition.exited_without.assign(step.exited_without().begin(), step.exited_without().end());
    definition.rerun = RerunFromProto(step.rerun());
    event.steps.push_back(std::move(definition));
  }
  event.warnings.assign(proto.warnings().begin(), proto.warnings().end());
  event.labels.insert(proto.labels().begin(), proto.labels().end());
  event.fail_on_conflict = proto.fail_on_conflict();
  event.fail_fast = proto.fail_fast();
  return event;
}

core::TreeJoined FromProto(const v1::JournalEvent::TreeJoined& proto) {
  core::TreeJoined event;
  event.build_id = proto.build_id();
  event.step = proto.step();
  event.root = wire::FromProto(proto.root());
  for (const auto& conflict : proto.conflicts()) {
    event.conflicts.push_back({conflict.earlier_step(), conflict.later_step(), conflict.path(),
                               static_cast<core::Deed>(conflict.earlier_deed()),
                               static_cast<core::Deed>(conflict.later_deed())});
  }
  event.error = proto.error();
  event.missing = DigestsIn(proto.missing());
  event.generation = proto.generation();
  return event;
}

core::BlobsTraced FromProto(const v1::JournalEvent::BlobsTraced& proto) {
  core::BlobsTraced event;
  event.build_id = proto.build_id();
  event.step = proto.step();
  event.in_context = DigestsIn(proto.in_context());
  for (const auto& made : proto.made()) {
    event.made.push_back({made.step(), wire::FromProto(made.blob())});
  }
  event.unknown = DigestsIn(proto.unknown());
  return event;
}

absl::StatusOr<core::Event> EventFromProto(const v1::JournalEvent& proto) {
  switch (proto.event_case()) {
    case v1::JournalEvent::kControllerStarted:
      return core::ControllerStarted{proto.controller_started().epoch(),
                                     wire::FromProto(proto.controller_started().exclusive_lease()),
                                     wire::FromProto(proto.controller_started().unknown_after())};
    case v1::JournalEvent::kBuildSubmitted:
      return FromProto(proto.build_submitted());
    case v1::JournalEvent::kAgentConnected:
      return wire::FromProto(proto.agent_connected().hello(), proto.agent_connected().session());
    case v1::JournalEvent::kAgentDisconnected:
      return core::AgentDisconnected{proto.agent_disconnected().agent(),
                                     proto.agent_disconnected().session()};
    case v1::JournalEvent::kAgentLiveness: {
      const int liveness = proto.agent_liveness().liveness();
      if (liveness < 0 || liveness > static_cast<int>(core::Liveness::kLost)) break;
      return core::AgentLivenessChanged{proto.agent_liveness().agent(),
                                        static_cast<core::Liveness>(liveness),
                                        proto.agent_liveness().accepts_work(),
                                        wire::FromProto(proto.agent_liveness().silent_for())};
    }
    case v1::JournalEvent::kAttemptPrepared:
      return wire::FromProto(proto.attempt_prepared().agent(), proto.attempt_prepared().report());
    case v1::JournalEvent::kAttemptRejected:
      return wire::FromProto(proto.attempt_rejected().agent(), proto.attempt_rejected().report());
    case v1::JournalEvent::kAttemptStarted:
      return wire::FromProto(proto.attempt_started().agent(), proto.attempt_started().report());
    case v1::JournalEvent::kAttemptEnded:
      return wire::FromProto(proto.attempt_ended().agent(), proto.attempt_ended().report());
    case v1::JournalEvent::kTreeJoined:
      return FromProto(proto.tree_joined());
    case v1::JournalEvent::kCancelRequested:
      return core::CancelRequested{proto.cancel_requested().build_id(),
                                   proto.cancel_requested().reason()};
    case v1::JournalEvent::kDrainRequested:
      return core::DrainRequested{proto.drain_requested().agent(), proto.drain_requested().drain()};
    case v1::JournalEvent::kTimerFired:
      return core::TimerFired{};
    case v1::JournalEvent::kAgentUploadedBlobs:
      return wire::FromProto(proto.agent_uploaded_blobs().agent(),
                             proto.agent_uploaded_blobs().report());
    case v1::JournalEvent::kBlobsTraced:
      return FromProto(proto.blobs_traced());
    case v1::JournalEvent::EVENT_NOT_SET:
      break;
  }
  return absl::DataLossError(
      "the journal holds an event that this version doesn't know; was it written by a newer one?");
}

}  // namespace

v1::JournalEvent ToProto(const core::Event& event, absl::Time time) {
  v1::JournalEvent proto;
  *proto.mutable_time() = wire::ToProto(time);
  std::visit(Writer{proto}, event);
  return proto;
}

absl::StatusOr<TimedEvent> FromProto(const v1::JournalEvent& proto) {
  absl::StatusOr<core::Event> event = EventFromProto(proto);
  if (!event.ok()) return event.status();
  return TimedEvent{*std::move(event), wire::FromProto(proto.time())};
}

core::Event FromProto(const std::string& agent, const v1::Prepared& report) {
  core::AttemptPrepared event;
  event.agent = agent;
  event.key = wire::FromProto(report.key());
  event.image_digest = report.image_digest();
  event.pulling = wire::FromProto(report.pulling());
  event.creating = wire::FromProto(report.creating());
  return event;
}

core::Event FromProto(const std::string& agent, const v1::Rejected& report) {
  return core::AttemptRejected{agent, wire::FromProto(report.key()), FromProto(report.cause()),
                               report.message()};
}

core::Event FromProto(const std::string& agent, const v1::Started& report) {
  return core::AttemptStarted{agent, wire::FromProto(report.key()),
                              wire::FromProto(report.restoring())};
}

core::Event FromProto(const std::string& agent, const v1::Result& report) {
  core::AttemptEnded event;
  event.agent = agent;
  event.key = wire::FromProto(report.key());
  event.kind = FromProto(report.kind());
  event.exit_code = report.exit_code();
  event.oom_killed = report.oom_killed();
  event.message = report.message();
  if (report.has_output()) event.output = wire::FromProto(report.output());
  event.log_end = report.log_end();
  event.running = wire::FromProto(report.running());
  event.capturing = wire::FromProto(report.capturing());
  event.warnings.assign(report.warnings().begin(), report.warnings().end());
  event.never_started = report.never_started();
  event.may_retry = report.may_retry();
  event.missing = DigestsIn(report.missing());
  return event;
}

core::Event FromProto(const std::string& agent, const v1::BlobsUploaded& report) {
  return core::BlobsUploaded{agent, wire::FromProto(report.key()), DigestsIn(report.digests())};
}

core::AgentConnected FromProto(const v1::Hello& hello, int64_t session) {
  core::AgentConnected event;
  event.agent = hello.name();
  event.session = session;
  event.incarnation = hello.incarnation();
  event.boot_id = hello.boot_id();
  event.version = hello.version();
  event.slots = hello.slots();
  event.labels.insert(hello.labels().begin(), hello.labels().end());
  for (const v1::AttemptReport& report : hello.attempts()) {
    event.attempts.push_back({wire::FromProto(report.key()), FromProto(report.state())});
  }
  return event;
}

}  // namespace rally::wire
