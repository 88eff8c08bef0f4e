#include "agent/runtime/layer_unpacker.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::runtime {
namespace {

constexpr absl::Duration kLongestUnpack = absl::Hours(1);

absl::Status UnpackLayer(const ContainerdConnection& connection, const BlobDescriptor& layer,
                         const std::string& diff_id, const std::string& parent,
                         const std::string& chain_id, const Lease& lease,
                         const CallLimits& limits) {
  snapshots::PrepareSnapshotRequest prepare;
  prepare.set_snapshotter(connection.snapshotter());
  prepare.set_key(UniqueName("extract-") + " " + chain_id);
  prepare.set_parent(parent);
  (*prepare.mutable_labels())["containerd.io/snapshot.ref"] = chain_id;
  snapshots::PrepareSnapshotResponse prepared;
  const std::string what = absl::StrCat("unpacking layer ", layer.digest);
  {
    Call call(connection, limits, lease.id());
    const grpc::Status status = connection.snapshots().Prepare(call.context(), prepare, &prepared);
    if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) return absl::OkStatus();
    if (!status.ok()) return connection.ToStatus(status, what);
  }
  absl::Cleanup remove = [&] { RemoveSnapshot(connection, prepare.key()).IgnoreError(); };

  diff::ApplyRequest apply;
  apply.mutable_diff()->set_media_type(layer.media_type);
  apply.mutable_diff()->set_digest(layer.digest);
  apply.mutable_diff()->set_size(layer.size_bytes);
  *apply.mutable_mounts() = prepared.mounts();
  diff::ApplyResponse applied;
  {
    Call call(connection, limits, lease.id(), kLongestUnpack);
    const grpc::Status status = connection.diff().Apply(call.context(), apply, &applied);
    if (!status.ok()) return connection.ToStatus(status, what);
  }
  if (applied.applied().digest() != diff_id) {
    return absl::DataLossError(absl::StrCat("layer ", layer.digest, " unpacks to ",
                                            applied.applied().digest(),
                                            ", and the image's configuration says ", diff_id));
  }
  snapshots::CommitSnapshotRequest commit;
  commit.set_snapshotter(connection.snapshotter());
  commit.set_name(chain_id);
  commit.set_key(prepare.key());
  (*commit.mutable_labels())["containerd.io/snapshot.ref"] = chain_id;
  google::protobuf::Empty committed;
  Call call(connection, limits, lease.id());
  const grpc::Status status = connection.snapshots().Commit(call.context(), commit, &committed);
  // Another thread may have been faster; then ours goes.
  if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) return absl::OkStatus();
  if (!status.ok()) return connection.ToStatus(status, what);
  std::move(remove).Cancel();
  return absl::OkStatus();
}

}  // namespace

absl::Status UnpackLayers(const ContainerdConnection& connection,
                          const std::vector<BlobDescriptor>& layers,
                          const std::vector<std::string>& diff_ids, const Lease& lease,
                          const CallLimits& limits) {
  const std::vector<std::string> chain = ChainIds(diff_ids);
  for (size_t i = 0; i < layers.size(); ++i) {
    absl::StatusOr<bool> exists = SnapshotExists(connection, chain[i], limits);
    if (!exists.ok()) return exists.status();
    if (*exists) continue;
    const absl::Status status = UnpackLayer(connection, layers[i], diff_ids[i],
                                            i == 0 ? "" : chain[i - 1], chain[i], lease, limits);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SnapshotExists(const ContainerdConnection& connection, const std::string& name,
                                    const CallLimits& limits) {
  snapshots::StatSnapshotRequest request;
  request.set_snapshotter(connection.snapshotter());
  request.set_key(name);
  snapshots::StatSnapshotResponse response;
  Call call(connection, limits);
  const grpc::Status status = connection.snapshots().Stat(call.context(), request, &response);
  if (status.ok()) return true;
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return false;
  return connection.ToStatus(status, absl::StrCat("looking for snapshot ", name));
}

absl::StatusOr<std::vector<std::string>> LayerDirectories(const ContainerdConnection& connection,
                                                          const std::string& top_chain_id,
                                                          const CallLimits& limits) {
  std::vector<std::string> directories;
  if (top_chain_id.empty()) return directories;
  absl::StatusOr<std::unique_ptr<Lease>> lease = Lease::Take(connection, limits);
  if (!lease.ok()) return lease.status();
  snapshots::ViewSnapshotRequest request;
  request.set_snapshotter(connection.snapshotter());
  request.set_key(UniqueName("view-"));
  request.set_parent(top_chain_id);
  snapshots::ViewSnapshotResponse response;
  {
    Call call(connection, limits, (*lease)->id());
    const grpc::Status status = connection.snapshots().View(call.context(), request, &response);
    if (!status.ok()) return connection.ToStatus(status, "looking into the image");
  }
  // The layers' own directories stay when the view goes.
  if (absl::Status status = RemoveSnapshot(connection, request.key()); !status.ok()) return status;
  for (const auto& mount : response.mounts()) {
    if (mount.type() == "bind") directories.push_back(mount.source());
    for (absl::string_view option : mount.options()) {
      if (!absl::ConsumePrefix(&option, "lowerdir=")) continue;
      for (absl::string_view lower : absl::StrSplit(option, ':')) directories.emplace_back(lower);
    }
  }
  return directories;
}

absl::Status RemoveSnapshot(const ContainerdConnection& connection, const std::string& key) {
  snapshots::RemoveSnapshotRequest request;
  request.set_snapshotter(connection.snapshotter());
  request.set_key(key);
  google::protobuf::Empty response;
  Call call(connection, CallLimits());
  const grpc::Status status = connection.snapshots().Remove(call.context(), request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return absl::OkStatus();
  return connection.ToStatus(status, absl::StrCat("removing snapshot ", key));
}

}  // namespace rally::runtime
