#ifndef RALLY_AGENT_RUNTIME_IMAGE_STORE_H_
#define RALLY_AGENT_RUNTIME_IMAGE_STORE_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/runtime/container_runtime.h"
#include "agent/runtime/image_installer.h"
#include "agent/runtime/registry_source.h"
#include "agent/runtime/shared_work.h"

namespace rally::runtime {

// The images of one agent: turns references into images that are here, pulling or importing what
// isn't. Records in containerd are named by digest, never by tag, so that a tag that moves can't
// change what a build uses. It doesn't remove images.
// Threads: thread-safe. Blocking: as ContainerRuntime says. Errors name the image.
class ImageStore {
 public:
  ImageStore(const ContainerdConnection& connection, RegistryOptions registries)
      : connection_(connection), installer_(connection), registries_(std::move(registries)) {}

  absl::StatusOr<Image> Ensure(const ImageRequest& request, const CallLimits& limits);
  absl::StatusOr<Image> Import(const OciImageRequest& request, const CallLimits& limits);

 private:
  // The image named `name` if it is here, complete; remembers what it found.
  absl::StatusOr<Image> Find(const std::string& name, const CallLimits& limits);
  absl::StatusOr<Image> Install(const std::string& name, const std::string& digest,
                                ImageSource* source, const CallLimits& limits);
  absl::StatusOr<Image> Pull(const pipeline::ImageReference& reference, const CallLimits& limits);

  const ContainerdConnection& connection_;  // Outlives this.
  const ImageInstaller installer_;
  const RegistryOptions registries_;
  PlainRegistries plain_registries_;
  SharedWork by_reference_, by_digest_;
  absl::Mutex mutex_;
  std::map<std::string, Image> known_ ABSL_GUARDED_BY(mutex_);  // By name; at most kMaxKnown.
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_IMAGE_STORE_H_
