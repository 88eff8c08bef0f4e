#include "agent/runtime/purge_namespace.h"

#include <algorithm>
#include <vector>

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

absl::Status RemoveBlobs(const ContainerdConnection& connection) {
  std::vector<std::string> digests;
  {
    Call call(connection, CallLimits());
    content::ListContentRequest request;
    content::ListContentResponse response;
    const auto stream = connection.content().List(call.context(), request);
    while (stream->Read(&response)) {
      for (const auto& info : response.info()) digests.push_back(info.digest());
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return connection.ToStatus(status, "listing blobs");
  }
  for (const std::string& digest : digests) {
    Call call(connection, CallLimits());
    content::DeleteContentRequest request;
    request.set_digest(digest);
    google::protobuf::Empty response;
    const grpc::Status status = connection.content().Delete(call.context(), request, &response);
    if (!IsGone(status)) {
      return connection.ToStatus(status, absl::StrCat("removing blob ", digest));
    }
  }
  return absl::OkStatus();
}

// One that others are based on can't be removed, so what is left is tried again.
absl::Status RemoveSnapshots(const ContainerdConnection& connection) {
  for (size_t before = SIZE_MAX;;) {
    std::vector<std::string> keys;
    {
      Call call(connection, CallLimits());
      snapshots::ListSnapshotsRequest request;
      request.set_snapshotter(kSnapshotter);
      snapshots::ListSnapshotsResponse response;
      const auto stream = connection.snapshots().List(call.context(), request);
      while (stream->Read(&response)) {
        for (const auto& info : response.info()) keys.push_back(info.name());
      }
      const grpc::Status status = stream->Finish();
      if (!status.ok()) return connection.ToStatus(status, "listing snapshots");
    }
    if (keys.empty()) return absl::OkStatus();
    if (keys.size() >= before) {
      return absl::FailedPreconditionError(
          absl::StrCat("removing snapshot ", keys[0], ": it is in use"));
    }
    before = keys.size();
    for (const std::string& key : keys) {
      Call call(connection, CallLimits());
      snapshots::RemoveSnapshotRequest request;
      request.set_snapshotter(kSnapshotter);
      request.set_key(key);
      google::protobuf::Empty response;
      const grpc::Status status = connection.snapshots().Remove(call.context(), request, &response);
      if (!IsGone(status) && status.error_code() != grpc::StatusCode::FAILED_PRECONDITION) {
        return connection.ToStatus(status, absl::StrCat("removing snapshot ", key));
      }
    }
  }
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

// What was removed so far is gone from the books, but not from the disk. The end of a lease is what
// makes containerd see to that at once.
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
  for (const auto remove :
       {RemoveImages, RemoveLeases, RemoveSnapshots, RemoveBlobs, CollectGarbage}) {
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
