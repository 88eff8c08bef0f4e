#ifndef RALLY_AGENT_RUNTIME_IMAGE_MANIFEST_H_
#define RALLY_AGENT_RUNTIME_IMAGE_MANIFEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::runtime {

// The largest manifest, index or configuration that is read; registries allow 4 MiB.
inline constexpr int64_t kMaxManifestBytes = 4 << 20;

// What a document of an image says of a blob.
struct BlobDescriptor {
  std::string media_type;
  std::string digest;  // "sha256:" and 64 hexadecimal digits; nothing else passes the parsers.
  int64_t size_bytes = 0;

  // Only in an index.
  std::string os, architecture, variant;  // Empty when it doesn't say.
  std::string name;                       // From the annotations.
};

// An image manifest, or an index of several; `children` or `config` and `layers`.
struct ImageManifest {
  bool is_index = false;
  std::string media_type;
  std::vector<BlobDescriptor> children;
  BlobDescriptor config;
  std::vector<BlobDescriptor> layers;
};

struct ImageConfig {
  std::string os, architecture;
  std::vector<std::string> diff_ids;  // One a layer: the digest of the uncompressed tar.
  std::vector<std::string> entrypoint, cmd, env;
  std::string working_dir, user;
};

// Parsers for documents that come from outside. Pure. kInvalidArgument says what is wrong, without
// naming the image; kFailedPrecondition: well-formed, but of a kind that Rally can't run.
absl::StatusOr<ImageManifest> ParseImageManifest(absl::string_view text,
                                                 absl::string_view media_type);
absl::StatusOr<ImageConfig> ParseImageConfig(absl::string_view text);

// The entry for linux/amd64 (the oldest variant, so that it runs everywhere), or the only one when
// it names no platform. kFailedPrecondition lists what there is instead.
absl::StatusOr<BlobDescriptor> ChoosePlatform(const std::vector<BlobDescriptor>& children);

// The names of the unpacked layers, bottom up: the first is diff_ids[0].
std::vector<std::string> ChainIds(const std::vector<std::string>& diff_ids);

// "sha256:" and the hash of `bytes`.
std::string Sha256Of(absl::string_view bytes);
bool IsSha256Digest(absl::string_view digest);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_IMAGE_MANIFEST_H_
