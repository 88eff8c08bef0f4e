#include "common/blob/stream_frame.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/blob/batch_message.h"
#include "gmock/gmock.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/support/slice.h"

namespace rally::blob {
namespace {

using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;

// In slices of so many bytes, as a socket may give them.
grpc::ByteBuffer InSlices(const std::string& bytes, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_bytes) {
    slices.emplace_back(bytes.substr(at, slice_bytes));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

WriteRequest SomeRequest() {
  WriteRequest request;
  request.set_resource_name("uploads/u/blobs/h/300");
  request.set_write_offset(int64_t{1} << 40);
  request.set_finish_write(true);
  request.set_data(std::string(100, 'a') + std::string(200, 'b'));
  return request;
}

TEST(StreamFrameTest, ReadsWhatProtobufWrites) {
  const WriteRequest request = SomeRequest();
  for (size_t slice_bytes : {1, 7, 100, 1000}) {
    grpc::ByteBuffer message = InSlices(request.SerializeAsString(), slice_bytes);
    StreamFrame frame;
    ASSERT_EQ(frame.Parse(&message), absl::OkStatus()) << slice_bytes;
    EXPECT_EQ(frame.resource_name(), request.resource_name());
    EXPECT_EQ(frame.write_offset(), request.write_offset());
    EXPECT_TRUE(frame.finish_write());
    EXPECT_EQ(absl::StrJoin(frame.pieces(), ""), request.data());
    EXPECT_EQ(frame.data_bytes(), 300);
  }
}

TEST(StreamFrameTest, ForgetsTheMessageBefore) {
  StreamFrame frame;
  grpc::ByteBuffer message = InSlices(SomeRequest().SerializeAsString(), 1000);
  ASSERT_EQ(frame.Parse(&message), absl::OkStatus());
  ReadResponse response;
  response.set_data("x");
  message = InSlices(response.SerializeAsString(), 1000);
  ASSERT_EQ(frame.Parse(&message), absl::OkStatus());
  EXPECT_EQ(frame.resource_name(), "");
  EXPECT_EQ(frame.write_offset(), 0);
  EXPECT_FALSE(frame.finish_write());
  EXPECT_THAT(frame.pieces(), testing::ElementsAre("x"));
  message = grpc::ByteBuffer();
  frame.Parse(&message).IgnoreError();
  EXPECT_EQ(frame.data_bytes(), 0);
}

// As protobuf: the last one of a field that comes twice, and what isn't known is skipped.
TEST(StreamFrameTest, TakesRepeatedAndUnknownFields) {
  BatchMessage written;
  written.AppendField(WriteRequest::kDataFieldNumber, "first");
  written.AppendField(77, "unknown");
  written.AppendVarintField(78, 5);
  written.AppendField(WriteRequest::kDataFieldNumber, "last");
  grpc::ByteBuffer message = written.Take();
  StreamFrame frame;
  ASSERT_EQ(frame.Parse(&message), absl::OkStatus());
  EXPECT_EQ(absl::StrJoin(frame.pieces(), ""), "last");
  EXPECT_EQ(frame.data_bytes(), 4);
}

TEST(StreamFrameTest, RefusesEveryMessageThatIsCutOff) {
  const std::string whole = SomeRequest().SerializeAsString();
  WriteRequest parsed;
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    const std::string part = whole.substr(0, bytes);
    grpc::ByteBuffer message = InSlices(part, 50);
    StreamFrame frame;
    const absl::Status status = frame.Parse(&message);
    EXPECT_EQ(status.ok(), parsed.ParseFromString(part)) << bytes;
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_TRUE(frame.pieces().empty());
    }
  }
}

TEST(StreamFrameTest, RefusesALengthBeyondTheMessage) {
  BatchMessage written;
  written.BeginField(WriteRequest::kDataFieldNumber, 0xFFFFFFFF);
  written.AppendField(1, "x");
  grpc::ByteBuffer message = written.Take();
  StreamFrame frame;
  EXPECT_FALSE(frame.Parse(&message).ok());
}

}  // namespace
}  // namespace rally::blob
