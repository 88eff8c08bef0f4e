#include "controller/service/log_service.h"

#include <utility>
#include <vector>

#include "controller/service/queued_stream.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {

class LogService::Stream : public QueuedStream<v1::LogAppend, v1::LogAck> {
 public:
  Stream(LogStore* logs, grpc::CallbackServerContext* context)
      : QueuedStream(context), logs_(logs) {
    Start();
  }

 private:
  bool OnMessage(v1::LogAppend& append) override {
    const core::AttemptKey key = wire::FromProto(append.key());
    std::vector<log::Record> records;
    records.reserve(append.records_size());
    for (v1::LogRecord& record : *append.mutable_records()) {
      log::Record& to = records.emplace_back();
      to.offset = record.offset();
      to.stream =
          record.stream() == v1::LOG_STREAM_STDERR ? log::Stream::kStderr : log::Stream::kStdout;
      to.time = wire::FromProto(record.time());
      to.bytes = std::move(*record.mutable_data());
    }
    absl::Status status =
        logs_->Append(key, records, append.complete(),
                      [handle = handle(), key = append.key()](absl::StatusOr<int64_t> durable) {
                        v1::LogAck ack;
                        *ack.mutable_key() = key;
                        if (durable.ok()) {
                          ack.set_durable_offset(*durable);
                        } else {
                          ack.set_error(std::string(durable.status().message()));
                        }
                        handle->Send(std::move(ack));
                      });
    if (!status.ok()) {
      v1::LogAck ack;
      *ack.mutable_key() = append.key();
      ack.set_error(std::string(status.message()));
      ack.set_expected_offset(logs_->EndOffset(key));
      Enqueue(std::move(ack));
    }
    return true;
  }

  LogStore* const logs_;
};

grpc::ServerBidiReactor<v1::LogAppend, v1::LogAck>* LogService::Append(
    grpc::CallbackServerContext* context) {
  return new Stream(logs_, context);
}

}  // namespace rally::controller
