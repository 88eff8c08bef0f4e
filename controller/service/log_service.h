#ifndef RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_
#define RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_

#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/worker_pool.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::controller {

// rally.v1.LogService: puts what agents send into the log store and acknowledges what is durable.
// Logs of attempts that never were are refused. Who sends faster than the disk takes it waits.
//
// Ownership: everything in Parts must outlive it.
class LogService : public v1::LogService::CallbackService {
 public:
  struct Parts {
    LogStore* logs;
    Loop* loop;
    WorkerPool* workers;  // append to files
  };

  explicit LogService(const Parts& parts) : parts_(parts) {}

  grpc::ServerBidiReactor<v1::LogAppend, v1::LogAck>* Append(
      grpc::CallbackServerContext* context) override;

 private:
  class Conversation;
  class Stream;
  const Parts parts_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_
