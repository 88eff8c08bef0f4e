#ifndef RALLY_CONTROLLER_WIRE_BUILD_WIRE_H_
#define RALLY_CONTROLLER_WIRE_BUILD_WIRE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/pipeline/model.h"
#include "controller/core/agent_table.h"
#include "controller/core/build.h"
#include "controller/core/command.h"
#include "rally/v1/agent.pb.h"
#include "rally/v1/build.pb.h"

// What the controller tells people about builds and agents, and agents about their work.
namespace rally::wire {

v1::Build ToProto(const core::Build& build);
// `last_seen` is its last sign of life; InfinitePast when there was none.
v1::Agent ToProto(const core::Agent& agent, absl::Time last_seen);

// The commands that go to an agent.
v1::ControllerMessage ToProto(const core::SendPrepare& command, int64_t epoch);
v1::ControllerMessage ToProto(const core::SendStartGrant& command, int64_t epoch);
v1::ControllerMessage ToProto(const core::SendCancel& command, int64_t epoch, absl::Duration grace);
v1::ControllerMessage ToProto(const core::SendResultAck& command);
v1::ControllerMessage ToProto(const core::SendUploadBlobs& command, int64_t epoch);

// A step as the core takes it, of a pipeline that the parser accepted.
core::StepDefinition FromPipeline(const pipeline::Step& step);

}  // namespace rally::wire

#endif  // RALLY_CONTROLLER_WIRE_BUILD_WIRE_H_
