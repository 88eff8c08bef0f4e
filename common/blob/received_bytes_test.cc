#include "common/blob/received_bytes.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/support/slice.h"

namespace rally::blob {
namespace {

using build::bazel::remote::execution::v2::BatchUpdateBlobsRequest;
using build::bazel::remote::execution::v2::Compressor;

constexpr int kRequests = BatchUpdateBlobsRequest::kRequestsFieldNumber;
constexpr int kData = BatchUpdateBlobsRequest::Request::kDataFieldNumber;

// In slices of so many bytes, as a socket may give them.
grpc::ByteBuffer InSlices(const std::string& bytes, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_bytes) {
    slices.emplace_back(bytes.substr(at, slice_bytes));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// One field of the length that it says.
std::string Field(int number, uint8_t length, const std::string& content) {
  return absl::StrCat(std::string(1, static_cast<char>(number << 3 | 2)),
                      std::string(1, static_cast<char>(length)), content);
}

BatchUpdateBlobsRequest SomeRequest() {
  BatchUpdateBlobsRequest request;
  request.set_instance_name("cache/of/mine");
  for (int size : {0, 1, 300, 50}) {
    auto* const blob = request.add_requests();
    blob->mutable_digest()->set_hash(absl::StrCat("hash of ", size));
    blob->mutable_digest()->set_size_bytes(size);
    blob->set_data(std::string(size, static_cast<char>('a' + size % 26)));
  }
  request.mutable_requests(2)->set_compressor(Compressor::ZSTD);
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(77, 5);
  return request;
}

TEST(ReceivedBatchTest, ReadsWhatProtobufWrites) {
  const BatchUpdateBlobsRequest request = SomeRequest();
  BatchUpdateBlobsRequest without_data = request;
  for (auto& blob : *without_data.mutable_requests()) blob.clear_data();
  for (size_t slice_bytes : {1, 7, 100, 1000}) {
    grpc::ByteBuffer message = InSlices(request.SerializeAsString(), slice_bytes);
    ReceivedBatch batch;
    BatchUpdateBlobsRequest parsed;
    ASSERT_EQ(batch.Parse(&message, kRequests, kData, &parsed), absl::OkStatus()) << slice_bytes;
    EXPECT_EQ(parsed.SerializeAsString(), without_data.SerializeAsString());
    for (int i = 0; i < request.requests_size(); ++i) {
      EXPECT_EQ(absl::StrJoin(batch.Data(i), ""), request.requests(i).data());
      EXPECT_EQ(SizeOf(batch.Data(i)), request.requests(i).data().size());
    }
  }
}

TEST(ReceivedBatchTest, AnEmptyMessageHasNoBlobs) {
  grpc::ByteBuffer message = InSlices("", 1);
  ReceivedBatch batch;
  BatchUpdateBlobsRequest parsed;
  EXPECT_EQ(batch.Parse(&message, kRequests, kData, &parsed).ok(),
            BatchUpdateBlobsRequest().ParseFromString(""));
  EXPECT_EQ(parsed.requests_size(), 0);
}

// As protobuf: the last one of a field that comes twice.
TEST(ReceivedBatchTest, TakesTheLastDataOfABlob) {
  const std::string twice = Field(kData, 5, "first") + Field(kData, 4, "last");
  const std::string once = Field(kData, 3, "two");
  grpc::ByteBuffer message =
      InSlices(Field(kRequests, twice.size(), twice) + Field(kRequests, once.size(), once), 1000);
  ReceivedBatch batch;
  BatchUpdateBlobsRequest parsed;
  ASSERT_EQ(batch.Parse(&message, kRequests, kData, &parsed), absl::OkStatus());
  ASSERT_EQ(parsed.requests_size(), 2);
  EXPECT_EQ(absl::StrJoin(batch.Data(0), ""), "last");
  EXPECT_EQ(absl::StrJoin(batch.Data(1), ""), "two");
}

TEST(ReceivedBatchTest, RefusesWhatProtobufRefuses) {
  const std::string whole = SomeRequest().SerializeAsString();
  std::vector<std::string> messages;
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    messages.push_back(whole.substr(0, bytes));
    std::string damaged = whole;
    damaged[bytes] = static_cast<char>(damaged[bytes] ^ 0x84);
    messages.push_back(damaged);
  }
  // Data that goes on beyond its blob, and a blob that does so beyond the message.
  messages.push_back(Field(kRequests, 3, Field(kData, 3, "abcdef")));
  messages.push_back(Field(kRequests, 120, Field(kData, 3, "abc")));
  messages.push_back(Field(kRequests, 0xFF, "\xFF\xFF\xFF\x0F" + Field(kData, 3, "abc")));
  int refused = 0;
  for (const std::string& bytes : messages) {
    BatchUpdateBlobsRequest wanted;
    const bool valid = wanted.ParseFromString(bytes);
    grpc::ByteBuffer message = InSlices(bytes, 50);
    ReceivedBatch batch;
    BatchUpdateBlobsRequest parsed;
    const absl::Status status = batch.Parse(&message, kRequests, kData, &parsed);
    ASSERT_EQ(status.ok(), valid);
    if (!valid) {
      ++refused;
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ASSERT_EQ(parsed.requests_size(), wanted.requests_size());
    for (int i = 0; i < wanted.requests_size(); ++i) {
      EXPECT_EQ(absl::StrJoin(batch.Data(i), ""), wanted.requests(i).data());
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace rally::blob
