#ifndef RALLY_CONTROLLER_SERVICE_LOG_READ_STREAM_H_
#define RALLY_CONTROLLER_SERVICE_LOG_READ_STREAM_H_

#include <grpcpp/grpcpp.h>

#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/service/build_watchers.h"
#include "controller/worker_pool.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::controller {

// One ReadLog call: finds the attempt, sends what its log holds and, with follow, what comes. When
// the caller asked for the current attempt and the step is tried again, it goes on with the next
// attempt's log from its start. A slow reader holds back nothing but itself. Deletes itself.
grpc::ServerWriteReactor<v1::LogChunk>* NewLogReadStream(const v1::ReadLogRequest& request,
                                                         Loop* loop, LogStore* logs,
                                                         BuildWatchers* watchers,
                                                         WorkerPool* readers);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_LOG_READ_STREAM_H_
