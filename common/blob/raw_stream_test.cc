#include "common/blob/raw_stream.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace rally::blob {
namespace {

using google::bytestream::ByteStream;
using google::bytestream::ReadRequest;
using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;
using ::testing::ElementsAre;

constexpr char kReadMethod[] = "/google.bytestream.ByteStream/Read";
constexpr char kWriteMethod[] = "/google.bytestream.ByteStream/Write";

template <typename Message>
grpc::ByteBuffer ToBytes(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer;
  EXPECT_TRUE(grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own_buffer).ok());
  return bytes;
}

template <typename Message>
Message FromBytes(grpc::ByteBuffer* bytes) {
  Message message;
  EXPECT_TRUE(grpc::SerializationTraits<Message>::Deserialize(bytes, &message).ok());
  return message;
}

WriteRequest Data(const std::string& data) {
  WriteRequest request;
  request.set_data(data);
  return request;
}

class Server : public ByteStream::Service {
 public:
  Server() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    channel =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  }
  ~Server() override { server_->Shutdown(); }

  // Takes all there is, unless it is told to end at once.
  grpc::Status Write(grpc::ServerContext* context, grpc::ServerReader<WriteRequest>* reader,
                     WriteResponse* response) override {
    if (!early_end.ok()) return early_end;
    write_begun.Notify();
    WriteRequest request;
    while (reader->Read(&request)) received.push_back(request.data());
    response->set_committed_size(static_cast<int64_t>(received.size()));
    was_cancelled = context->IsCancelled();
    write_ended.Notify();
    return grpc::Status::OK;
  }

  // As many messages as the offset that is asked for.
  grpc::Status Read(grpc::ServerContext* /*context*/, const ReadRequest* request,
                    grpc::ServerWriter<ReadResponse>* writer) override {
    for (int64_t i = 0; i < request->read_offset(); ++i) {
      ReadResponse response;
      response.set_data(absl::StrCat("message ", i));
      writer->Write(response);
    }
    return grpc::Status(grpc::StatusCode::DATA_LOSS, "that was all");
  }

  grpc::Status early_end;
  std::vector<std::string> received;
  bool was_cancelled = false;
  absl::Notification write_begun;
  absl::Notification write_ended;
  std::shared_ptr<grpc::Channel> channel;

 private:
  std::unique_ptr<grpc::Server> server_;
};

class RawStreamTest : public ::testing::Test {
 protected:
  RawStreamTest() {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }

  Server server_;
  grpc::ClientContext context_;
};

TEST_F(RawStreamTest, SendsInOrderAndGetsTheAnswer) {
  RawStream stream(server_.channel, kWriteMethod, &context_);
  for (const char* data : {"one", "two", "three"}) EXPECT_TRUE(stream.Write(ToBytes(Data(data))));
  EXPECT_TRUE(stream.WritesDone());
  grpc::ByteBuffer answer;
  ASSERT_TRUE(stream.Read(&answer));
  EXPECT_EQ(FromBytes<WriteResponse>(&answer).committed_size(), 3);
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_THAT(server_.received, ElementsAre("one", "two", "three"));
}

TEST_F(RawStreamTest, ReceivesAllThenTheStatus) {
  ReadRequest request;
  request.set_read_offset(100);
  RawStream stream(server_.channel, kReadMethod, &context_);
  EXPECT_TRUE(stream.Write(ToBytes(request)));
  EXPECT_TRUE(stream.WritesDone());
  grpc::ByteBuffer message;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream.Read(&message));
    EXPECT_EQ(FromBytes<ReadResponse>(&message).data(), absl::StrCat("message ", i));
  }
  EXPECT_FALSE(stream.Read(&message));
  const grpc::Status ended = stream.Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ended.error_message(), "that was all");
}

TEST_F(RawStreamTest, StopsSendingWhenTheServerHasEnded) {
  server_.early_end = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
  RawStream stream(server_.channel, kWriteMethod, &context_);
  const grpc::ByteBuffer message = ToBytes(Data(std::string(1 << 20, 'x')));
  while (stream.Write(message)) {
  }
  EXPECT_FALSE(stream.Write(message));
  EXPECT_FALSE(stream.WritesDone());
  const grpc::Status ended = stream.Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ended.error_message(), "full");
}

TEST_F(RawStreamTest, CancelsWhatWasNotFinished) {
  {
    RawStream stream(server_.channel, kWriteMethod, &context_);
    EXPECT_TRUE(stream.Write(ToBytes(Data("the only one"))));
    server_.write_begun.WaitForNotification();
  }
  server_.write_ended.WaitForNotification();
  EXPECT_TRUE(server_.was_cancelled);
}

TEST_F(RawStreamTest, EndsAtTheDeadline) {
  grpc::ClientContext hasty;
  hasty.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  RawStream stream(server_.channel, kWriteMethod, &hasty);
  grpc::ByteBuffer answer;
  EXPECT_FALSE(stream.Read(&answer));  // The server waits for more.
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(RawStreamTest, SaysThatNobodyIsThere) {
  const auto nobody =
      grpc::CreateChannel("unix:/nonexistent/socket", grpc::InsecureChannelCredentials());
  RawStream stream(nobody, kWriteMethod, &context_);
  EXPECT_FALSE(stream.Write(ToBytes(Data("x"))) && stream.WritesDone());
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace rally::blob
