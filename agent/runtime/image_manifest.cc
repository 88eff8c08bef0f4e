#include "agent/runtime/image_manifest.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/blob/digest.h"

namespace rally::runtime {
namespace {

using nlohmann::json;

constexpr size_t kMaxLayers = 512;
constexpr size_t kMaxChildren = 512;
constexpr char kOldDockerManifest[] = "application/vnd.docker.distribution.manifest.v1";

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<json> ParseObject(absl::string_view text, absl::string_view what) {
  json parsed = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Wrong(absl::StrCat("the ", what, " is not a JSON object"));
  return parsed;
}

// The member, or null; documents from outside may lack or twist anything.
const json& Member(const json& object, const char* name) {
  static const json& null = *new json();
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

std::string Text(const json& object, const char* name) {
  const json& value = Member(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

absl::StatusOr<std::vector<std::string>> Texts(const json& object, const char* name) {
  std::vector<std::string> texts;
  const json& list = Member(object, name);
  if (list.is_null()) return texts;
  if (!list.is_array()) return Wrong(absl::StrCat("\"", name, "\" is not a list"));
  for (const json& entry : list) {
    if (!entry.is_string()) return Wrong(absl::StrCat("\"", name, "\" holds more than strings"));
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

absl::StatusOr<BlobDescriptor> ParseDescriptor(const json& object) {
  BlobDescriptor descriptor;
  descriptor.media_type = Text(object, "mediaType");
  descriptor.digest = Text(object, "digest");
  if (!IsSha256Digest(descriptor.digest)) {
    return Wrong(absl::StrCat("\"", descriptor.digest, "\" is not a sha256 digest"));
  }
  const json& size = Member(object, "size");
  if (!size.is_number_integer() || size.get<int64_t>() < 0) {
    return Wrong(absl::StrCat("blob ", descriptor.digest, " has no size"));
  }
  descriptor.size_bytes = size.get<int64_t>();
  const json& platform = Member(object, "platform");
  descriptor.os = Text(platform, "os");
  descriptor.architecture = Text(platform, "architecture");
  descriptor.variant = Text(platform, "variant");
  descriptor.name = Text(Member(object, "annotations"), "org.opencontainers.image.ref.name");
  return descriptor;
}

absl::StatusOr<std::vector<BlobDescriptor>> ParseDescriptors(const json& object, const char* name,
                                                             size_t at_most) {
  const json& list = Member(object, name);
  if (!list.is_array()) return Wrong(absl::StrCat("\"", name, "\" is not a list"));
  if (list.size() > at_most) return Wrong(absl::StrCat("more than ", at_most, " ", name));
  std::vector<BlobDescriptor> descriptors;
  for (const json& entry : list) {
    absl::StatusOr<BlobDescriptor> descriptor = ParseDescriptor(entry);
    if (!descriptor.ok()) return descriptor.status();
    descriptors.push_back(*std::move(descriptor));
  }
  return descriptors;
}

std::string PlatformOf(const BlobDescriptor& descriptor) {
  return absl::StrCat(descriptor.os, "/", descriptor.architecture,
                      descriptor.variant.empty() ? "" : "/", descriptor.variant);
}

}  // namespace

absl::StatusOr<ImageManifest> ParseImageManifest(absl::string_view text,
                                                 absl::string_view media_type) {
  absl::StatusOr<json> parsed = ParseObject(text, "manifest");
  if (!parsed.ok()) return parsed.status();
  ImageManifest manifest;
  manifest.media_type = Text(*parsed, "mediaType");
  // A document may leave its own kind out; then whoever delivered it knows.
  if (manifest.media_type.empty()) manifest.media_type = std::string(media_type);
  if (absl::StartsWith(manifest.media_type, kOldDockerManifest) ||
      Member(*parsed, "schemaVersion") == 1) {
    return absl::FailedPreconditionError(
        "it is in Docker's first image format, which is no longer supported; push it again with a "
        "current tool");
  }
  if (Member(*parsed, "manifests").is_array() && !Member(*parsed, "config").is_object()) {
    manifest.is_index = true;
    if (manifest.media_type.empty()) {
      manifest.media_type = "application/vnd.oci.image.index.v1+json";
    }
    absl::StatusOr<std::vector<BlobDescriptor>> children =
        ParseDescriptors(*parsed, "manifests", kMaxChildren);
    if (!children.ok()) return children.status();
    manifest.children = *std::move(children);
    return manifest;
  }
  if (manifest.media_type.empty()) {
    manifest.media_type = "application/vnd.oci.image.manifest.v1+json";
  }
  absl::StatusOr<BlobDescriptor> config = ParseDescriptor(Member(*parsed, "config"));
  if (!config.ok()) return config.status();
  manifest.config = *std::move(config);
  absl::StatusOr<std::vector<BlobDescriptor>> layers =
      ParseDescriptors(*parsed, "layers", kMaxLayers);
  if (!layers.ok()) return layers.status();
  manifest.layers = *std::move(layers);
  return manifest;
}

absl::StatusOr<ImageConfig> ParseImageConfig(absl::string_view text) {
  absl::StatusOr<json> parsed = ParseObject(text, "configuration");
  if (!parsed.ok()) return parsed.status();
  ImageConfig config;
  config.os = Text(*parsed, "os");
  config.architecture = Text(*parsed, "architecture");
  if ((!config.os.empty() && config.os != "linux") ||
      (!config.architecture.empty() && config.architecture != "amd64")) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it is made for ", config.os, "/", config.architecture, "; this host runs linux/amd64"));
  }
  const json& run = Member(*parsed, "config");
  config.working_dir = Text(run, "WorkingDir");
  config.user = Text(run, "User");
  struct {
    const json& object;
    const char* name;
    std::vector<std::string>* target;
  } lists[] = {{run, "Entrypoint", &config.entrypoint},
               {run, "Cmd", &config.cmd},
               {run, "Env", &config.env},
               {Member(*parsed, "rootfs"), "diff_ids", &config.diff_ids}};
  for (const auto& list : lists) {
    absl::StatusOr<std::vector<std::string>> texts = Texts(list.object, list.name);
    if (!texts.ok()) return texts.status();
    *list.target = *std::move(texts);
  }
  for (const std::string& diff_id : config.diff_ids) {
    if (!IsSha256Digest(diff_id)) {
      return Wrong(absl::StrCat("\"", diff_id, "\" in rootfs.diff_ids is not a sha256 digest"));
    }
  }
  return config;
}

absl::StatusOr<BlobDescriptor> ChoosePlatform(const std::vector<BlobDescriptor>& children) {
  const BlobDescriptor* chosen = nullptr;
  std::vector<std::string> platforms;
  for (const BlobDescriptor& child : children) {
    platforms.push_back(PlatformOf(child));
    if (child.os != "linux" || child.architecture != "amd64") continue;
    if (chosen == nullptr || child.variant < chosen->variant) chosen = &child;
  }
  if (chosen == nullptr && children.size() == 1 && children[0].architecture.empty()) {
    chosen = &children[0];
  }
  if (chosen == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has nothing for linux/amd64, which this host runs",
        platforms.empty() ? "" : absl::StrCat("; it has ", absl::StrJoin(platforms, ", "))));
  }
  return *chosen;
}

std::vector<std::string> ChainIds(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chain;
  for (const std::string& diff_id : diff_ids) {
    chain.push_back(chain.empty() ? diff_id : Sha256Of(absl::StrCat(chain.back(), " ", diff_id)));
  }
  return chain;
}

std::string Sha256Of(absl::string_view bytes) {
  return absl::StrCat("sha256:", blob::DigestOf(bytes).hash);
}

bool IsSha256Digest(absl::string_view digest) {
  return absl::ConsumePrefix(&digest, "sha256:") && blob::IsValidHash(digest);
}

}  // namespace rally::runtime
