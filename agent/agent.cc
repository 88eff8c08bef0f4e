#include "agent/agent.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "agent/attempt_tools.h"
#include "agent/data_directory.h"
#include "agent/executor.h"
#include "agent/init/embedded_init.h"
#include "agent/journal.h"
#include "agent/keeper/embedded.h"
#include "agent/log_uploader.h"
#include "agent/logs/keeper_client.h"
#include "agent/outbox.h"
#include "agent/runtime/containerd_runtime.h"
#include "agent/session.h"
#include "agent/space_watch.h"
#include "agent/step_clock.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/blob_endpoint.h"
#include "common/blob/cas_client.h"
#include "common/boot_id.h"
#include "common/rpc/channel.h"
#include "common/version.h"
#include "glog/logging.h"

namespace rally::agent {
namespace {

// "what: the reason", as the operator reads it.
absl::Status Explain(const absl::Status& status, absl::string_view what) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::Status AwaitRuntime(runtime::ContainerRuntime* runtime, const Options& options) {
  // A daemon that was just installed or booted may be up before containerd is.
  const absl::Time deadline = absl::Now() + options.containerd_wait;
  absl::Duration pause = absl::Milliseconds(100);
  while (true) {
    const absl::Status status = runtime->Check();
    if (status.ok() || absl::Now() + pause > deadline) {
      if (status.ok()) return status;
      return Explain(status, absl::StrCat("containerd at ", options.containerd));
    }
    LOG_EVERY_N(WARNING, 20) << "waiting for containerd: " << status;
    absl::SleepFor(pause);
    pause = std::min(2 * pause, absl::Seconds(1));
  }
}

}  // namespace

// In the order of construction; what is below uses what is above.
struct Agent::Parts {
  Options options;
  std::unique_ptr<DataDirectory> data;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<runtime::ContainerRuntime> runtime;
  std::shared_ptr<grpc::Channel> control_channel;
  std::shared_ptr<grpc::Channel> bulk_channel;  // Logs, and blobs that are the controller's.
  std::unique_ptr<blob::BlobStore> blobs;
  std::unique_ptr<workspace::WorkspaceStore> workspaces;
  std::unique_ptr<logs::KeeperClient> keeper;
  std::unique_ptr<StepClock> clock;
  std::unique_ptr<SpaceWatch> space;
  Outbox outbox;
  std::unique_ptr<LogUploader> uploader;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Session> session;

  ~Parts();
  absl::Status OpenLocal();
  absl::Status OpenRemote();
  absl::Status Compose();
};

Agent::Parts::~Parts() {
  if (session != nullptr) session->Stop();
  if (executor != nullptr) executor->Stop(options.end_steps_at_stop);
  if (uploader != nullptr) uploader->Stop();
  // It stays as long as it holds output of steps that go on; that isn't an error.
  if (keeper != nullptr) keeper->ExitIfIdle().IgnoreError();
}

absl::Status Agent::Parts::OpenLocal() {
  auto opened = DataDirectory::Open(options.data);
  if (!opened.ok()) return opened.status();
  data = *std::move(opened);
  if (absl::Status status = data->InstallInit(EmbeddedInit()); !status.ok()) return status;

  auto found = Journal::Open(data->journal());
  if (!found.ok()) return found.status();
  journal = *std::move(found);

  runtime::ContainerdOptions containerd;
  containerd.socket = options.containerd;
  containerd.containerd_namespace = options.containerd_namespace;
  containerd.data_directory = options.data;
  auto made = runtime::ContainerdRuntime::Make(std::move(containerd));
  if (!made.ok()) return made.status();
  runtime = *std::move(made);
  return AwaitRuntime(runtime.get(), options);
}

absl::Status Agent::Parts::OpenRemote() {
  auto control = rpc::Dial(options.controller, options.security, rpc::Connection::kOwn);
  if (!control.ok()) return control.status();
  control_channel = *std::move(control);
  auto bulk = rpc::Dial(options.controller, options.security, rpc::Connection::kOwn);
  if (!bulk.ok()) return bulk.status();
  bulk_channel = *std::move(bulk);
  if (options.blob_endpoint.empty()) {
    blobs = std::make_unique<blob::CasClient>(bulk_channel, blob::CasClient::Options());
  } else {
    auto endpoint = blob::ParseBlobEndpoint(options.blob_endpoint);
    if (!endpoint.ok()) return endpoint.status();
    // Like the controller it may be away now, and asked in vain until it's back.
    auto channel = blob::DialBlobEndpoint(*endpoint, options.security.tls);
    if (!channel.ok()) return channel.status();
    blobs =
        std::make_unique<blob::CasClient>(*std::move(channel), blob::ClientOptionsFor(*endpoint));
    LOG(INFO) << "blobs are in " << endpoint->url;
  }

  workspace::WorkspaceStore::Options store;
  store.directory = data->workspaces();
  store.budget = {options.workspace_bytes, options.workspace_keep_free_percent};
  auto opened = workspace::WorkspaceStore::Open(store, blobs.get());
  if (!opened.ok()) return Explain(opened.status(), "the store of workspaces");
  workspaces = *std::move(opened);

  logs::KeeperClient::Options keeping;
  keeping.directory = data->keeper();
  keeping.executable = keeper::EmbeddedKeeper();
  auto started = logs::KeeperClient::Start(keeping);
  if (!started.ok()) return Explain(started.status(), "the keeper of the steps' output");
  keeper = *std::move(started);
  return absl::OkStatus();
}

absl::Status Agent::Parts::Compose() {
  auto boot_id = ReadBootId();
  if (!boot_id.ok()) return boot_id.status();
  auto started = StepClock::Start();
  if (!started.ok()) return started.status();
  clock = *std::move(started);
  space = std::make_unique<SpaceWatch>(
      data.get(), [this](int64_t wanted_bytes) { workspaces->KeepBudget(wanted_bytes); });
  uploader = std::make_unique<LogUploader>(bulk_channel);

  AttemptTools tools;
  tools.runtime = runtime.get();
  tools.workspaces = workspaces.get();
  tools.keeper = keeper.get();
  tools.journal = journal.get();
  tools.data = data.get();
  tools.clock = clock.get();
  tools.outbox = &outbox;
  tools.logs = uploader.get();
  tools.limits.network = options.network;
  tools.limits.memory_bytes = options.step_memory_bytes;
  tools.limits.cpus = options.step_cpus;
  tools.limits.pids = options.step_pids;
  tools.limits.kill_grace = options.kill_grace;
  executor = std::make_unique<Executor>(tools, options.slots);
  uploader->Start([this](const v1::AttemptKey& key) { executor->OnLogDurable(key); });

  const bool rebooted = !journal->found_boot_id().empty() && journal->found_boot_id() != *boot_id;
  LOG_IF(INFO, rebooted) << "the host was rebooted";
  if (absl::Status status = executor->Recover(rebooted); !status.ok()) {
    return Explain(status, "taking up the attempts of before");
  }
  if (absl::Status status = journal->SetBootId(*boot_id); !status.ok()) return status;

  Session::Identity identity;
  identity.name = options.name;
  identity.boot_id = *std::move(boot_id);
  identity.slots = options.slots;
  identity.labels = options.labels;
  session = std::make_unique<Session>(control_channel, identity, journal.get(), executor.get(),
                                      &outbox, [watch = space.get()] { return watch->Latest(); });
  session->Start();
  LOG(INFO) << "rally-agent " << kVersion << " " << options.name << " with " << options.slots
            << " slots works for " << options.controller << ", data in " << options.data;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const Options& options) {
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  absl::Status status = parts->OpenLocal();
  if (status.ok()) status = parts->OpenRemote();
  if (status.ok()) status = parts->Compose();
  if (!status.ok()) return status;
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Agent::~Agent() = default;

bool Agent::connected() const { return parts_->session->connected(); }

const std::string& Agent::name() const { return parts_->options.name; }

}  // namespace rally::agent
