#ifndef RALLY_CONTROLLER_SERVICE_BUILD_WATCH_STREAM_H_
#define RALLY_CONTROLLER_SERVICE_BUILD_WATCH_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "controller/loop/loop.h"
#include "controller/service/build_watchers.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::controller {

// One WatchBuild call. Sends the newest state whenever the last one has been written; states that
// came and went in between are left out. Deletes itself.
grpc::ServerWriteReactor<v1::Build>* NewBuildWatchStream(const std::string& build_id, Loop* loop,
                                                         BuildWatchers* watchers);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_BUILD_WATCH_STREAM_H_
