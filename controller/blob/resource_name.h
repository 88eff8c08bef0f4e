#ifndef RALLY_CONTROLLER_BLOB_RESOURCE_NAME_H_
#define RALLY_CONTROLLER_BLOB_RESOURCE_NAME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest.h"

namespace rally::cas {

// What a ByteStream resource name means.
struct ResourceName {
  std::string instance;  // May contain '/'; may be empty.
  // "" when the bytes travel as they are, else the compressor's name.
  std::string compressor;
  blob::Digest digest;
};

// [{instance}/]blobs/{hash}/{size}, or compressed-blobs/{compressor} in place of blobs.
// InvalidArgument, saying why, for anything else; other digest functions than SHA-256 too.
absl::StatusOr<ResourceName> ParseReadName(absl::string_view name);

// [{instance}/]uploads/{uuid}/blobs/{hash}/{size}[/{anything}], likewise.
absl::StatusOr<ResourceName> ParseWriteName(absl::string_view name);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_RESOURCE_NAME_H_
