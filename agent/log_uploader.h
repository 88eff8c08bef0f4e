#ifndef RALLY_AGENT_LOG_UPLOADER_H_
#define RALLY_AGENT_LOG_UPLOADER_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "agent/attempt_tools.h"
#include "agent/backoff.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::agent {

// Sends the spools of all attempts to the controller, on one stream, each record as soon as it's
// there, and again from where the controller stands after a break. A spool is never changed, and
// removed by others.
// Ownership: owns its threads (one that writes, one that reads acknowledgements, and one for each
// log that still grows) and shares channel and logs.
// Threads: thread-safe; `on_durable` is called on one of its threads, once a log.
// Blocking: Drop() and the destructor, for fractions of a second.
// Errors: none come out. Whatever goes wrong is tried again for ever.
class LogUploader : public LogSink {
 public:
  using OnDurable = std::function<void(const v1::AttemptKey& key)>;

  explicit LogUploader(std::shared_ptr<grpc::Channel> channel);
  ~LogUploader() override;

  // To be called once, before anything is added.
  void Start(OnDurable on_durable);
  void Stop();

  void Add(const v1::AttemptKey& key, std::shared_ptr<logs::AttemptLog> log,
           absl::optional<int64_t> from) override;
  void Resume(const v1::AttemptKey& key, int64_t offset) override;
  void CloseAt(const v1::AttemptKey& key, int64_t end) override;
  void Drop(const v1::AttemptKey& key) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Stream = grpc::ClientReaderWriter<v1::LogAppend, v1::LogAck>;

  struct Entry {
    v1::AttemptKey key;
    std::shared_ptr<logs::AttemptLog> log;
    std::thread watcher;
    bool known = false;  // From where to send.
    bool dropped = false;
    bool reading = false;  // The writer reads its spool.
    bool ended = false;    // Nothing comes beyond `end`.
    bool complete_sent = false;
    bool durable = false;
    int64_t end = 0;
    int64_t sent = 0;
    int64_t acked = 0;
    int unanswered = 0;  // Appends without their answer.
    int errors = 0;
    Clock::time_point not_before = Clock::time_point::min();
  };

  void Run();
  void Converse();
  void WriteAppends(Stream* stream);
  void ReadAcks(Stream* stream);
  void OnAck(const v1::LogAck& ack);
  void Watch(Entry* entry);
  // The next log with something to send; null when there is none now.
  Entry* PickSendable(Clock::time_point now, Clock::time_point* wake_at);
  static bool Sendable(const Entry& entry);
  // False when the spool can't be read.
  bool FillAppend(const logs::AttemptLog& log, int64_t from, v1::LogAppend* append);

  const std::unique_ptr<v1::LogService::Stub> stub_;
  OnDurable on_durable_;
  Backoff backoff_;  // Of the writing thread.

  // The standard ones wait on the steady clock. mutex_ guards all that follows.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
  std::map<std::string, int64_t> early_resumes_;  // Of attempts that weren't added yet.
  std::string last_picked_;                       // The turn goes round.
  grpc::ClientContext* context_ = nullptr;        // Of the stream that is open.
  bool broken_ = false;                           // The stream that is open, that is.
  bool resumed_ = false;                          // Since the last stream broke.
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_LOG_UPLOADER_H_
