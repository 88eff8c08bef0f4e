#include "agent/runtime/containerd_runtime.h"

#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <map>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/core/oci_spec.h"
#include "agent/runtime/containerd_connection.h"
#include "agent/runtime/image_store.h"
#include "agent/runtime/layer_unpacker.h"
#include "agent/runtime/memory_kills.h"
#include "agent/runtime/stray_shim.h"
#include "github.com/containerd/containerd/runtime/v2/runc/options/oci.pb.h"

namespace rally::runtime {
namespace {

constexpr char kRuntimeName[] = "io.containerd.runc.v2";
constexpr char kSpecType[] = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
constexpr char kOptionsType[] = "containerd.runc.v1.Options";
constexpr absl::Duration kCheckTimeout = absl::Seconds(5);
constexpr absl::Duration kWaitSlice = absl::Minutes(10);
constexpr absl::Duration kKillTimeout = absl::Seconds(20);
// How long containerd may be away, say to be upgraded, before Wait() gives up on it.
constexpr absl::Duration kOutage = absl::Seconds(60);
constexpr absl::Duration kOutagePause = absl::Milliseconds(200);
// How long containerd may take to notice that a shim is gone; it takes about 0.1 s.
constexpr absl::Duration kShimCleanup = absl::Seconds(5);
constexpr absl::Duration kShimPause = absl::Milliseconds(50);

constexpr char kHostsText[] =
    "127.0.0.1\tlocalhost rally\n::1\tlocalhost ip6-localhost ip6-loopback\n";

bool IsNotFound(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::NOT_FOUND;
}

uint64_t OpenFilesHardLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return 0;
  return limit.rlim_max;
}

std::string HostsFile(const ContainerdOptions& options) {
  return options.data_directory.empty() ? "" : absl::StrCat(options.data_directory, "/hosts");
}

ContainerState StateOf(::containerd::v1::types::Status status) {
  switch (status) {
    case ::containerd::v1::types::CREATED:
      return ContainerState::kCreated;
    case ::containerd::v1::types::STOPPED:
      return ContainerState::kStopped;
    default:  // Paused is alive too; unknown is taken for alive, so that it gets killed.
      return ContainerState::kRunning;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ContainerdRuntime>> ContainerdRuntime::Make(
    ContainerdOptions options) {
  if (!options.data_directory.empty()) {
    std::ofstream hosts(HostsFile(options), std::ios::trunc);
    hosts << kHostsText << std::flush;
    if (!hosts.good()) {
      return absl::FailedPreconditionError(absl::StrCat("cannot write ", HostsFile(options),
                                                        "; check that the directory exists, is "
                                                        "writable, and that its disk is not full"));
    }
  }
  return std::unique_ptr<ContainerdRuntime>(new ContainerdRuntime(std::move(options)));
}

ContainerdRuntime::ContainerdRuntime(ContainerdOptions options)
    : options_(std::move(options)),
      limits_swap_(CanLimitSwap()),
      connection_(std::make_unique<ContainerdConnection>(
          options_.socket, options_.containerd_namespace, options_.snapshotter)),
      images_(std::make_unique<ImageStore>(*connection_, options_.registries)) {}

ContainerdRuntime::~ContainerdRuntime() = default;

absl::Status ContainerdRuntime::Check() {
  google::protobuf::Empty request;
  version::VersionResponse response;
  const CallLimits limits(absl::Now() + kCheckTimeout);
  {
    Call call(*connection_, limits);
    const grpc::Status status = connection_->version().Version(call.context(), request, &response);
    if (!status.ok()) return connection_->ToStatus(status, "looking for containerd");
  }
  absl::StatusOr<bool> exists = SnapshotExists(*connection_, "rally-check", limits);
  if (exists.ok() || !absl::IsInvalidArgument(exists.status())) return exists.status();
  return absl::FailedPreconditionError(
      absl::StrCat("containerd ", response.version(), " has no snapshotter ", options_.snapshotter,
                   "; see: ctr --address ", options_.socket, " plugins ls"));
}

absl::StatusOr<Image> ContainerdRuntime::EnsureImage(const ImageRequest& request,
                                                     CallLimits limits) {
  return images_->Ensure(request, limits);
}

absl::StatusOr<Image> ContainerdRuntime::ImportImage(const OciImageRequest& request,
                                                     CallLimits limits) {
  return images_->Import(request, limits);
}

absl::StatusOr<std::string> ContainerdRuntime::SpecJson(const ContainerSpec& spec) const {
  core::OciSpecInput input;
  input.id = spec.id;
  input.image_name = spec.image.name;
  input.image_entrypoint = spec.image.entrypoint;
  input.image_cmd = spec.image.cmd;
  input.image_env = spec.image.env;
  input.args = spec.args;
  input.entry_point = spec.entry_point;
  input.envs = spec.envs;
  input.work_dir = spec.work_dir;
  input.uid = spec.image.account.uid;
  input.gid = spec.image.account.gid;
  input.additional_gids = spec.image.account.additional_gids;
  input.home = spec.image.account.home;
  input.init_source = spec.init_path;
  input.report_source = spec.start_report_path;
  input.workspace_source = spec.workspace_source;
  input.nofile_hard_limit = OpenFilesHardLimit();
  input.host_network = spec.network == StepNetwork::kHost;
  input.hosts_source = input.host_network ? "/etc/hosts" : HostsFile(options_);
  if (input.host_network) input.resolv_conf_source = "/etc/resolv.conf";
  input.memory_bytes = spec.memory_bytes;
  input.pids = spec.pids;
  input.cpus = spec.cpus;
  input.limits_swap = limits_swap_;
  return core::OciSpecJson(input);
}

absl::Status ContainerdRuntime::Create(const ContainerSpec& spec, CallLimits limits) {
  const std::string what = absl::StrCat("creating container ", spec.id);
  if (absl::Status spent = CheckLimits(limits, what); !spent.ok()) return spent;
  absl::StatusOr<std::string> spec_json = SpecJson(spec);
  if (!spec_json.ok()) return spec_json.status();
  // The record first: it holds the snapshot against garbage collection before that exists.
  if (absl::Status status = CreateRecord(spec, *spec_json, limits); !status.ok()) return status;
  absl::Cleanup remove = [&] { Delete(spec.id).IgnoreError(); };  // List() shows what remains.
  if (absl::Status status = CreateTask(spec, limits); !status.ok()) return status;
  if (limits.cancellation != nullptr && limits.cancellation->IsCancelled()) {
    return absl::CancelledError(absl::StrCat(what, ": cancelled"));
  }
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::Status ContainerdRuntime::CreateRecord(const ContainerSpec& spec,
                                             const std::string& spec_json,
                                             const CallLimits& limits) {
  ::containerd::runc::v1::Options runc;
  // A step that isn't root may open its own /dev/stdout.
  runc.set_io_uid(spec.image.account.uid);
  runc.set_io_gid(spec.image.account.gid);
  containers::CreateContainerRequest request;
  auto* container = request.mutable_container();
  container->set_id(spec.id);
  container->mutable_labels()->insert(spec.labels.begin(), spec.labels.end());
  container->set_image(spec.image.name);
  container->mutable_runtime()->set_name(kRuntimeName);
  container->mutable_runtime()->mutable_options()->set_type_url(kOptionsType);
  container->mutable_runtime()->mutable_options()->set_value(runc.SerializeAsString());
  container->set_snapshotter(options_.snapshotter);
  container->set_snapshot_key(spec.id);
  container->mutable_spec()->set_type_url(kSpecType);
  container->mutable_spec()->set_value(spec_json);
  containers::CreateContainerResponse response;
  Call call(*connection_, limits);
  return connection_->ToStatus(connection_->containers().Create(call.context(), request, &response),
                               absl::StrCat("creating container ", spec.id));
}

absl::Status ContainerdRuntime::CreateTask(const ContainerSpec& spec, const CallLimits& limits) {
  const std::string what = absl::StrCat("creating container ", spec.id);
  snapshots::PrepareSnapshotRequest prepare;
  prepare.set_snapshotter(options_.snapshotter);
  prepare.set_key(spec.id);
  prepare.set_parent(spec.image.top_chain_id);
  snapshots::PrepareSnapshotResponse prepared;
  {
    Call call(*connection_, limits);
    const grpc::Status status =
        connection_->snapshots().Prepare(call.context(), prepare, &prepared);
    if (IsNotFound(status)) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": image ", spec.image.name,
                       " is no longer unpacked in containerd; it must be pulled again"));
    }
    if (!status.ok()) return connection_->ToStatus(status, what);
  }
  tasks::CreateTaskRequest request;
  request.set_container_id(spec.id);
  *request.mutable_rootfs() = prepared.mounts();
  request.set_stdout(spec.stdout_path);
  request.set_stderr(spec.stderr_path);
  tasks::CreateTaskResponse response;
  // Not cancelled midway: that would leave a shim that nobody knows. It takes 40 ms.
  Call call(*connection_, CallLimits(limits.deadline));
  return connection_->ToStatus(connection_->tasks().Create(call.context(), request, &response),
                               what);
}

absl::StatusOr<int> ContainerdRuntime::Start(const std::string& id) {
  tasks::StartRequest request;
  request.set_container_id(id);
  tasks::StartResponse response;
  Call call(*connection_, CallLimits());
  const grpc::Status status = connection_->tasks().Start(call.context(), request, &response);
  if (!status.ok()) return connection_->ToStatus(status, absl::StrCat("starting container ", id));
  return static_cast<int>(response.pid());
}

absl::StatusOr<ContainerExit> ContainerdRuntime::Wait(const std::string& id,
                                                      Cancellation* cancellation) {
  const std::string what = absl::StrCat("waiting for container ", id);
  const CallLimits limits(absl::InfiniteFuture(), cancellation);
  absl::Time failing_since = absl::InfiniteFuture();
  while (true) {
    if (absl::Status spent = CheckLimits(limits, what); !spent.ok()) return spent;
    tasks::WaitRequest request;
    request.set_container_id(id);
    tasks::WaitResponse response;
    grpc::Status status;
    {
      Call call(*connection_, limits, "", kWaitSlice);
      status = connection_->tasks().Wait(call.context(), request, &response);
    }
    if (status.ok()) {
      ContainerExit exit;
      exit.exit_code = static_cast<int>(response.exit_status());
      exit.exited_at = absl::FromUnixSeconds(response.exited_at().seconds()) +
                       absl::Nanoseconds(response.exited_at().nanos());
      exit.oom_killed = KernelKilledForMemory(absl::StrCat("/rally/", id));
      return exit;
    }
    absl::Duration patience, pause;
    switch (status.error_code()) {
      case grpc::StatusCode::DEADLINE_EXCEEDED:  // The slice is over.
        failing_since = absl::InfiniteFuture();
        continue;
      case grpc::StatusCode::UNAVAILABLE:  // Containers live on while containerd restarts.
        patience = kOutage;
        pause = kOutagePause;
        break;
      case grpc::StatusCode::UNKNOWN:  // The shim went away; soon its task does too.
        patience = kShimCleanup;
        pause = kShimPause;
        break;
      case grpc::StatusCode::NOT_FOUND:
        return absl::NotFoundError(
            absl::StrCat(what,
                         ": its processes are gone and nobody knows how they ended (was its "
                         "shim killed?)"));
      default:
        return connection_->ToStatus(status, what);
    }
    if (failing_since == absl::InfiniteFuture()) failing_since = absl::Now();
    if (absl::Now() - failing_since > patience) return connection_->ToStatus(status, what);
    Pause(pause, limits);
  }
}

absl::Status ContainerdRuntime::Signal(const std::string& id, int signal, bool all) {
  tasks::KillRequest request;
  request.set_container_id(id);
  request.set_signal(static_cast<uint32_t>(signal));
  request.set_all(all);
  google::protobuf::Empty response;
  Call call(*connection_, CallLimits(absl::Now() + kKillTimeout));
  const grpc::Status status = connection_->tasks().Kill(call.context(), request, &response);
  if (IsNotFound(status)) return absl::OkStatus();
  return connection_->ToStatus(status, absl::StrCat("sending signal ", signal, " to ", id));
}

absl::Status ContainerdRuntime::KillAndReap(const std::string& id) {
  if (absl::Status status = Signal(id, SIGKILL, /*all=*/true); !status.ok()) return status;
  tasks::WaitRequest request;
  request.set_container_id(id);
  tasks::WaitResponse response;
  Call call(*connection_, CallLimits(absl::Now() + kKillTimeout));
  const grpc::Status status = connection_->tasks().Wait(call.context(), request, &response);
  if (IsNotFound(status)) return absl::OkStatus();
  return connection_->ToStatus(status, absl::StrCat("killing container ", id));
}

absl::Status ContainerdRuntime::DeleteTask(const std::string& id) {
  const std::string what = absl::StrCat("deleting container ", id);
  tasks::GetRequest get;
  get.set_container_id(id);
  tasks::GetResponse got;
  {
    Call call(*connection_, CallLimits());
    const grpc::Status status = connection_->tasks().Get(call.context(), get, &got);
    if (!status.ok()) return connection_->ToStatus(status, what);
  }
  if (got.process().status() != ::containerd::v1::types::STOPPED) {
    if (absl::Status status = KillAndReap(id); !status.ok()) return status;
  }
  tasks::DeleteTaskRequest request;
  request.set_container_id(id);
  tasks::DeleteResponse response;
  Call call(*connection_, CallLimits());
  const grpc::Status status = connection_->tasks().Delete(call.context(), request, &response);
  if (IsNotFound(status)) return absl::OkStatus();
  return connection_->ToStatus(status, what);
}

absl::StatusOr<bool> ContainerdRuntime::AdoptOrphan(const std::string& id) {
  tasks::ListTasksRequest list;
  tasks::ListTasksResponse listed;
  {
    Call call(*connection_, CallLimits());
    const grpc::Status status = connection_->tasks().List(call.context(), list, &listed);
    if (!status.ok()) return connection_->ToStatus(status, "listing tasks");
  }
  bool found = false;
  for (const auto& task : listed.tasks()) found |= task.id() == id;
  if (!found) return false;
  containers::CreateContainerRequest request;
  request.mutable_container()->set_id(id);
  request.mutable_container()->mutable_runtime()->set_name(kRuntimeName);
  request.mutable_container()->mutable_spec()->set_type_url(kSpecType);
  request.mutable_container()->mutable_spec()->set_value("{}");
  containers::CreateContainerResponse response;
  Call call(*connection_, CallLimits());
  const grpc::Status status = connection_->containers().Create(call.context(), request, &response);
  // There is a record, so the task may be about to end by itself.
  if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) return true;
  if (!status.ok()) return connection_->ToStatus(status, absl::StrCat("adopting container ", id));
  return true;
}

absl::Status ContainerdRuntime::Delete(const std::string& id) {
  absl::Status status = DeleteTask(id);
  if (absl::IsNotFound(status)) {
    absl::StatusOr<bool> orphan = AdoptOrphan(id);
    if (!orphan.ok()) return orphan.status();
    status = *orphan ? DeleteTask(id) : EndStrayShim(options_.containerd_namespace, id);
  }
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  containers::DeleteContainerRequest request;
  request.set_id(id);
  google::protobuf::Empty response;
  {
    Call call(*connection_, CallLimits());
    const grpc::Status deleted =
        connection_->containers().Delete(call.context(), request, &response);
    if (!deleted.ok() && !IsNotFound(deleted)) {
      return connection_->ToStatus(deleted, absl::StrCat("deleting container ", id));
    }
  }
  return RemoveSnapshot(*connection_, id);
}

absl::StatusOr<std::vector<ContainerStatus>> ContainerdRuntime::List() {
  std::map<std::string, ContainerStatus> by_id;
  {
    containers::ListContainersRequest request;
    containers::ListContainerMessage message;
    Call call(*connection_, CallLimits());
    // A stream: a list in one message is bounded by the message's size.
    const auto stream = connection_->containers().ListStream(call.context(), request);
    while (stream->Read(&message)) {
      ContainerStatus& status = by_id[message.container().id()];
      status.id = message.container().id();
      status.labels.insert(message.container().labels().begin(),
                           message.container().labels().end());
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return connection_->ToStatus(status, "listing containers");
  }
  tasks::ListTasksRequest request;
  tasks::ListTasksResponse response;
  Call call(*connection_, CallLimits());
  const grpc::Status listed = connection_->tasks().List(call.context(), request, &response);
  if (!listed.ok()) return connection_->ToStatus(listed, "listing containers");
  for (const auto& task : response.tasks()) {
    ContainerStatus& status = by_id[task.id()];
    status.id = task.id();
    status.state = StateOf(task.status());
    status.pid = static_cast<int>(task.pid());
  }
  std::vector<ContainerStatus> statuses;
  for (auto& [id, status] : by_id) statuses.push_back(std::move(status));
  return statuses;
}

}  // namespace rally::runtime
