#ifndef RALLY_CONTROLLER_BLOB_FORWARD_FORWARDING_SERVICES_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_FORWARDING_SERVICES_H_

#include <memory>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "controller/blob/forward/upstream.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// The blob service of a controller whose blobs are in a store elsewhere: CAS, ByteStream and
// Capabilities pass each call on to it, and keep nothing. The instance is always the store's that
// the operator chose. There is no ActionCache: results of actions would be shared by all
// instances, so none are found and none are taken, which the capabilities say.
//
// Ownership: it must outlive the server that it is registered with, and that be shut down first.
// Threads: any. Blocking: never. Errors: the store's, with its name in front; Unavailable too when
//   as much as Upstream::Options allows is on its way.
class ForwardingServices {
 public:
  ForwardingServices(const std::shared_ptr<grpc::Channel>& channel, Upstream::Options options);
  ~ForwardingServices();

  void AddTo(grpc::ServerBuilder* builder);

 private:
  class Cas;
  class ByteStream;
  class ActionCache;
  class Capabilities;

  Upstream upstream_;
  const std::unique_ptr<Cas> cas_;
  const std::unique_ptr<ByteStream> byte_stream_;
  const std::unique_ptr<ActionCache> action_cache_;
  const std::unique_ptr<Capabilities> capabilities_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_FORWARDING_SERVICES_H_
