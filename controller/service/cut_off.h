#ifndef RALLY_CONTROLLER_SERVICE_CUT_OFF_H_
#define RALLY_CONTROLLER_SERVICE_CUT_OFF_H_

#include <grpcpp/support/status.h>

namespace rally::controller {

// How a stream ends that gRPC reports as cancelled. Who cancelled his own call never sees it; who
// does see it was cut off by a controller that stops, and should come again.
inline grpc::Status CutOff() {
  return {grpc::StatusCode::UNAVAILABLE, "the controller is stopping; try again in a moment"};
}

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_CUT_OFF_H_
