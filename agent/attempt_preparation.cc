#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "agent/attempt.h"
#include "agent/attempt_name.h"
#include "agent/failure.h"
#include "agent/start_report.h"
#include "common/pipeline/image_reference.h"
#include "glog/logging.h"

// What the thread of an attempt does until the step's process runs.
namespace rally::agent {
namespace {

constexpr int kRegistryTries = 5;

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

}  // namespace

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
    const std::string pulling = absl::StrCat("pulling image ", prepare.spec().image());
    SetActivity(pulling);
    absl::StatusOr<runtime::Image> image;
    for (int tries = 1;; ++tries) {
      image = tools_.runtime->EnsureImage({*reference}, {deadline, &making_});
      if (image.ok()) break;
      // It names the image as well.
      const std::string why(
          absl::StripPrefix(image.status().message(), absl::StrCat("image ", *reference, ": ")));
      image = absl::Status(image.status().code(), why);
      if (!IsTransient(image.status()) || tries == kRegistryTries) break;
      SetActivity(absl::StrCat(pulling, ", try ", tries + 1, " of ", kRegistryTries,
                               "; the last failed: ", why));
      if (!Pause(tries - 1)) break;
    }
    if (!image.ok()) return Failure(image.status(), pulling);
    {
      absl::MutexLock lock(&mutex_);
      *record_.mutable_pulling() = SinceBootTime(begin);
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
    activity_.clear();
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
    const bool never_began = record_.result().never_started() && record_.result().log_end() == 0;
    if (shared == nullptr || never_began) log_durable_ = true;
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
  spec.start_report_path = tools_.data->start_report(name_);
  const auto secret = MakeStartReport(spec.start_report_path);
  if (!secret.ok()) return Failure(secret.status(), "making the file for its init's report", true);
  spec.stdout_path = tools_.data->stdout_fifo(name_);
  spec.stderr_path = tools_.data->stderr_fifo(name_);
  spec.network = tools_.limits.network;
  spec.memory_bytes = tools_.limits.memory_bytes;
  spec.pids = tools_.limits.pids;
  spec.cpus = tools_.limits.cpus;
  const int64_t begin = BootNanos();
  SetActivity("making the container");
  absl::Status status =
      tools_.runtime->Create(spec, {absl::Now() + tools_.limits.prepare_bound, &making_});
  if (!status.ok()) return Failure(status, "making the container");
  absl::MutexLock lock(&mutex_);
  record_.set_image_digest(image.digest);
  record_.set_uid(image.account.uid);
  record_.set_gid(image.account.gid);
  record_.set_start_secret(*secret);
  *record_.mutable_creating() = SinceBootTime(begin);
  record_.set_container_made(true);
  return absl::nullopt;
}

absl::optional<Attempt::Failure> Attempt::Mount() {
  const v1::AttemptRecord now = record();
  auto input = InputOf(now.grant().input());
  if (!input.ok()) return Failure(input.status(), "reading the input tree's name", false);
  SetActivity("fetching what its workspace lacks");
  absl::Status status;
  for (int tries = 0;; ++tries) {
    status = tools_.workspaces->Mount(name_, *input, now.uid(), now.gid());
    if (!IsTransient(status)) break;
    SetActivity(absl::StrCat("fetching its workspace, try ", tries + 2,
                             "; the last failed: ", status.message()));
    if (!Pause(tries)) break;
  }
  if (status.ok()) return absl::nullopt;
  Failure failure(status, "mounting the workspace", OtherHostMayMount(status));
  failure.missing = FindLost(status);
  return failure;
}

std::vector<blob::Digest> Attempt::FindLost(const absl::Status& status) {
  const auto input = InputOf(record().grant().input());
  if (!input.ok() || !(absl::IsNotFound(status) || absl::IsDataLoss(status))) return {};
  const auto lost = tools_.workspaces->FindLost(*input, absl::Now() + tools_.limits.prepare_bound);
  // The failure itself is reported all the same, as one of this host.
  LOG_IF(WARNING, !lost.ok()) << LogPrefix(key_) << "looking for lost blobs: " << lost.status();
  return lost.ok() ? *lost : std::vector<blob::Digest>();
}

// The image lies in the input tree, so that it can be read only now; and only it says whom the
// workspace has to belong to.
absl::optional<Attempt::Failure> Attempt::ImportImage(const std::string& image) {
  const std::string doing = absl::StrCat("importing image ", image);
  SetActivity(doing);
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
    *record_.mutable_pulling() = SinceBootTime(begin);
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
  const google::protobuf::Duration restoring = SinceBootTime(begin);
  {
    absl::MutexLock lock(&mutex_);
    record_.set_state(v1::ATTEMPT_STATE_STARTING);
    *record_.mutable_restoring() = restoring;
  }
  // From here on a crash leaves it open whether the process ran.
  if (absl::Status status = Persist(); !status.ok()) return Failure(status, "journalling", true);
  {
    absl::MutexLock lock(&mutex_);
    // The clock's thread may be late with it.
    if (ending_ == 0 && LeaseIsOut()) ending_ = v1::END_KIND_ERRORED;
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
    activity_.clear();
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

}  // namespace rally::agent
