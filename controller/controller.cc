#include "controller/controller.h"

#include <fcntl.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/blob_endpoint.h"
#include "common/blob/directory_reader.h"
#include "controller/blob/blob_backend.h"
#include "controller/blob/embedded_backend.h"
#include "controller/blob/external_backend.h"
#include "controller/blob_trace.h"
#include "controller/build_pins.h"
#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/patient_joiner.h"
#include "controller/service/agent_service.h"
#include "controller/service/build_service.h"
#include "controller/service/build_watchers.h"
#include "controller/service/log_service.h"
#include "controller/store/sqlite_journal.h"
#include "controller/wire/build_wire.h"
#include "controller/worker_pool.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

// Threads that wait for disks. Checks of submissions can be long; joins too, which moreover wait
// while a store elsewhere is away; logs and reports are short and must not wait behind them.
constexpr int kWorkers = 2;
constexpr int kJoinWorkers = 2;
constexpr int kLogWorkers = 2;
constexpr int kReportWorkers = 1;
constexpr size_t kQueuedJobs = 8192;
// How long calls may go on that don't end by themselves, when the controller stops.
constexpr absl::Duration kShutdownGrace = absl::Milliseconds(300);
// Trees of live builds that joins read again and again.
constexpr int64_t kDirectoryCacheBytes = 8 << 20;

// A folder that this process alone uses, until it ends.
class DataFolder {
 public:
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(const std::string& path) {
    // With its parents, which others may look into.
    for (size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) return CannotMake(path, parent);
    }
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return CannotMake(path, path);
    const int fd = open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("can't write in the data folder ", path, ": ", strerror(errno)));
    }
    auto folder = std::unique_ptr<DataFolder>(new DataFolder(fd));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("another rally-controller uses the data folder ", path));
    }
    return folder;
  }
  ~DataFolder() { close(fd_); }

 private:
  explicit DataFolder(int fd) : fd_(fd) {}

  static absl::Status CannotMake(const std::string& path, const std::string& at) {
    return absl::FailedPreconditionError(absl::StrCat("can't make the data folder ", path, ": ", at,
                                                      ": ", strerror(errno),
                                                      "; give another with --data"));
  }

  const int fd_;
};

// gRPC takes over a socket that lies there already. That must not be a living server's.
absl::Status CheckSocketPath(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("can't listen on ", path, ": there is something that isn't a socket"));
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answered =
      fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (fd >= 0) close(fd);
  if (!answered) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("can't listen on ", path,
                   ": another server does; stop it, or give another "
                   "address with --listen"));
}

}  // namespace

// Members are in the order of construction: what is below may use what is above.
class Controller::Impl : public CommandSink {
 public:
  explicit Impl(const Options& options)
      : options_(options),
        workers_(kWorkers, kQueuedJobs),
        join_workers_(kJoinWorkers, kQueuedJobs),
        log_workers_(kLogWorkers, kQueuedJobs),
        report_workers_(kReportWorkers, kQueuedJobs) {}

  ~Impl() override {
    if (server_ != nullptr) {
      agents_->CloseAll();
      server_->Shutdown(absl::ToChronoTime(absl::Now() + kShutdownGrace));
      server_->Wait();
    }
    // Jobs post to the loop, and the loop's commands become jobs: the jobs end first.
    workers_.Stop();
    if (joiner_ != nullptr) joiner_->Stop();
    join_workers_.Stop();
    log_workers_.Stop();
    report_workers_.Stop();
    loop_.reset();
  }

  absl::Status Start() {
    auto folder = DataFolder::Open(options_.data);
    if (!folder.ok()) return folder.status();
    folder_ = *std::move(folder);
    if (absl::Status status = OpenBlobs(); !status.ok()) return status;
    auto logs = LogStore::Open(options_.data + "/logs");
    if (!logs.ok()) return logs.status();
    logs_ = *std::move(logs);
    AgentService::Parts agents;
    agents.logs = logs_.get();
    agents.workers = &report_workers_;
    agents.blobs_are_durable = [this] { return blobs_->IsSynced(); };
    agents.sync_blobs = [this] { return blobs_->Sync(); };
    agents.heartbeat = options_.heartbeat;
    agents.grace = options_.grace;
    agents_ = std::make_unique<AgentService>(std::move(agents));

    auto journal = store::SqliteJournal::Open(options_.data + "/journal.db");
    if (!journal.ok()) return journal.status();
    Loop::Options loop_options;
    loop_options.liveness = {options_.suspect_after, options_.lost_after};
    loop_options.exclusive_lease = options_.exclusive_lease;
    loop_options.unknown_after = options_.unknown_after;
    auto loop = Loop::Open(loop_options, *std::move(journal), this);
    if (!loop.ok()) return loop.status();
    loop_ = *std::move(loop);
    agents_->SetLoop(loop_.get());
    // Only now: the loop's first commands become jobs that post to it.
    loop_->Start();
    loop_->Query([this](const core::Core& core) { RestorePins(core); });
    return Serve();
  }

  const std::string& address() const { return address_; }

  // CommandSink
  void SendToAgent(const std::string& agent, const core::Command& command, int64_t epoch) override {
    agents_->Send(agent, command, epoch);
  }
  void Join(core::JoinTrees join) override {
    join_workers_.Post([this, join = std::move(join)] {
      auto joined = joiner_->Join(join);
      if (joined.has_value()) loop_->Post(*std::move(joined));
    });
  }
  void Trace(core::TraceBlobs trace) override {
    workers_.Post(
        [this, trace = std::move(trace)] { loop_->Post(TraceInTrees(trace, *directories_)); });
  }
  bool IsWatched(const std::string& build_id) override { return watchers_.IsWatched(build_id); }
  void Publish(const core::Build& build) override {
    watchers_.Publish(std::make_shared<v1::Build>(wire::ToProto(build)));
  }
  void LogEnds(const core::AttemptKey& key, int64_t log_end) override {
    logs_->SetEnd(key, log_end);
  }
  void NeedsTree(const std::string& build_id, const core::Digest& tree) override {
    // Agents and old journals can say anything.
    const auto digest = blob::MakeDigest(tree.hash, tree.size_bytes);
    if (digest.ok()) pins_->Needs(build_id, *digest);
  }
  void BuildEnded(const std::string& build_id) override { pins_->Ended(build_id); }

 private:
  absl::Status OpenBlobs() {
    if (options_.blob_endpoint.empty()) {
      cas::DiskStoreOptions disk;
      disk.limits = {options_.blob_bytes, options_.blob_files, options_.blob_keep_free_percent};
      disk.grace = options_.blob_grace;
      disk.await_pins = true;
      auto opened = cas::EmbeddedBackend::Open(options_.data, std::move(disk));
      if (!opened.ok()) return opened.status();
      blobs_ = *std::move(opened);
    } else {
      auto endpoint = blob::ParseBlobEndpoint(options_.blob_endpoint);
      if (!endpoint.ok()) return endpoint.status();
      auto opened =
          cas::ExternalBackend::Open(*endpoint, options_.security.tls, options_.blob_endpoint_wait);
      if (!opened.ok()) return opened.status();
      blobs_ = *std::move(opened);
      LOG(INFO) << "blobs are in " << endpoint->url;
    }
    directories_ =
        std::make_unique<blob::CachingDirectoryReader>(&blobs_->store(), kDirectoryCacheBytes);
    joiner_ = std::make_unique<PatientJoiner>(directories_.get(), &blobs_->store(),
                                              [this] { return blobs_->Sync(); });
    BuildPins::Parts pins;
    pins.directories = &blobs_->outlines();
    pins.pin = [this](auto keys) { blobs_->Pin(keys); };
    pins.unpin = [this](auto keys) { blobs_->Unpin(keys); };
    pins.on_restored = [this] { blobs_->AllowEviction(); };
    pins.touch = [this](auto digests) { return blobs_->store().FindMissing(digests); };
    pins.touch_interval = blobs_->touch_interval();
    pins.keep_after_end = options_.keep_workspaces;
    pins_ = std::make_unique<BuildPins>(std::move(pins));
    return absl::OkStatus();
  }

  // Loop thread: the trees that builds of before this start need. Of what comes later the pins are
  // told as it comes.
  void RestorePins(const core::Core& core) {
    const absl::Time now = absl::Now();
    for (const core::Build* build : core.Builds()) {
      const bool ended = core::IsTerminal(build->status);
      if (ended && now - build->ended_at > options_.keep_workspaces) continue;
      const auto need = [&](const core::Digest& tree) {
        if (!tree.empty()) NeedsTree(build->id, tree);
      };
      need(build->context);
      for (const core::Step& step : build->steps) {
        need(step.input);
        need(step.output);
      }
      need(build->workspace);
      if (ended) pins_->Ended(build->id, now - build->ended_at);
    }
    pins_->Restored();
  }

  absl::Status Serve() {
    BuildService::Parts parts;
    parts.loop = loop_.get();
    parts.logs = logs_.get();
    parts.watchers = &watchers_;
    parts.workers = &workers_;
    parts.readers = &log_workers_;
    parts.find_missing = [this](const blob::Digest& tree) {
      return blobs_->FindMissingInTree(tree);
    };
    parts.sync_blobs = [this] { return blobs_->Sync(); };
    parts.pipelines = options_.pipelines;
    builds_ = std::make_unique<BuildService>(std::move(parts));
    log_service_ =
        std::make_unique<LogService>(LogService::Parts{logs_.get(), loop_.get(), &log_workers_});

    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    rpc::ConfigureServer(&builder);
    // Or else a second controller could share the port, and get half of the connections.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    auto credentials = rpc::MakeServerCredentials(options_.security, options_.listen);
    if (!credentials.ok()) return credentials.status();
    const std::string unix_path(
        absl::StartsWith(options_.listen, "unix:") ? options_.listen.substr(strlen("unix:")) : "");
    if (!unix_path.empty()) {
      if (absl::Status status = CheckSocketPath(unix_path); !status.ok()) return status;
    }
    int port = 0;
    builder.AddListeningPort(options_.listen, *credentials, &port);
    builder.RegisterService(builds_.get());
    builder.RegisterService(agents_.get());
    builder.RegisterService(log_service_.get());
    blobs_->AddTo(&builder);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || (unix_path.empty() && port == 0)) {
      return absl::FailedPreconditionError(
          absl::StrCat("can't listen on ", options_.listen,
                       ": is it taken? Give another address with --listen"));
    }
    address_ = options_.listen;
    if (unix_path.empty()) {
      address_ = absl::StrCat(address_.substr(0, address_.rfind(':')), ":", port);
    } else {
      chmod(unix_path.c_str(), 0600);
    }
    LOG(INFO) << "epoch " << loop_->epoch() << ", " << loop_->replayed()
              << " events replayed, listening on " << address_;
    return absl::OkStatus();
  }

  const Options options_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<cas::BlobBackend> blobs_;
  std::unique_ptr<blob::CachingDirectoryReader> directories_;
  std::unique_ptr<PatientJoiner> joiner_;
  std::unique_ptr<BuildPins> pins_;
  std::unique_ptr<LogStore> logs_;
  BuildWatchers watchers_;
  std::unique_ptr<AgentService> agents_;
  std::unique_ptr<Loop> loop_;
  WorkerPool workers_;
  WorkerPool join_workers_;
  WorkerPool log_workers_;
  WorkerPool report_workers_;
  std::unique_ptr<BuildService> builds_;
  std::unique_ptr<LogService> log_service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

absl::StatusOr<std::unique_ptr<Controller>> Controller::Start(const Options& options) {
  if (absl::Status status = Validate(options); !status.ok()) return status;
  auto impl = std::make_unique<Impl>(options);
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<Controller>(new Controller(std::move(impl)));
}

Controller::Controller(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Controller::~Controller() = default;

const std::string& Controller::address() const { return impl_->address(); }

}  // namespace rally::controller
