#ifndef RALLY_AGENT_RUNTIME_CONTAINERD_CONNECTION_H_
#define RALLY_AGENT_RUNTIME_CONTAINERD_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/runtime/container_runtime.h"
#include "github.com/containerd/containerd/api/services/containers/v1/containers.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/content/v1/content.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/diff/v1/diff.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/images/v1/images.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/leases/v1/leases.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/namespaces/v1/namespace.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/snapshots/v1/snapshots.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/tasks/v1/tasks.grpc.pb.h"
#include "github.com/containerd/containerd/api/services/version/v1/version.grpc.pb.h"

namespace rally::runtime {

namespace containers = ::containerd::services::containers::v1;
namespace content = ::containerd::services::content::v1;
namespace diff = ::containerd::services::diff::v1;
namespace images = ::containerd::services::images::v1;
namespace leases = ::containerd::services::leases::v1;
namespace namespaces = ::containerd::services::namespaces::v1;
namespace snapshots = ::containerd::services::snapshots::v1;
namespace tasks = ::containerd::services::tasks::v1;
namespace version = ::containerd::services::version::v1;

// Long enough for a metadata write on a busy disk, short enough for a thread to be waiting.
inline constexpr absl::Duration kShortCall = absl::Seconds(60);

// One channel to one containerd, the stubs on it, and the namespace that all calls name. It does
// not know what the calls mean. Threads: thread-safe. Blocking: never; the channel connects by
// itself.
class ContainerdConnection {
 public:
  ContainerdConnection(std::string socket, std::string containerd_namespace,
                       std::string snapshotter);

  const std::string& socket() const { return socket_; }
  const std::string& containerd_namespace() const { return namespace_; }
  const std::string& snapshotter() const { return snapshotter_; }

  containers::Containers::Stub& containers() const { return *containers_; }
  content::Content::Stub& content() const { return *content_; }
  diff::Diff::Stub& diff() const { return *diff_; }
  images::Images::Stub& images() const { return *images_; }
  leases::Leases::Stub& leases() const { return *leases_; }
  namespaces::Namespaces::Stub& namespaces() const { return *namespaces_; }
  snapshots::Snapshots::Stub& snapshots() const { return *snapshots_; }
  tasks::Tasks::Stub& tasks() const { return *tasks_; }
  version::Version::Stub& version() const { return *version_; }

  // What a failed call means, in words and codes that callers can act on. `what` says what was
  // being done, to what: "creating container b1-2-1". OK stays OK.
  absl::Status ToStatus(const grpc::Status& status, absl::string_view what) const;

 private:
  const std::string socket_, namespace_, snapshotter_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<containers::Containers::Stub> containers_;
  const std::unique_ptr<content::Content::Stub> content_;
  const std::unique_ptr<diff::Diff::Stub> diff_;
  const std::unique_ptr<images::Images::Stub> images_;
  const std::unique_ptr<leases::Leases::Stub> leases_;
  const std::unique_ptr<namespaces::Namespaces::Stub> namespaces_;
  const std::unique_ptr<snapshots::Snapshots::Stub> snapshots_;
  const std::unique_ptr<tasks::Tasks::Stub> tasks_;
  const std::unique_ptr<version::Version::Stub> version_;
};

// The context of one call: the namespace, perhaps a lease, the caller's limits but at most
// `at_most`. Lives on the stack around the call; cancelling the limits cancels the call.
class Call {
 public:
  Call(const ContainerdConnection& connection, const CallLimits& limits,
       absl::string_view lease = "", absl::Duration at_most = kShortCall);

  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
  Cancellation::Subscription subscription_;  // Ends before the context does.
};

// Holds what is made under it against containerd's garbage collection, until it is destroyed or a
// day after a crash. Blocking: construction and destruction are one short call each.
class Lease {
 public:
  static absl::StatusOr<std::unique_ptr<Lease>> Take(const ContainerdConnection& connection,
                                                     const CallLimits& limits);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const std::string& id() const { return id_; }

 private:
  Lease(const ContainerdConnection& connection, std::string id)
      : connection_(connection), id_(std::move(id)) {}

  const ContainerdConnection& connection_;  // Outlives this.
  const std::string id_;
};

// A name that nobody else uses: `prefix` and 16 hexadecimal digits.
std::string UniqueName(absl::string_view prefix);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTAINERD_CONNECTION_H_
