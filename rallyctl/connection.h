#ifndef RALLY_RALLYCTL_CONNECTION_H_
#define RALLY_RALLYCTL_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/blob/cas_client.h"
#include "common/rpc/channel.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::rallyctl {

struct ServerSettings {
  std::string address = "127.0.0.1:7470";
  rpc::TlsFiles tls;
  // How long a controller that doesn't answer is tried, also amid a transfer.
  absl::Duration patience = absl::Seconds(10);
};

// The way to one controller: one channel, for everything that a command does.
//
// Threads: thread-safe. Blocking: Open doesn't, but begins to connect, so that work on this machine
// overlaps with it. AwaitReady and Call do, at most for the patience and the call's own deadline.
class Connection {
 public:
  // PermissionDenied: a socket that this user may not open.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ServerSettings& settings);

  const std::string& address() const { return settings_.address; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::BuildService::Stub* builds() const { return builds_.get(); }
  // Of a client of the controller's store.
  blob::CasClient::Options StoreOptions() const;

  // `on_wait` is told once, when the controller doesn't answer at once. Unavailable says what the
  // reason is and what to do.
  absl::Status AwaitReady(const std::function<void(const std::string&)>& on_wait);

  // Makes a unary call, and again while the answer is UNAVAILABLE: only for what may be repeated.
  absl::Status Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);

  // The error for a call that ended as UNAVAILABLE: the controller can't be reached or, if it can,
  // misses something itself, as `why` says.
  absl::Status Unreachable(absl::string_view why) const;

 private:
  Connection(ServerSettings settings, std::shared_ptr<grpc::Channel> channel);

  const ServerSettings settings_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::BuildService::Stub> builds_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_CONNECTION_H_
