#include "common/blob/batch_update.h"

#include <cstring>
#include <string>

#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest_proto.h"
#include "gmock/gmock.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using build::bazel::remote::execution::v2::BatchUpdateBlobsRequest;

void Add(const std::string& content, BatchUpdate* batch) {
  memcpy(batch->Add(DigestOf(content)), content.data(), content.size());
}

// As a server reads it.
BatchUpdateBlobsRequest Parsed(BatchUpdate* batch) {
  grpc::ByteBuffer bytes = batch->Message();
  BatchUpdateBlobsRequest request;
  EXPECT_TRUE(
      grpc::SerializationTraits<BatchUpdateBlobsRequest>::Deserialize(&bytes, &request).ok());
  return request;
}

TEST(BatchUpdateTest, IsTheMessageThatProtobufWouldMake) {
  const std::string large(3 << 20, 'x');
  BatchUpdateBlobsRequest wanted;
  wanted.set_instance_name("cache/of/mine");
  BatchUpdate batch("cache/of/mine");
  for (const std::string& content : {std::string("one"), large, std::string(200, 'y')}) {
    Add(content, &batch);
    auto* const part = wanted.add_requests();
    *part->mutable_digest() = ToProto(DigestOf(content));
    part->set_data(content);
  }
  EXPECT_EQ(Parsed(&batch).SerializeAsString(), wanted.SerializeAsString());
  // It stays for another attempt.
  EXPECT_EQ(Parsed(&batch).SerializeAsString(), wanted.SerializeAsString());
}

TEST(BatchUpdateTest, WithoutAnInstanceThereIsNoField) {
  BatchUpdate batch("");
  Add("one", &batch);
  EXPECT_EQ(Parsed(&batch).instance_name(), "");
  EXPECT_EQ(Parsed(&batch).requests_size(), 1);
}

TEST(BatchUpdateTest, KeepsSomeOfItsParts) {
  BatchUpdate batch("cache");
  for (const char* content : {"one", "two", "three"}) Add(content, &batch);
  Parsed(&batch);
  batch.Keep({0, 2});
  const BatchUpdateBlobsRequest request = Parsed(&batch);
  EXPECT_EQ(request.instance_name(), "cache");
  ASSERT_EQ(request.requests_size(), 2);
  EXPECT_EQ(request.requests(0).data(), "one");
  EXPECT_EQ(request.requests(1).data(), "three");
  ASSERT_EQ(batch.parts().size(), 2);
  EXPECT_EQ(batch.parts()[1].bytes, "three");
  EXPECT_EQ(batch.parts()[1].digest, DigestOf("three"));
}

}  // namespace
}  // namespace rally::blob
