#ifndef RALLY_CONTROLLER_BLOB_CAPABILITIES_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_CAPABILITIES_SERVICE_H_

#include <cstdint>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// Says what the blob service can do for an instance, which clients ask before anything else.
// Threads: thread-safe. Blocking: never.
class CapabilitiesService
    : public build::bazel::remote::execution::v2::Capabilities::CallbackService {
 public:
  explicit CapabilitiesService(int64_t max_blob_bytes) : max_blob_bytes_(max_blob_bytes) {}

  grpc::ServerUnaryReactor* GetCapabilities(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::GetCapabilitiesRequest* request,
      build::bazel::remote::execution::v2::ServerCapabilities* response) override;

 private:
  const int64_t max_blob_bytes_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_CAPABILITIES_SERVICE_H_
