#include "agent/runtime/image_store.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/runtime/image_manifest.h"
#include "agent/runtime/layer_unpacker.h"
#include "agent/runtime/oci_layout_source.h"
#include "common/pipeline/image_reference.h"

namespace rally::runtime {
namespace {

constexpr size_t kMaxKnown = 1000;
// No registry can have this name.
constexpr char kImported[] = "rally.invalid/oci";

template <typename T>
absl::StatusOr<T> Named(absl::string_view image, absl::StatusOr<T> result) {
  if (result.ok()) return result;
  return absl::Status(result.status().code(),
                      absl::StrCat("image ", image, ": ", result.status().message()));
}

}  // namespace

absl::StatusOr<Image> ImageStore::Ensure(const ImageRequest& request, const CallLimits& limits) {
  absl::StatusOr<pipeline::ImageReference> reference =
      pipeline::ParseImageReference(request.reference);
  if (!reference.ok()) return Named<Image>(request.reference, reference.status());
  return Named(request.reference, by_reference_.Do(reference->ToString(), limits,
                                                   [&] { return Pull(*reference, limits); }));
}

absl::StatusOr<Image> ImageStore::Pull(const pipeline::ImageReference& reference,
                                       const CallLimits& limits) {
  RegistrySource source(reference, registries_, &plain_registries_);
  std::string digest = reference.digest;
  if (digest.empty()) {
    absl::StatusOr<ManifestDocument> resolved = source.ResolveTag(limits);
    if (!resolved.ok()) return resolved.status();
    digest = Sha256Of(resolved->bytes);
  } else if (!IsSha256Digest(digest)) {
    return absl::InvalidArgumentError("only sha256 digests are supported");
  }
  const std::string name = absl::StrCat(reference.registry, "/", reference.repository, "@", digest);
  return by_digest_.Do(name, limits, [&]() -> absl::StatusOr<Image> {
    absl::StatusOr<Image> found = Find(name, limits);
    if (found.ok() || !absl::IsNotFound(found.status())) return found;
    return Install(name, digest, &source, limits);
  });
}

absl::StatusOr<Image> ImageStore::Import(const OciImageRequest& request, const CallLimits& limits) {
  const std::string shown = absl::StrCat("oci:", request.path);
  absl::StatusOr<std::unique_ptr<OciLayoutSource>> source =
      OciLayoutSource::Open(request.root_fd, request.path);
  if (!source.ok()) return Named<Image>(shown, source.status());
  absl::StatusOr<BlobDescriptor> chosen = (*source)->Choose(request.digest);
  if (!chosen.ok()) return Named<Image>(shown, chosen.status());
  const std::string name = absl::StrCat(kImported, "@", chosen->digest);
  return Named(shown, by_digest_.Do(name, limits, [&]() -> absl::StatusOr<Image> {
    absl::StatusOr<Image> found = Find(name, limits);
    if (found.ok() || !absl::IsNotFound(found.status())) return found;
    return Install(name, chosen->digest, source->get(), limits);
  }));
}

absl::StatusOr<Image> ImageStore::Find(const std::string& name, const CallLimits& limits) {
  Image known;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = known_.find(name);
    if (found != known_.end()) known = found->second;
  }
  if (known.name.empty()) {
    absl::StatusOr<Image> found = installer_.Find(name, limits);
    if (!found.ok()) return found;
    absl::MutexLock lock(&mutex_);
    if (known_.size() >= kMaxKnown) known_.clear();
    known_[name] = *found;
    return found;
  }
  // It may have been removed behind our back.
  images::GetImageRequest request;
  request.set_name(name);
  images::GetImageResponse response;
  Call call(connection_, limits);
  const grpc::Status status = connection_.images().Get(call.context(), request, &response);
  if (!status.ok()) return connection_.ToStatus(status, "looking for the image");
  if (known.top_chain_id.empty()) return known;
  absl::StatusOr<bool> exists = SnapshotExists(connection_, known.top_chain_id, limits);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::NotFoundError("it is no longer unpacked");
  return known;
}

absl::StatusOr<Image> ImageStore::Install(const std::string& name, const std::string& digest,
                                          ImageSource* source, const CallLimits& limits) {
  absl::StatusOr<Image> image = installer_.Install(name, digest, source, limits);
  if (!image.ok()) return image;
  absl::MutexLock lock(&mutex_);
  if (known_.size() >= kMaxKnown) known_.clear();
  known_[name] = *image;
  return image;
}

}  // namespace rally::runtime
