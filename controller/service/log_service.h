#ifndef RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_
#define RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_

#include "controller/logs/log_store.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::controller {

// rally.v1.LogService: puts what agents send into the log store and acknowledges what is durable.
//
// Ownership: the log store must outlive it.
class LogService : public v1::LogService::CallbackService {
 public:
  explicit LogService(LogStore* logs) : logs_(logs) {}

  grpc::ServerBidiReactor<v1::LogAppend, v1::LogAck>* Append(
      grpc::CallbackServerContext* context) override;

 private:
  class Stream;
  LogStore* const logs_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_LOG_SERVICE_H_
