#include "common/blob/raw_stream.h"

namespace rally::blob {

RawStream::RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     grpc::ClientContext* context)
    : stub_(channel), context_(context), call_(stub_.PrepareCall(context, method, &queue_)) {
  call_->StartCall(nullptr);
  pending_ = Pending::kWrite;
}

RawStream::~RawStream() {
  if (!finished_) {
    context_->TryCancel();
    Finish();
  }
  queue_.Shutdown();
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool RawStream::Await() {
  if (pending_ == Pending::kNothing) return true;
  void* tag;
  bool ok = false;
  queue_.Next(&tag, &ok);
  if (pending_ == Pending::kWrite && !ok) open_ = false;
  pending_ = Pending::kNothing;
  return ok;
}

bool RawStream::Write(const grpc::ByteBuffer& message) {
  Await();
  if (!open_) return false;
  call_->Write(message, nullptr);
  pending_ = Pending::kWrite;
  return true;
}

bool RawStream::WritesDone() {
  Await();
  if (!open_) return false;
  call_->WritesDone(nullptr);
  pending_ = Pending::kWrite;
  return Await();
}

bool RawStream::Read(grpc::ByteBuffer* message) {
  if (pending_ != Pending::kRead) {
    Await();
    call_->Read(&arriving_, nullptr);
    pending_ = Pending::kRead;
  }
  if (!Await()) return false;
  message->Clear();
  message->Swap(&arriving_);
  call_->Read(&arriving_, nullptr);
  pending_ = Pending::kRead;
  return true;
}

grpc::Status RawStream::Finish() {
  Await();
  grpc::Status status;
  call_->Finish(&status, nullptr);
  pending_ = Pending::kWrite;
  Await();
  finished_ = true;
  return status;
}

}  // namespace rally::blob
