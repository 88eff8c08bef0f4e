#ifndef RALLY_CONTROLLER_WIRE_VALUE_WIRE_H_
#define RALLY_CONTROLLER_WIRE_VALUE_WIRE_H_

#include "absl/time/time.h"
#include "controller/core/event.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "rally/v1/agent.pb.h"
#include "rally/v1/build.pb.h"

// Conversions of the small values that events, commands and builds are made of.
namespace rally::wire {

v1::Digest ToProto(const core::Digest& digest);
core::Digest FromProto(const v1::Digest& digest);

v1::AttemptKey ToProto(const core::AttemptKey& key);
core::AttemptKey FromProto(const v1::AttemptKey& key);

v1::StepSpec ToProto(const core::StepSpec& spec);
core::StepSpec FromProto(const v1::StepSpec& spec);

// An infinite duration becomes an unset message's zero.
google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);
google::protobuf::Timestamp ToProto(absl::Time time);
absl::Time FromProto(const google::protobuf::Timestamp& time);

}  // namespace rally::wire

#endif  // RALLY_CONTROLLER_WIRE_VALUE_WIRE_H_
