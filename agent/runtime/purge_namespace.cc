#include "agent/runtime/purge_namespace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/runtime/containerd_connection.h"

namespace rally::runtime {
namespace {

constexpr char kSnapshotter[] = "overlayfs";

bool IsGone(const grpc::Status& status) {
  return status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND;
}

absl::StatusOr<bool> HasContainers(const ContainerdConnection& connection) {
  Call call(connection, CallLimits());
  containers::ListContainersRequest request;
  containers::ListContainerMessage message;
  const auto stream = connection.containers().ListStream(call.context(), request);
  const bool any = stream->Read(&message);
  if (any) {
    call.context()->TryCancel();
    stream->Finish();
    return true;
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return connection.ToStatus(status, "listing containers");
  return false;
}

absl::Status RemoveImages(const ContainerdConnection& connection) {
  images::ListImagesResponse list;
  {
    Call call(connection, CallLimits());
    const grpc::Status status =
        connection.images().List(call.context(), images::ListImagesRequest(), &list);
    if (!status.ok()) return connection.ToStatus(status, "listing images");
  }
  for (const auto& image : list.images()) {
    Call call(connection, CallLimits());
    images::DeleteImageRequest request;
    request.set_name(image.name());
    google::protobuf::Empty response;
    const grpc::Status status = connection.images().Delete(call.context(), request, &response);
    if (!IsGone(status)) {
      return connection.ToStatus(status, absl::StrCat("removing image ", image.name()));
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveLease(const ContainerdConnection& connection, const std::string& id, bool wait) {
  Call call(connection, CallLimits());
  leases::DeleteRequest request;
  request.set_id(id);
  // Collects garbage, of all namespaces, before it answers.
  request.set_sync(wait);
  google::protobuf::Empty response;
  const grpc::Status status = connection.leases().Delete(call.context(), request, &response);
  if (IsGone(status)) return absl::OkStatus();
  return connection.ToStatus(status, absl::StrCat("removing lease ", id));
}

absl::Status RemoveLeases(const ContainerdConnection& connection) {
  leases::ListResponse list;
  {
    Call call(connection, CallLimits());
    const grpc::Status status =
        connection.leases().List(call.context(), leases::ListRequest(), &list);
    if (!status.ok()) return connection.ToStatus(status, "listing leases");
  }
  for (const auto& lease : list.leases()) {
    if (absl::Status status = RemoveLease(connection, lease.id(), false); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// Without images and leases nothing holds the blobs and snapshots. They are left to containerd's
// collector rather than removed one by one: it may run at any moment, and a snapshot whose child it
// took counts as in use for everybody but itself. The end of a lease is what makes it run at once.
absl::Status CollectGarbage(const ContainerdConnection& connection) {
  leases::CreateRequest request;
  request.set_id(UniqueName("rally-purge-"));
  leases::CreateResponse response;
  {
    Call call(connection, CallLimits());
    const grpc::Status status = connection.leases().Create(call.context(), request, &response);
    if (!status.ok()) return connection.ToStatus(status, "taking a lease");
  }
  return RemoveLease(connection, request.id(), /*wait=*/true);
}

}  // namespace

absl::StatusOr<bool> NamespaceExists(const std::string& socket,
                                     const std::string& containerd_namespace) {
  const ContainerdConnection connection(socket, containerd_namespace, kSnapshotter);
  Call call(connection, CallLimits());
  // Get would say yes to any name.
  namespaces::ListNamespacesResponse list;
  const grpc::Status status =
      connection.namespaces().List(call.context(), namespaces::ListNamespacesRequest(), &list);
  if (!status.ok()) return connection.ToStatus(status, "listing namespaces");
  return std::any_of(list.namespaces().begin(), list.namespaces().end(),
                     [&](const auto& found) { return found.name() == containerd_namespace; });
}

absl::Status PurgeNamespace(const std::string& socket, const std::string& containerd_namespace) {
  const absl::StatusOr<bool> exists = NamespaceExists(socket, containerd_namespace);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::OkStatus();
  const ContainerdConnection connection(socket, containerd_namespace, kSnapshotter);
  const absl::StatusOr<bool> in_use = HasContainers(connection);
  if (!in_use.ok()) return in_use.status();
  if (*in_use) {
    return absl::FailedPreconditionError(
        absl::StrCat("containerd's namespace \"", containerd_namespace,
                     "\" isn't emptied, because there are containers in it"));
  }
  for (const auto remove : {RemoveImages, RemoveLeases, CollectGarbage}) {
    if (absl::Status status = remove(connection); !status.ok()) return status;
  }
  Call call(connection, CallLimits());
  namespaces::DeleteNamespaceRequest request;
  request.set_name(containerd_namespace);
  google::protobuf::Empty response;
  const grpc::Status status = connection.namespaces().Delete(call.context(), request, &response);
  if (IsGone(status)) return absl::OkStatus();
  return connection.ToStatus(status, absl::StrCat("removing namespace ", containerd_namespace));
}

}  // namespace rally::runtime
