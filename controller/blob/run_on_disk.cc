#include "controller/blob/run_on_disk.h"

#include <utility>

#include "common/rpc/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace rally::cas {

grpc::ServerUnaryReactor* RunOnDisk(controller::WorkerPool* threads,
                                    grpc::CallbackServerContext* context,
                                    std::function<absl::Status()> work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const bool taken =
      threads->TryPost([reactor, work = std::move(work)] { reactor->Finish(rpc::ToGrpc(work())); });
  if (!taken) {
    reactor->Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                 "the blob service has too much to do; try again"));
  }
  return reactor;
}

absl::Status Serialize(const google::protobuf::Message& response, grpc::ByteBuffer* bytes) {
  bool own_buffer;
  return rpc::FromGrpc(grpc::SerializationTraits<google::protobuf::Message>::Serialize(
      response, bytes, &own_buffer));
}

}  // namespace rally::cas
