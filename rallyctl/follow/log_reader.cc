#include "rallyctl/follow/log_reader.h"

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "rallyctl/follow/backoff.h"

namespace rally::rallyctl {
namespace {

constexpr absl::Duration kReconnectBound = absl::Minutes(5);
constexpr std::chrono::hours kStreamDeadline{1};

}  // namespace

absl::Status ReadLog(Connection& connection, v1::ReadLogRequest request,
                     const std::function<void(const std::string&)>& on_wait,
                     absl::FunctionRef<void(int attempt, const v1::LogRecord&)> on_record) {
  Backoff backoff;
  absl::Time outage_since = absl::InfiniteFuture();
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kStreamDeadline);
    auto reader = connection.builds()->ReadLog(&context, request);
    v1::LogChunk chunk;
    bool complete = false;
    while (reader->Read(&chunk)) {
      if (outage_since != absl::InfiniteFuture()) on_wait("connected again");
      outage_since = absl::InfiniteFuture();
      backoff.Reset();
      if (request.attempt() != 0 && chunk.attempt() != request.attempt()) request.set_offset(0);
      for (v1::LogRecord& record : *chunk.mutable_records()) {
        const int64_t end = record.offset() + static_cast<int64_t>(record.data().size());
        if (end <= request.offset()) continue;
        if (record.offset() < request.offset()) {
          record.mutable_data()->erase(0, request.offset() - record.offset());
          record.set_offset(request.offset());
        }
        request.set_offset(end);
        on_record(chunk.attempt(), record);
      }
      // From here on the same log, whatever becomes of the step during an outage.
      if (chunk.attempt() != 0) request.set_attempt(chunk.attempt());
      complete = complete || chunk.complete();
    }
    const grpc::Status status = reader->Finish();
    if (complete || (status.ok() && !request.follow())) return absl::OkStatus();
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) continue;
    if (!status.ok() && status.error_code() != grpc::StatusCode::UNAVAILABLE) {
      return rpc::FromGrpc(status);
    }
    const absl::Time now = absl::Now();
    if (outage_since == absl::InfiniteFuture()) {
      outage_since = now;
      on_wait(absl::StrCat("no connection to the controller at ", connection.address(), " (",
                           status.error_message(), "), trying again"));
    }
    if (now - outage_since > kReconnectBound) return connection.Unreachable(status.error_message());
    absl::SleepFor(backoff.Next());
  }
}

}  // namespace rally::rallyctl
