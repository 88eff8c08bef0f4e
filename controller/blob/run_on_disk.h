#ifndef RALLY_CONTROLLER_BLOB_RUN_ON_DISK_H_
#define RALLY_CONTROLLER_BLOB_RUN_ON_DISK_H_

#include <functional>

#include "absl/status/status.h"
#include "controller/worker_pool.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// Runs a unary call's work on the disk threads, then ends the call with what it returns; as
// UNAVAILABLE when too much waits for them already. Request and response live until then.
grpc::ServerUnaryReactor* RunOnDisk(controller::WorkerPool* threads,
                                    grpc::CallbackServerContext* context,
                                    std::function<absl::Status()> work);

// The answer of a call whose messages are bytes for gRPC.
absl::Status Serialize(const google::protobuf::Message& response, grpc::ByteBuffer* bytes);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_RUN_ON_DISK_H_
