#include "agent/runtime/image_installer.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/runtime/image_manifest.h"
#include "agent/runtime/image_user.h"
#include "agent/runtime/layer_unpacker.h"

namespace rally::runtime {

// What an image consists of, from its own documents.
struct ImageInstaller::Parts {
  BlobDescriptor target;    // What the reference resolved to: the manifest, or the index over it.
  BlobDescriptor manifest;  // For linux/amd64.
  ImageManifest content;
  ImageConfig config;
  std::string top_chain_id;
};

namespace {

BlobDescriptor DescriptorOf(const std::string& digest, const ManifestDocument& document,
                            const ImageManifest& parsed) {
  BlobDescriptor descriptor;
  descriptor.digest = digest;
  descriptor.size_bytes = static_cast<int64_t>(document.bytes.size());
  descriptor.media_type = parsed.media_type;
  return descriptor;
}

}  // namespace

absl::StatusOr<Image> ImageInstaller::Install(const std::string& name, const std::string& digest,
                                              ImageSource* source, const CallLimits& limits) const {
  absl::StatusOr<std::unique_ptr<Lease>> taken = Lease::Take(connection_, limits);
  if (!taken.ok()) return taken.status();
  const Lease& lease = **taken;
  Parts parts;
  std::string at = digest;
  // An index may point to another index, in layouts on disk; not forever.
  for (int depth = 0; depth < 3; ++depth) {
    absl::StatusOr<ManifestDocument> document = Manifest(at, source, lease, limits);
    if (!document.ok()) return document.status();
    absl::StatusOr<ImageManifest> parsed =
        ParseImageManifest(document->bytes, document->media_type);
    if (!parsed.ok()) return parsed.status();
    parts.manifest = DescriptorOf(at, *document, *parsed);
    if (depth == 0) parts.target = parts.manifest;
    parts.content = *std::move(parsed);
    if (!parts.content.is_index) break;
    absl::StatusOr<BlobDescriptor> chosen = ChoosePlatform(parts.content.children);
    if (!chosen.ok()) return chosen.status();
    const absl::Status labelled = content_.Label(
        at, {{"containerd.io/gc.ref.content.m.0", chosen->digest}}, lease.id(), limits);
    if (!labelled.ok()) return labelled;
    at = chosen->digest;
  }
  if (parts.content.is_index) return absl::InvalidArgumentError("its indexes are nested too deep");

  const ImageManifest& content = parts.content;
  if (content.config.size_bytes > kMaxManifestBytes) {
    return absl::InvalidArgumentError("its configuration is larger than 4 MiB");
  }
  if (absl::Status status = Fetch({content.config}, source, lease, limits); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::string> text = content_.Read(content.config.digest, limits);
  if (!text.ok()) return text.status();
  absl::StatusOr<ImageConfig> config = ParseImageConfig(*text);
  if (!config.ok()) return config.status();
  parts.config = *std::move(config);
  if (parts.config.diff_ids.size() != content.layers.size()) {
    return absl::InvalidArgumentError(absl::StrCat("its manifest has ", content.layers.size(),
                                                   " layers and its configuration ",
                                                   parts.config.diff_ids.size()));
  }
  if (!parts.config.diff_ids.empty()) parts.top_chain_id = ChainIds(parts.config.diff_ids).back();

  if (absl::Status status = Fetch(content.layers, source, lease, limits); !status.ok()) {
    return status;
  }
  // Before unpacking, so that each snapshot is held from its first moment.
  if (absl::Status status = Label(parts, lease, limits); !status.ok()) return status;
  absl::Status status =
      UnpackLayers(connection_, content.layers, parts.config.diff_ids, lease, limits);
  if (!status.ok()) return status;
  absl::StatusOr<Image> image = Describe(name, parts, limits);
  if (!image.ok()) return image;
  if (status = Record(name, parts, limits); !status.ok()) return status;
  return image;
}

absl::StatusOr<Image> ImageInstaller::Find(const std::string& name,
                                           const CallLimits& limits) const {
  images::GetImageRequest request;
  request.set_name(name);
  images::GetImageResponse response;
  {
    Call call(connection_, limits);
    const grpc::Status status = connection_.images().Get(call.context(), request, &response);
    if (!status.ok()) return connection_.ToStatus(status, "looking for the image");
  }
  // A record stands for a complete image, unless somebody removed parts by hand; then installing
  // again without a source repairs it or says what is missing.
  return Install(name, response.image().target().digest(), nullptr, limits);
}

absl::StatusOr<ManifestDocument> ImageInstaller::Manifest(const std::string& digest,
                                                          ImageSource* source, const Lease& lease,
                                                          const CallLimits& limits) const {
  ManifestDocument document;
  absl::StatusOr<std::string> stored = content_.Read(digest, limits);
  if (stored.ok()) {
    document.bytes = *std::move(stored);
  } else if (absl::IsNotFound(stored.status()) && source != nullptr) {
    absl::StatusOr<ManifestDocument> delivered = source->ReadManifest(digest, limits);
    if (!delivered.ok()) return delivered.status();
    document = *std::move(delivered);
  } else {
    return stored.status();
  }
  const absl::Status status = Store(digest, document.bytes, lease, limits);
  if (!status.ok()) return status;
  return document;
}

absl::Status ImageInstaller::Store(const std::string& digest, absl::string_view bytes,
                                   const Lease& lease, const CallLimits& limits) const {
  BlobDescriptor blob;
  blob.digest = digest;
  blob.size_bytes = static_cast<int64_t>(bytes.size());
  absl::StatusOr<std::unique_ptr<BlobWriter>> writer = content_.Write(blob, lease.id(), limits);
  if (!writer.ok()) return writer.status();
  if (*writer == nullptr) return absl::OkStatus();
  if (absl::Status status = (*writer)->Append(bytes.substr((*writer)->offset())); !status.ok()) {
    return status;
  }
  return (*writer)->Commit();
}

absl::Status ImageInstaller::Fetch(const std::vector<BlobDescriptor>& blobs, ImageSource* source,
                                   const Lease& lease, const CallLimits& limits) const {
  const BlobReceiver receive =
      [&](const BlobDescriptor& blob,
          const std::function<absl::Status(BlobWriter&)>& deliver) -> absl::Status {
    absl::StatusOr<std::unique_ptr<BlobWriter>> writer = content_.Write(blob, lease.id(), limits);
    if (!writer.ok()) return writer.status();
    if (*writer == nullptr) return absl::OkStatus();
    // Another namespace of this containerd may have all of it; then there is nothing to send.
    if ((*writer)->offset() < blob.size_bytes) {
      if (absl::Status status = deliver(**writer); !status.ok()) return status;
    }
    return (*writer)->Commit();
  };
  if (source != nullptr) return source->FetchBlobs(blobs, receive, limits);
  for (const BlobDescriptor& blob : blobs) {
    const absl::Status status = receive(blob, [&](BlobWriter&) {
      return absl::NotFoundError(absl::StrCat("blob ", blob.digest, " is not in the store"));
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ImageInstaller::Label(const Parts& parts, const Lease& lease,
                                   const CallLimits& limits) const {
  std::map<std::string, std::string> labels = {
      {"containerd.io/gc.ref.content.config", parts.content.config.digest}};
  for (size_t i = 0; i < parts.content.layers.size(); ++i) {
    const std::string& layer = parts.content.layers[i].digest;
    labels[absl::StrCat("containerd.io/gc.ref.content.l.", i)] = layer;
    const absl::Status status = content_.Label(
        layer, {{"containerd.io/uncompressed", parts.config.diff_ids[i]}}, lease.id(), limits);
    if (!status.ok()) return status;
  }
  absl::Status status = content_.Label(parts.manifest.digest, labels, lease.id(), limits);
  if (!status.ok() || parts.top_chain_id.empty()) return status;
  return content_.Label(parts.content.config.digest,
                        {{absl::StrCat("containerd.io/gc.ref.snapshot.", connection_.snapshotter()),
                          parts.top_chain_id}},
                        lease.id(), limits);
}

absl::Status ImageInstaller::Record(const std::string& name, const Parts& parts,
                                    const CallLimits& limits) const {
  images::CreateImageRequest request;
  request.mutable_image()->set_name(name);
  auto* target = request.mutable_image()->mutable_target();
  target->set_media_type(parts.target.media_type);
  target->set_digest(parts.target.digest);
  target->set_size(parts.target.size_bytes);
  images::CreateImageResponse response;
  Call call(connection_, limits);
  const grpc::Status status = connection_.images().Create(call.context(), request, &response);
  // Names hold the digest, so a record that exists is the same.
  if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) return absl::OkStatus();
  return connection_.ToStatus(status, absl::StrCat("recording image ", name));
}

absl::StatusOr<Image> ImageInstaller::Describe(const std::string& name, const Parts& parts,
                                               const CallLimits& limits) const {
  absl::StatusOr<ImageUser> account = Account(parts, limits);
  if (!account.ok()) return account.status();
  Image image;
  image.name = name;
  image.digest = parts.target.digest;
  image.top_chain_id = parts.top_chain_id;
  image.entrypoint = parts.config.entrypoint;
  image.cmd = parts.config.cmd;
  image.env = parts.config.env;
  image.working_dir = parts.config.working_dir;
  image.user = parts.config.user;
  image.account = *std::move(account);
  for (const BlobDescriptor& layer : parts.content.layers) image.size_bytes += layer.size_bytes;
  return image;
}

absl::StatusOr<ImageUser> ImageInstaller::Account(const Parts& parts,
                                                  const CallLimits& limits) const {
  if (IsPlainRoot(parts.config.user)) return ImageUser();
  absl::StatusOr<std::vector<std::string>> layers =
      LayerDirectories(connection_, parts.top_chain_id, limits);
  if (!layers.ok()) return layers.status();
  absl::StatusOr<std::string> passwd = ReadImageFile(*layers, "etc/passwd");
  if (!passwd.ok()) return passwd.status();
  absl::StatusOr<std::string> group = ReadImageFile(*layers, "etc/group");
  if (!group.ok()) return group.status();
  return ResolveImageUser(parts.config.user, *passwd, *group);
}

}  // namespace rally::runtime
