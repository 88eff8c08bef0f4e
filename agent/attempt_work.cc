#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/attempt.h"
#include "agent/attempt_name.h"
#include "agent/failure.h"
#include "common/pipeline/image_reference.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

// What the thread of an attempt does.
namespace rally::agent {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr int kRegistryTries = 5;
constexpr int kWaitTries = 20;  // When containerd answers, but not with an exit.
constexpr absl::Duration kFirstFinishTimeout = absl::Seconds(1);
constexpr absl::Duration kFinishTimeout = absl::Seconds(5);
constexpr int kFinishTries = 12;

absl::Duration Since(int64_t boot_nanos) { return absl::Nanoseconds(BootNanos() - boot_nanos); }

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

absl::StatusOr<blob::Digest> InputOf(const v1::Digest& digest) {
  if (digest.hash().empty()) return blob::EmptyTreeDigest();
  return blob::MakeDigest(digest.hash(), digest.size_bytes());
}

// The reference, held to the digest that the build has resolved it to.
absl::StatusOr<std::string> ReferenceOf(const v1::StepSpec& spec) {
  auto reference = pipeline::ParseImageReference(spec.image());
  if (!reference.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("image \"", spec.image(), "\": ", reference.status().message()));
  }
  if (!spec.image_digest().empty()) reference->digest = spec.image_digest();
  return reference->ToString();
}

std::string Quoted(const std::string& image) { return absl::StrCat("image ", image); }

}  // namespace

Attempt::Failure::Failure(const absl::Status& status, std::string doing)
    : Failure(status, std::move(doing), CauseOf(status) != v1::REJECT_CAUSE_PERMANENT) {}

void Attempt::Run() {
  Left left = Work();
  if (prefetch_.joinable()) prefetch_.join();
  {
    absl::MutexLock lock(&mutex_);
    // An order to drop it that came meanwhile found the thread still here, and left it to it.
    if (dropped_) left = Left::kDropped;
    left_ = true;
  }
  on_left_(shared_from_this(), left);
  if (left == Left::kEnded) Report();
}

Attempt::Left Attempt::Work() {
  if (!recovery_.has_value()) {
    if (auto failure = Prepare()) return GiveUp(*failure);
  } else {
    const auto no_log = OpenLog(absl::nullopt);
    if (no_log) LOG(ERROR) << LogPrefix(key_) << no_log->doing << ": " << no_log->status;
    switch (*recovery_) {
      case Recovery::kDiscard:
        return Left::kRejected;
      case Recovery::kKeepPrepared:
        if (no_log) return GiveUp(*no_log);
        break;
      case Recovery::kAdopt: {
        const v1::AttemptRecord found = record();
        if (found.ending() != 0) {
          Terminate(tools_.limits.kill_grace);
        } else {
          ArmDeadline(found.deadline_boot_ns());
        }
        return Supervise();
      }
      case Recovery::kReportGone:
      case Recovery::kReportReboot: {
        v1::Result result = NewResult(v1::END_KIND_ERRORED);
        result.set_may_retry(true);
        result.set_message(*recovery_ == Recovery::kReportReboot
                               ? "the host was rebooted while the step ran"
                               : "the step's processes were gone when the agent came back: "
                                 "somebody removed its container");
        result.set_log_end(FinishLog());
        return End(std::move(result));
      }
      case Recovery::kResend:
        return Left::kEnded;
    }
  }
  if (!AwaitGrant()) return GiveUp(Failure(absl::CancelledError(), "waiting to be started"));
  if (auto failure = Begin()) return GiveUp(*failure);
  return Supervise();
}

absl::optional<Attempt::Failure> Attempt::Prepare() {
  const v1::Prepare prepare = record().prepare();
  if (absl::Status status = Persist(); !status.ok()) return Failure(status, "journalling", true);
  if (auto failure = OpenLog(0)) return failure;
  auto mount_point = tools_.workspaces->CreateMountPoint(name_);
  if (!mount_point.ok())
    return Failure(mount_point.status(), "making the workspace's mount point", true);

  if (prepare.has_input()) {
    // Only a head start: mounting fetches what is missing, and says what is wrong.
    prefetch_ = std::thread([this, digest = prepare.input()] {
      auto input = InputOf(digest);
      if (!input.ok()) return;
      const absl::Time deadline = absl::Now() + tools_.limits.prepare_bound;
      tools_.workspaces->EnsureTree(*input, deadline).IgnoreError();
    });
  }

  if (!pipeline::IsOciPath(prepare.spec().image())) {
    auto reference = ReferenceOf(prepare.spec());
    if (!reference.ok()) return Failure(reference.status(), "reading the image's name");
    const int64_t begin = BootNanos();
    const absl::Time deadline = absl::Now() + tools_.limits.prepare_bound;
    absl::StatusOr<runtime::Image> image;
    for (int tries = 0; tries < kRegistryTries; ++tries) {
      image = tools_.runtime->EnsureImage({*reference}, {deadline, &making_});
      if (image.ok() || !IsTransient(image.status()) || !Pause(tries)) break;
    }
    if (!image.ok()) {
      return Failure(image.status(), absl::StrCat("pulling ", Quoted(prepare.spec().image())));
    }
    {
      absl::MutexLock lock(&mutex_);
      *record_.mutable_pulling() = ToProto(Since(begin));
    }
    if (auto failure = MakeContainer(*image)) return failure;
  }

  {
    absl::MutexLock lock(&mutex_);
    record_.set_state(v1::ATTEMPT_STATE_PREPARED);
  }
  if (absl::Status status = Persist(); !status.ok()) return Failure(status, "journalling", true);
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kPrepared;
  }
  LOG(INFO) << LogPrefix(key_) << "prepared";
  Report();
  return absl::nullopt;
}

absl::optional<Attempt::Failure> Attempt::OpenLog(absl::optional<int64_t> send_from) {
  logs::AttemptLog::Options options;
  options.key = name_;
  options.stdout_fifo = tools_.data->stdout_fifo(name_);
  options.stderr_fifo = tools_.data->stderr_fifo(name_);
  options.spool_path = tools_.data->spool(name_);
  auto log = logs::AttemptLog::Start(tools_.keeper, options);
  std::shared_ptr<logs::AttemptLog> shared;
  if (log.ok()) shared = *std::move(log);
  {
    absl::MutexLock lock(&mutex_);
    log_ = shared;
    // A log that can't be read, or never began, has nothing to wait for.
    if (shared == nullptr || record_.result().never_started()) log_durable_ = true;
    if (log_durable_) shared = nullptr;
  }
  if (!log.ok()) return Failure(log.status(), "opening the log", true);
  if (shared != nullptr) tools_.logs->Add(key_, std::move(shared), send_from);
  return absl::nullopt;
}

absl::optional<Attempt::Failure> Attempt::MakeContainer(const runtime::Image& image) {
  auto mount_point = tools_.workspaces->CreateMountPoint(name_);
  if (!mount_point.ok())
    return Failure(mount_point.status(), "making the workspace's mount point", true);
  const v1::Prepare prepare = record().prepare();
  runtime::ContainerSpec spec;
  spec.id = name_;
  spec.labels = {{"rally.build", key_.build_id()},
                 {"rally.step", absl::StrCat(key_.step())},
                 {"rally.step-id", prepare.spec().step_id()},
                 {"rally.attempt", absl::StrCat(key_.attempt())}};
  spec.image = image;
  spec.args.assign(prepare.spec().args().begin(), prepare.spec().args().end());
  spec.entry_point = prepare.spec().entry_point();
  for (const v1::EnvVar& env : prepare.spec().envs())
    spec.envs.emplace_back(env.name(), env.value());
  spec.work_dir = prepare.spec().work_dir();
  spec.workspace_source = *std::move(mount_point);
  spec.init_path = tools_.data->init();
  spec.stdout_path = tools_.data->stdout_fifo(name_);
  spec.stderr_path = tools_.data->stderr_fifo(name_);
  spec.network = tools_.limits.network;
  spec.memory_bytes = tools_.limits.memory_bytes;
  spec.pids = tools_.limits.pids;
  spec.cpus = tools_.limits.cpus;
  const int64_t begin = BootNanos();
  absl::Status status =
      tools_.runtime->Create(spec, {absl::Now() + tools_.limits.prepare_bound, &making_});
  if (!status.ok()) return Failure(status, "making the container");
  absl::MutexLock lock(&mutex_);
  record_.set_image_digest(image.digest);
  record_.set_uid(image.account.uid);
  record_.set_gid(image.account.gid);
  *record_.mutable_creating() = ToProto(Since(begin));
  record_.set_container_made(true);
  return absl::nullopt;
}

bool Attempt::AwaitGrant() {
  absl::MutexLock lock(&mutex_);
  auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return granted_ || ending_ != 0 || dropped_ || detached_;
  };
  mutex_.Await(absl::Condition(&ready));
  return granted_ && ending_ == 0 && !dropped_ && !detached_;
}

absl::optional<Attempt::Failure> Attempt::Mount() {
  const v1::AttemptRecord now = record();
  auto input = InputOf(now.grant().input());
  if (!input.ok()) return Failure(input.status(), "reading the input tree's name", false);
  absl::Status status;
  for (int tries = 0;; ++tries) {
    status = tools_.workspaces->Mount(name_, *input, now.uid(), now.gid());
    if (!IsTransient(status) || !Pause(tries)) break;
  }
  if (status.ok()) return absl::nullopt;
  return Failure(status, "mounting the workspace", OtherHostMayMount(status));
}

// The image lies in the input tree, so that it can be read only now; and only it says whom the
// workspace has to belong to.
absl::optional<Attempt::Failure> Attempt::ImportImage(const std::string& image) {
  const std::string doing = absl::StrCat("importing ", Quoted(image));
  auto oci = pipeline::ParseOciPath(image);
  if (!oci.ok()) return Failure(oci.status(), doing, false);
  auto mount_point = tools_.workspaces->CreateMountPoint(name_);
  if (!mount_point.ok()) return Failure(mount_point.status(), doing, true);
  const int64_t begin = BootNanos();
  absl::StatusOr<runtime::Image> imported;
  {
    runtime::OciImageRequest request;
    request.root_fd = open(mount_point->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (request.root_fd < 0) {
      return Failure(absl::ErrnoToStatus(errno, *mount_point), doing, true);
    }
    absl::Cleanup close_root = [&request] { close(request.root_fd); };
    request.path = oci->path;
    request.digest = oci->digest;
    imported =
        tools_.runtime->ImportImage(request, {absl::Now() + tools_.limits.prepare_bound, &making_});
  }
  if (!imported.ok()) return Failure(imported.status(), doing);
  {
    absl::MutexLock lock(&mutex_);
    *record_.mutable_pulling() = ToProto(Since(begin));
  }
  const bool by_root = imported->account.uid == 0 && imported->account.gid == 0;
  if (!by_root) {
    absl::Status status = tools_.workspaces->Discard(name_);
    if (!status.ok()) return Failure(status, "mounting the workspace for the image's user", true);
  }
  if (auto failure = MakeContainer(*imported)) return failure;
  return by_root ? absl::nullopt : Mount();
}

absl::optional<Attempt::Failure> Attempt::Begin() {
  const int64_t begin = BootNanos();
  if (auto failure = Mount()) return failure;
  const v1::AttemptRecord before = record();
  if (!before.container_made()) {
    if (auto failure = ImportImage(before.prepare().spec().image())) return failure;
  }
  const google::protobuf::Duration restoring = ToProto(Since(begin));
  {
    absl::MutexLock lock(&mutex_);
    record_.set_state(v1::ATTEMPT_STATE_STARTING);
    *record_.mutable_restoring() = restoring;
  }
  // From here on a crash leaves it open whether the process ran.
  if (absl::Status status = Persist(); !status.ok()) return Failure(status, "journalling", true);
  {
    absl::MutexLock lock(&mutex_);
    if (ending_ != 0 || dropped_ || detached_) return Failure(absl::CancelledError(), "starting");
    phase_ = Phase::kStarting;
    process_started_ = true;
  }
  const absl::StatusOr<int> pid = tools_.runtime->Start(name_);
  if (!pid.ok()) return Failure(pid.status(), "starting the step's process", true);
  bool end_it;
  absl::Duration grace;
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kRunning;
    record_.set_state(v1::ATTEMPT_STATE_RUNNING);
    record_.set_started_boot_ns(BootNanos());
    end_it = ending_ != 0;
    grace = ending_grace_;
  }
  LOG(INFO) << LogPrefix(key_) << "started, pid " << *pid;
  Report();
  // Only a shortcut for the next process: STARTING with a running container means the same.
  if (absl::Status status = Persist(); !status.ok()) LOG(WARNING) << LogPrefix(key_) << status;
  // A signal from before the process was there reached nobody.
  if (end_it) Terminate(grace);
  return absl::nullopt;
}

absl::StatusOr<runtime::ContainerExit> Attempt::AwaitExit() {
  int odd_answers = 0;
  for (int tries = 0;; ++tries) {
    auto exit = tools_.runtime->Wait(name_, &watching_);
    if (exit.ok() || absl::IsNotFound(exit.status()) || absl::IsCancelled(exit.status())) {
      return exit;
    }
    if (!absl::IsUnavailable(exit.status()) && ++odd_answers >= kWaitTries) return exit;
    LOG_IF(WARNING, tries == 0) << LogPrefix(key_) << "waiting for its end: " << exit.status();
    if (!Pause(tries)) return absl::CancelledError();
  }
}

Attempt::Left Attempt::Supervise() {
  const absl::StatusOr<runtime::ContainerExit> exit = AwaitExit();
  v1::EndKind ending;
  bool dropped, detached;
  {
    absl::MutexLock lock(&mutex_);
    process_ended_ = true;
    ending = ending_;
    dropped = dropped_;
    detached = detached_;
  }
  if (dropped) return Left::kDropped;
  if (detached) return Left::kDetached;
  v1::Result result = NewResult(ending != 0 ? ending : v1::END_KIND_EXITED);
  const int64_t started = record().started_boot_ns();
  if (started != 0) *result.mutable_running() = ToProto(Since(started));
  if (!exit.ok()) {
    if (ending == 0) {
      result.set_kind(v1::END_KIND_ERRORED);
      result.set_may_retry(true);
      result.set_message(
          absl::IsNotFound(exit.status())
              ? "the step's processes disappeared without an exit code: its "
                "container was removed or its containerd shim was killed"
              : absl::StrCat("containerd can't say how the step ended: ", exit.status().message()));
    }
    result.set_log_end(FinishLog());
    return End(std::move(result));
  }
  result.set_exit_code(exit->exit_code);
  result.set_oom_killed(exit->oom_killed);
  LOG(INFO) << LogPrefix(key_) << "its process ended with exit code " << exit->exit_code
            << (exit->oom_killed ? " (out of memory)" : "");
  result.set_log_end(FinishLog());
  if (result.kind() != v1::END_KIND_CANCELLED) Capture(*exit, &result);
  return End(std::move(result));
}

int64_t Attempt::FinishLog() {
  std::shared_ptr<logs::AttemptLog> log;
  {
    absl::MutexLock lock(&mutex_);
    log = log_;
  }
  if (log == nullptr) return 0;
  absl::StatusOr<int64_t> end;
  for (int tries = 0; tries < kFinishTries; ++tries) {
    end = log->Finish(tries == 0 ? kFirstFinishTimeout : kFinishTimeout);
    if (end.ok()) return *end;
    if (!absl::IsDeadlineExceeded(end.status()) || StopWanted()) break;
    // The step is over: what it filled the disk with doesn't grow any more.
    tools_.data->SpendReserveIfFull();
    // The shim may hold on to the FIFOs; it lets go when the container is deleted.
    if (tries == kFinishTries - 2) tools_.runtime->Delete(name_).IgnoreError();
  }
  LOG(ERROR) << LogPrefix(key_) << "its log could not be read to the end: " << end.status();
  const int64_t reached = log->spool().end_offset();
  tools_.logs->CloseAt(key_, reached);
  return reached;
}

void Attempt::Capture(const runtime::ContainerExit& exit, v1::Result* result) {
  const int64_t begin = BootNanos();
  absl::StatusOr<workspace::WorkspaceStore::CaptureResult> captured;
  for (int tries = 0;; ++tries) {
    captured = tools_.workspaces->Capture(name_, absl::Now() + tools_.limits.capture_bound);
    // However long the controller is away, what the step made isn't given up.
    if (captured.ok() || !IsTransient(captured.status()) || !Pause(tries)) break;
    LOG_IF(WARNING, tries == 0) << LogPrefix(key_) << "capturing: " << captured.status();
  }
  *result->mutable_capturing() = ToProto(Since(begin));
  if (captured.ok()) {
    result->mutable_output()->set_hash(captured->output_root.hash);
    result->mutable_output()->set_size_bytes(captured->output_root.size_bytes);
    for (const std::string& warning : captured->warnings) result->add_warnings(warning);
    return;
  }
  result->set_kind(v1::END_KIND_ERRORED);
  result->set_may_retry(OtherHostMayCapture(captured.status()));
  result->set_message(
      absl::StrCat("the step ended with exit code ", exit.exit_code,
                   ", but its workspace could not be captured: ", captured.status().message()));
}

v1::Result Attempt::NewResult(v1::EndKind kind) const {
  v1::Result result;
  *result.mutable_key() = key_;
  result.set_kind(kind);
  return result;
}

Attempt::Left Attempt::GiveUp(const Failure& failure) {
  bool granted, started;
  v1::EndKind ending;
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return Left::kDropped;
    if (detached_) return Left::kDetached;
    granted = granted_;
    started = process_started_;
    ending = ending_;
  }
  const std::string message = absl::StrCat(failure.doing, ": ", failure.status.message());
  if (ending == 0 && !granted) {
    v1::AgentMessage rejection;
    *rejection.mutable_rejected()->mutable_key() = key_;
    rejection.mutable_rejected()->set_cause(failure.may_retry ? v1::REJECT_CAUSE_HERE
                                                              : v1::REJECT_CAUSE_PERMANENT);
    rejection.mutable_rejected()->set_message(message);
    LOG(WARNING) << LogPrefix(key_) << "rejected: " << message;
    tools_.outbox->Send(std::move(rejection));
    return Left::kRejected;
  }
  v1::Result result = NewResult(ending != 0 ? ending : v1::END_KIND_ERRORED);
  result.set_never_started(!started);
  if (ending == 0) {
    result.set_may_retry(failure.may_retry);
    result.set_message(message);
  } else {
    result.set_message(absl::StrCat(ending == v1::END_KIND_TIMED_OUT
                                        ? "the step's time was over before its process started, "
                                        : "cancelled before its process started, ",
                                    "while ", failure.doing));
  }
  if (started) {
    // Nobody knows whether it runs: it must not when the result says that it's over.
    tools_.runtime->Delete(name_).IgnoreError();
    result.set_log_end(FinishLog());
  } else {
    OnLogDurable();  // There is nothing in it.
  }
  return End(std::move(result));
}

Attempt::Left Attempt::End(v1::Result result) {
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return Left::kDropped;
    // Then a capture was cut short; the next process does it again.
    if (detached_ && result.kind() == v1::END_KIND_ERRORED) return Left::kDetached;
    record_.set_state(v1::ATTEMPT_STATE_ENDED);
    *record_.mutable_result() = result;
  }
  for (int tries = 0;; ++tries) {
    const absl::Status status = Persist();
    if (status.ok()) break;
    LOG_IF(ERROR, tries == 0) << LogPrefix(key_) << "its result can't be kept yet: " << status;
    if (absl::IsResourceExhausted(status)) tools_.data->SpendReserve();
    if (!Pause(tries)) {
      absl::MutexLock lock(&mutex_);
      return dropped_ ? Left::kDropped : Left::kDetached;
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kEnded;
  }
  LOG(INFO) << LogPrefix(key_) << "ended: " << v1::EndKind_Name(result.kind()) << " "
            << result.exit_code() << (result.message().empty() ? "" : ", ") << result.message();
  return Left::kEnded;
}

}  // namespace rally::agent
