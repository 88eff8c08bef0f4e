#include "controller/wire/build_wire.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/wire/value_wire.h"

namespace rally::wire {
namespace {

v1::StepStatus ToProto(core::StepStatus status) {
  switch (status) {
    case core::StepStatus::kWaiting:
      return v1::STEP_STATUS_WAITING;
    case core::StepStatus::kReady:
      return v1::STEP_STATUS_READY;
    case core::StepStatus::kAssigned:
      return v1::STEP_STATUS_ASSIGNED;
    case core::StepStatus::kRunning:
      return v1::STEP_STATUS_RUNNING;
    case core::StepStatus::kSucceeded:
      return v1::STEP_STATUS_SUCCEEDED;
    case core::StepStatus::kFailed:
      return v1::STEP_STATUS_FAILED;
    case core::StepStatus::kTimedOut:
      return v1::STEP_STATUS_TIMED_OUT;
    case core::StepStatus::kErrored:
      return v1::STEP_STATUS_ERRORED;
    case core::StepStatus::kSkipped:
      return v1::STEP_STATUS_SKIPPED;
    case core::StepStatus::kCancelled:
      return v1::STEP_STATUS_CANCELLED;
  }
  return v1::STEP_STATUS_UNSPECIFIED;
}

v1::BuildStatus ToProto(core::BuildStatus status) {
  switch (status) {
    case core::BuildStatus::kRunning:
      return v1::BUILD_STATUS_RUNNING;
    case core::BuildStatus::kCancelling:
      return v1::BUILD_STATUS_CANCELLING;
    case core::BuildStatus::kSucceeded:
      return v1::BUILD_STATUS_SUCCEEDED;
    case core::BuildStatus::kFailed:
      return v1::BUILD_STATUS_FAILED;
    case core::BuildStatus::kTimedOut:
      return v1::BUILD_STATUS_TIMED_OUT;
    case core::BuildStatus::kCancelled:
      return v1::BUILD_STATUS_CANCELLED;
  }
  return v1::BUILD_STATUS_UNSPECIFIED;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* (v1::Step::*mutable_field)(),
             v1::Step& step) {
  if (time != absl::InfinitePast()) *(step.*mutable_field)() = wire::ToProto(time);
}

// Its command ran to an end, whatever that was.
bool LeavesFiles(core::StepStatus status) {
  return status == core::StepStatus::kSucceeded || status == core::StepStatus::kFailed ||
         status == core::StepStatus::kTimedOut;
}

void FillStep(const core::Build& build, const core::Step& from, v1::Step& to) {
  to.set_id(from.definition.spec.id);
  to.set_status(ToProto(core::SettledStatus(from)));
  to.set_has_exit_code(from.exit_code.has_value());
  to.set_exit_code(from.exit_code.value_or(0));
  to.set_message(from.ended_before.has_value()
                     ? absl::StrCat("runs again for what it made, ", from.message)
                     : from.message);
  to.set_activity(from.activity);
  if (!from.activity.empty()) to.mutable_message()->append(absl::StrCat(": ", from.activity));
  to.set_attempt(from.attempt);
  to.set_agent(from.agent);
  for (int dependency : from.definition.dependencies) {
    to.add_depends_on(build.steps[dependency].definition.spec.id);
  }
  const core::Digest& input = core::SettledInput(from);
  if (!input.empty()) *to.mutable_input() = wire::ToProto(input);
  const core::Digest& output = core::HasDelta(from) ? core::SettledOutput(from) : input;
  if (LeavesFiles(core::SettledStatus(from)) && !output.empty()) {
    *to.mutable_output() = wire::ToProto(output);
  }
  v1::PhaseTimes* phases = to.mutable_phases();
  *phases->mutable_queued() = wire::ToProto(from.phases.queued);
  *phases->mutable_pulling() = wire::ToProto(from.phases.pulling);
  *phases->mutable_creating() = wire::ToProto(from.phases.creating);
  *phases->mutable_restoring() = wire::ToProto(from.phases.restoring);
  *phases->mutable_running() = wire::ToProto(from.phases.running);
  *phases->mutable_capturing() = wire::ToProto(from.phases.capturing);
  to.set_log_bytes(from.log_end);
  to.set_image(from.definition.spec.image);
  to.set_image_digest(from.image_digest);
  to.set_oom_killed(from.oom_killed);
  for (const std::string& warning : from.warnings) to.add_warnings(warning);
  *to.mutable_timeout() = wire::ToProto(from.definition.timeout);
  SetTime(from.started_at, &v1::Step::mutable_started_at, to);
  SetTime(from.ended_at, &v1::Step::mutable_ended_at, to);
  for (int handler : from.handled_by) {
    to.add_handled_by(build.steps[handler].definition.spec.id);
  }
}

core::Rerun FromPipeline(pipeline::Rerun rerun) {
  switch (rerun) {
    case pipeline::Rerun::kSafe:
      return core::Rerun::kSafe;
    case pipeline::Rerun::kExclusive:
      return core::Rerun::kExclusive;
    case pipeline::Rerun::kNever:
      return core::Rerun::kNever;
  }
  return core::Rerun::kNever;
}

}  // namespace

v1::Build ToProto(const core::Build& build) {
  v1::Build proto;
  proto.set_id(build.id);
  proto.set_status(ToProto(build.status));
  *proto.mutable_submitted_at() = wire::ToProto(build.submitted_at);
  if (build.ended_at != absl::InfinitePast()) {
    *proto.mutable_ended_at() = wire::ToProto(build.ended_at);
  }
  *proto.mutable_context() = wire::ToProto(build.context);
  if (!build.workspace.empty()) *proto.mutable_workspace() = wire::ToProto(build.workspace);
  proto.mutable_steps()->Reserve(static_cast<int>(build.steps.size()));
  for (const core::Step& step : build.steps) FillStep(build, step, *proto.add_steps());
  for (const std::string& warning : build.warnings) proto.add_warnings(warning);
  proto.set_reason(build.reason);
  *proto.mutable_total_timeout() = wire::ToProto(build.total_timeout);
  proto.set_revision(build.revision);
  proto.set_pipeline_name(build.pipeline_name);
  return proto;
}

v1::Agent ToProto(const core::Agent& agent, absl::Time last_seen) {
  v1::Agent proto;
  if (last_seen != absl::InfinitePast()) *proto.mutable_last_seen() = wire::ToProto(last_seen);
  proto.set_name(agent.name);
  proto.set_connected(agent.session != 0);
  proto.set_draining(agent.draining);
  proto.set_slots(agent.slots);
  proto.set_busy_slots(agent.busy_slots);
  proto.set_version(agent.version);
  proto.mutable_labels()->insert(agent.labels.begin(), agent.labels.end());
  if (agent.liveness == core::Liveness::kLost) {
    proto.set_state("lost");
  } else if (agent.session == 0) {
    proto.set_state("disconnected");
  } else if (agent.liveness == core::Liveness::kSuspect) {
    proto.set_state("suspect");
  } else if (agent.draining) {
    proto.set_state("draining");
  } else if (!agent.accepts_work) {
    proto.set_state("full");
  } else {
    proto.set_state("connected");
  }
  return proto;
}

v1::ControllerMessage ToProto(const core::SendPrepare& command, int64_t epoch) {
  v1::ControllerMessage message;
  v1::Prepare* prepare = message.mutable_prepare();
  *prepare->mutable_key() = wire::ToProto(command.key);
  prepare->set_epoch(epoch);
  *prepare->mutable_spec() = wire::ToProto(command.spec);
  prepare->mutable_spec()->set_image_digest(command.image_digest);
  if (!command.input.empty()) *prepare->mutable_input() = wire::ToProto(command.input);
  return message;
}

v1::ControllerMessage ToProto(const core::SendStartGrant& command, int64_t epoch) {
  v1::ControllerMessage message;
  v1::StartGrant* grant = message.mutable_start_grant();
  *grant->mutable_key() = wire::ToProto(command.key);
  grant->set_epoch(epoch);
  *grant->mutable_input() = wire::ToProto(command.input);
  *grant->mutable_timeout_left() = wire::ToProto(command.timeout_left);
  if (command.exclusive_lease > absl::ZeroDuration()) {
    *grant->mutable_exclusive_lease() = wire::ToProto(command.exclusive_lease);
  }
  return message;
}

v1::ControllerMessage ToProto(const core::SendCancel& command, int64_t epoch,
                              absl::Duration grace) {
  v1::ControllerMessage message;
  v1::Cancel* cancel = message.mutable_cancel();
  *cancel->mutable_key() = wire::ToProto(command.key);
  cancel->set_epoch(epoch);
  *cancel->mutable_grace() = wire::ToProto(grace);
  cancel->set_discard(command.discard);
  return message;
}

v1::ControllerMessage ToProto(const core::SendResultAck& command) {
  v1::ControllerMessage message;
  *message.mutable_result_ack()->mutable_key() = wire::ToProto(command.key);
  return message;
}

v1::ControllerMessage ToProto(const core::SendUploadBlobs& command, int64_t epoch) {
  v1::ControllerMessage message;
  v1::UploadBlobs* upload = message.mutable_upload_blobs();
  *upload->mutable_key() = wire::ToProto(command.key);
  upload->set_epoch(epoch);
  for (const core::Digest& blob : command.blobs) *upload->add_digests() = wire::ToProto(blob);
  return message;
}

core::StepDefinition FromPipeline(const pipeline::Step& step) {
  core::StepDefinition definition;
  definition.spec.id = step.id;
  definition.spec.image = step.command.image;
  definition.spec.args = step.command.args;
  definition.spec.entry_point = step.command.entry_point;
  definition.spec.envs = step.envs;
  definition.spec.work_dir = step.work_dir;
  definition.dependencies = step.dependencies;
  definition.timeout = step.timeout;
  if (step.exited_with.has_value()) definition.exited_with = *step.exited_with;
  if (step.exited_without.has_value()) definition.exited_without = *step.exited_without;
  definition.rerun = FromPipeline(step.rerun);
  return definition;
}

}  // namespace rally::wire
