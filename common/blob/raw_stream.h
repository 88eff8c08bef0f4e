#ifndef RALLY_COMMON_BLOB_RAW_STREAM_H_
#define RALLY_COMMON_BLOB_RAW_STREAM_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"

namespace rally::blob {

// A client's end of one streaming call whose messages are bytes, one ahead of the caller: while it
// makes the next message the last one is sent, and while it works on one the next is received. So
// two messages are in memory.
// Ownership: shares the channel; the context must outlive it. Threads: one at a time.
// Blocking: every method, on the network, until the context's deadline; the destructor cancels the
// call if Finish was not called.
class RawStream {
 public:
  // `method` is "/package.Service/Method".
  RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
            grpc::ClientContext* context);
  ~RawStream();
  RawStream(const RawStream&) = delete;
  RawStream& operator=(const RawStream&) = delete;

  // Waits until the message before was taken. False when the call has ended; Finish says how.
  bool Write(const grpc::ByteBuffer& message);
  // After the last message.
  bool WritesDone();
  // Waits for the next message, and asks for the one after it. False at the end.
  bool Read(grpc::ByteBuffer* message);

  // How the call ended. After it nothing but the destructor.
  grpc::Status Finish();

 private:
  enum class Pending { kNothing, kWrite, kRead };

  // Waits for what was started.
  bool Await();

  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  grpc::ClientContext* const context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  Pending pending_ = Pending::kNothing;
  bool open_ = true;  // Whether more can be sent.
  bool finished_ = false;
  grpc::ByteBuffer arriving_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_RAW_STREAM_H_
