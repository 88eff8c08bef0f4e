// What clients of the Remote Execution API are told when the blob service has no room left, for
// bytes or for streams; and that it goes by.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/blob/zstd_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"
#include "tests/support/eventually.h"

namespace rally::testing {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
using blob::Digest;
using blob::DigestOf;
using blob::ToProto;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;
using grpc::StatusCode;
using ::testing::ElementsAre;

constexpr int64_t kMiB = 1 << 20;

// All that is there was just uploaded, and so can't be evicted.
class FullStoreApiTest : public RemoteApiTest {
 protected:
  FullStoreApiTest() : RemoteApiTest(Small()) {}

  static BlobServer::Options Small() {
    BlobServer::Options options;
    options.store.limits.max_bytes = 10 * kMiB;
    options.store.limits.keep_free_percent = 0;
    options.store.grace = absl::Hours(1);
    options.store.longest_wait_for_room = absl::Milliseconds(10);
    return options;
  }
  static std::string Blob(int number, size_t size) {
    return absl::StrCat(number, std::string(size, 'f'));
  }
  void Fill() {
    for (int i = 0; i < 9; ++i) Put(Blob(i, kMiB - 100));
  }
};

TEST_F(FullStoreApiTest, BatchUpdateSaysItForEachBlob) {
  Fill();
  reapi::BatchUpdateBlobsRequest request;
  const auto add = [&](const std::string& data, const std::string& sent, auto compressor) {
    auto* part = request.add_requests();
    *part->mutable_digest() = ToProto(DigestOf(data));
    part->set_data(sent);
    part->set_compressor(compressor);
  };
  const std::string large = Blob(100, 1'800'000);
  add("small", "small", reapi::Compressor::IDENTITY);
  add(large, large, reapi::Compressor::IDENTITY);
  add(large + "x", cas::ZstdEncode(large + "x").value(), reapi::Compressor::ZSTD);
  reapi::BatchUpdateBlobsResponse answer;
  Context context;
  ASSERT_EQ(cas_->BatchUpdateBlobs(&context, request, &answer).error_code(), StatusCode::OK);
  std::vector<int> codes;
  for (const auto& part : answer.responses()) codes.push_back(part.status().code());
  EXPECT_THAT(codes,
              ElementsAre(0, StatusCode::RESOURCE_EXHAUSTED, StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_TRUE(server_.store().Contains(DigestOf("small")));
  EXPECT_FALSE(server_.store().Contains(DigestOf(large)));
}

TEST_F(FullStoreApiTest, WriteSaysIt) {
  Fill();
  const std::string large = Blob(100, 3 * kMiB);
  WriteResponse response;
  EXPECT_EQ(WriteStream({{UploadName(DigestOf(large)), 0, large, true}}, &response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(
      WriteStream({{UploadName(DigestOf("small")), 0, "small", true}}, &response).error_code(),
      StatusCode::OK);
  // What is there already is acknowledged all the same.
  const std::string there = Blob(0, kMiB - 100);
  EXPECT_EQ(WriteStream({{UploadName(DigestOf(there)), 0, there, true}}, &response).error_code(),
            StatusCode::OK);
}

TEST_F(FullStoreApiTest, UploadsThatBrokeOffMakeRoom) {
  const std::string name = UploadName(Digest{DigestOf("x").hash, 8 * kMiB});
  {
    Context context;
    WriteResponse response;
    const auto writer = stream_->Write(&context, &response);
    WriteRequest request;
    request.set_resource_name(name);
    request.set_data("the first bytes");
    ASSERT_TRUE(writer->Write(request));
    ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return ReceivedBytes(name) == 15; }));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), StatusCode::CANCELLED);
  }
  const std::string large = Blob(100, 3 * kMiB);
  WriteResponse response;
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    return WriteStream({{UploadName(DigestOf(large)), 0, large, true}}, &response).ok();
  }));
  EXPECT_EQ(response.committed_size(), static_cast<int64_t>(large.size()));
}

class FewStreamsApiTest : public RemoteApiTest {
 protected:
  FewStreamsApiTest() : RemoteApiTest(Few()) {}

  static BlobServer::Options Few() {
    BlobServer::Options options;
    options.services.streams.max_streams = 2;
    options.services.streams.max_compressed_streams = 1;
    options.services.streams.max_blob_bytes = 1'000;
    return options;
  }

  // An upload that goes on until it is destroyed.
  struct Open {
    Context context;
    WriteResponse response;
    std::unique_ptr<grpc::ClientWriter<WriteRequest>> writer;
  };
  std::unique_ptr<Open> Begin(const std::string& name, const std::string& data) {
    auto open = std::make_unique<Open>();
    open->writer = stream_->Write(&open->context, &open->response);
    WriteRequest request;
    request.set_resource_name(name);
    request.set_data(data);
    EXPECT_TRUE(open->writer->Write(request));
    return open;
  }
  StatusCode TryWrite(const std::string& name, const std::string& data) {
    WriteResponse response;
    return WriteStream({{name, 0, data, true}}, &response).error_code();
  }
  StatusCode TryRead(const std::string& name) {
    std::string data;
    return ReadStream(name, 0, 0, &data).error_code();
  }
};

TEST_F(FewStreamsApiTest, OneTooManyIsToBeTriedAgain) {
  const Digest there = Put("there");
  {
    const auto first = Begin(UploadName(DigestOf("first")), "f");
    const auto second = Begin(UploadName(DigestOf("second")), "s");
    // Both have their places before anybody else asks for one.
    for (const char* name : {"first", "second"}) {
      EXPECT_TRUE(Eventually(absl::Seconds(20),
                             [&] { return ReceivedBytes(UploadName(DigestOf(name))) == 1; }));
    }
    EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
      return TryWrite(UploadName(DigestOf("third")), "third") == StatusCode::UNAVAILABLE;
    }));
    EXPECT_EQ(TryRead(BlobName(there)), StatusCode::UNAVAILABLE);
    first->context.TryCancel();
    second->context.TryCancel();
    first->writer->Finish();
    second->writer->Finish();
  }
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    return TryWrite(UploadName(DigestOf("fourth")), "fourth") == StatusCode::OK;
  }));
  EXPECT_TRUE(
      Eventually(absl::Seconds(20), [&] { return TryRead(BlobName(there)) == StatusCode::OK; }));
}

TEST_F(FewStreamsApiTest, CompressedOnesHaveABoundOfTheirOwn) {
  const Digest there = Put("there");
  const std::string encoded = cas::ZstdEncode("first").value();
  const std::string name = CompressedUploadName(DigestOf("first"));
  std::unique_ptr<Open> first = Begin(name, encoded.substr(0, 3));
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    // A read of before may have had the place, and the upload was refused: then it begins anew.
    WriteRequest nothing;
    nothing.set_write_offset(3);
    if (!first->writer->Write(nothing)) first = Begin(name, encoded.substr(0, 3));
    return TryRead(CompressedName(there)) == StatusCode::UNAVAILABLE;
  }));
  EXPECT_TRUE(
      Eventually(absl::Seconds(20), [&] { return TryRead(BlobName(there)) == StatusCode::OK; }));
  first->context.TryCancel();
  first->writer->Finish();
  EXPECT_TRUE(Eventually(absl::Seconds(20),
                         [&] { return TryRead(CompressedName(there)) == StatusCode::OK; }));
}

TEST_F(FewStreamsApiTest, BlobsAboveTheLimitAreRefusedForGood) {
  const std::string large(1'001, 'l');
  EXPECT_EQ(TryWrite(UploadName(DigestOf(large)), large), StatusCode::INVALID_ARGUMENT);
  const std::string fits(1'000, 'l');
  EXPECT_EQ(TryWrite(UploadName(DigestOf(fits)), fits), StatusCode::OK);
}

}  // namespace
}  // namespace rally::testing
