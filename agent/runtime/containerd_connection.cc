#include "agent/runtime/containerd_connection.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace rally::runtime {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr absl::Duration kLeaseLifetime = absl::Hours(24);

std::shared_ptr<grpc::Channel> Connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // containerd restarts in a second; the default would wait up to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Two containerds on one path, one after the other, must not share a connection in a process.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(absl::StrCat("unix://", socket),
                                   grpc::InsecureChannelCredentials(), arguments);
}

bool SaysDiskFull(absl::string_view message) {
  return absl::StrContains(message, "no space left on device") ||
         absl::StrContains(message, "disk quota exceeded");
}

bool SaysWrongContent(absl::string_view message) {
  return absl::StrContains(message, "unexpected commit digest") ||
         absl::StrContains(message, "unexpected commit size") ||
         absl::StrContains(message, "failed size validation");
}

}  // namespace

ContainerdConnection::ContainerdConnection(std::string socket, std::string containerd_namespace,
                                           std::string snapshotter)
    : socket_(std::move(socket)),
      namespace_(std::move(containerd_namespace)),
      snapshotter_(std::move(snapshotter)),
      channel_(Connect(socket_)),
      containers_(containers::Containers::NewStub(channel_)),
      content_(content::Content::NewStub(channel_)),
      diff_(diff::Diff::NewStub(channel_)),
      images_(images::Images::NewStub(channel_)),
      leases_(leases::Leases::NewStub(channel_)),
      namespaces_(namespaces::Namespaces::NewStub(channel_)),
      snapshots_(snapshots::Snapshots::NewStub(channel_)),
      tasks_(tasks::Tasks::NewStub(channel_)),
      version_(version::Version::NewStub(channel_)) {}

absl::Status ContainerdConnection::ToStatus(const grpc::Status& status,
                                            absl::string_view what) const {
  if (status.ok()) return absl::OkStatus();
  const std::string& message = status.error_message();
  if (SaysDiskFull(message)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": the disk of containerd is full: ", message,
                     "; free space below containerd's root directory"));
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (absl::StrContains(message, "locked")) break;
      return absl::UnavailableError(absl::StrCat(what, ": containerd does not answer on ", socket_,
                                                 " (", message, "); check it with: ctr --address ",
                                                 socket_, " version"));
    case grpc::StatusCode::FAILED_PRECONDITION:
      if (SaysWrongContent(message)) return absl::DataLossError(absl::StrCat(what, ": ", message));
      break;
    // All that runc and the shim say comes as this.
    case grpc::StatusCode::UNKNOWN:
      return absl::InternalError(absl::StrCat(what, ": ", message));
    default:
      break;
  }
  // The numbers are the same by definition.
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(what, ": ", message));
}

Call::Call(const ContainerdConnection& connection, const CallLimits& limits,
           absl::string_view lease, absl::Duration at_most) {
  context_.AddMetadata("containerd-namespace", connection.containerd_namespace());
  if (!lease.empty()) context_.AddMetadata("containerd-lease", std::string(lease));
  context_.set_deadline(absl::ToChronoTime(std::min(limits.deadline, absl::Now() + at_most)));
  if (limits.cancellation != nullptr) {
    limits.cancellation->Subscribe([this] { context_.TryCancel(); }, &subscription_);
  }
}

absl::StatusOr<std::unique_ptr<Lease>> Lease::Take(const ContainerdConnection& connection,
                                                   const CallLimits& limits) {
  leases::CreateRequest request;
  request.set_id(UniqueName("rally-"));
  (*request.mutable_labels())["containerd.io/gc.expire"] =
      absl::FormatTime(absl::RFC3339_sec, absl::Now() + kLeaseLifetime, absl::UTCTimeZone());
  leases::CreateResponse response;
  Call call(connection, limits);
  const grpc::Status status = connection.leases().Create(call.context(), request, &response);
  if (!status.ok()) return connection.ToStatus(status, "taking a lease");
  return std::unique_ptr<Lease>(new Lease(connection, request.id()));
}

Lease::~Lease() {
  leases::DeleteRequest request;
  request.set_id(id_);
  google::protobuf::Empty response;
  // With limits of its own: it must go even when the work under it was cancelled. If this fails, it
  // expires.
  Call call(connection_, CallLimits());
  connection_.leases().Delete(call.context(), request, &response);
}

std::string UniqueName(absl::string_view prefix) {
  std::random_device device;
  return absl::StrFormat("%s%08x%08x", prefix, device(), device());
}

}  // namespace rally::runtime
