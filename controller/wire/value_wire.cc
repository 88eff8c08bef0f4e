#include "controller/wire/value_wire.h"

namespace rally::wire {

v1::Digest ToProto(const core::Digest& digest) {
  v1::Digest proto;
  proto.set_hash(digest.hash);
  proto.set_size_bytes(digest.size_bytes);
  return proto;
}

core::Digest FromProto(const v1::Digest& digest) { return {digest.hash(), digest.size_bytes()}; }

v1::AttemptKey ToProto(const core::AttemptKey& key) {
  v1::AttemptKey proto;
  proto.set_build_id(key.build_id);
  proto.set_step(key.step);
  proto.set_attempt(key.attempt);
  return proto;
}

core::AttemptKey FromProto(const v1::AttemptKey& key) {
  return {key.build_id(), key.step(), key.attempt()};
}

v1::StepSpec ToProto(const core::StepSpec& spec) {
  v1::StepSpec proto;
  proto.set_step_id(spec.id);
  proto.set_image(spec.image);
  for (const std::string& arg : spec.args) proto.add_args(arg);
  proto.set_entry_point(spec.entry_point);
  for (const auto& [name, value] : spec.envs) {
    v1::EnvVar* env = proto.add_envs();
    env->set_name(name);
    env->set_value(value);
  }
  proto.set_work_dir(spec.work_dir);
  return proto;
}

core::StepSpec FromProto(const v1::StepSpec& proto) {
  core::StepSpec spec;
  spec.id = proto.step_id();
  spec.image = proto.image();
  spec.args.assign(proto.args().begin(), proto.args().end());
  spec.entry_point = proto.entry_point();
  for (const v1::EnvVar& env : proto.envs()) spec.envs.emplace_back(env.name(), env.value());
  spec.work_dir = proto.work_dir();
  return spec;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  if (duration == absl::InfiniteDuration() || duration == -absl::InfiniteDuration()) return proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return proto;
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down, so nanos are never negative
  proto.set_seconds(seconds);
  proto.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return proto;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace rally::wire
