#ifndef RALLY_COMMON_PIPELINE_IMAGE_REFERENCE_H_
#define RALLY_COMMON_PIPELINE_IMAGE_REFERENCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::pipeline {

// Where an image lies in a registry, in docker's normal form.
struct ImageReference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/ubuntu"
  std::string tag;     // "latest" when neither tag nor digest is written; may be empty otherwise
  std::string digest;  // "sha256:..." or empty

  // "docker.io/library/ubuntu:latest"
  std::string ToString() const;
};

// Reads a reference by docker's grammar and fills in what people leave out: "ubuntu" is
// docker.io/library/ubuntu:latest. InvalidArgument says what is wrong, without repeating the text.
absl::StatusOr<ImageReference> ParseImageReference(absl::string_view text);

// An image that lies in the step's own workspace, as an OCI layout: "oci:PATH[@sha256:...]".
struct OciPath {
  // Cleaned, relative to the workspace's root; "" = the root itself.
  std::string path;
  // "sha256:..." or empty.
  std::string digest;
};

// Whether `text` is to be read by ParseOciPath: the prefix "oci:" always wins over the grammar of
// references, where it would be a repository called oci.
bool IsOciPath(absl::string_view text);

// InvalidArgument says what is wrong, without repeating the text.
absl::StatusOr<OciPath> ParseOciPath(absl::string_view text);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_IMAGE_REFERENCE_H_
