#ifndef RALLY_COMMON_RPC_STATUS_H_
#define RALLY_COMMON_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

// The one conversion between Rally's errors and gRPC's. Codes are the same numbers by definition;
// anything outside of them becomes kUnknown.
namespace rally::rpc {

absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace rally::rpc

#endif  // RALLY_COMMON_RPC_STATUS_H_
