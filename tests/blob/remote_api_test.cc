// The blob service as any client of the Remote Execution API sees it: each RPC's statuses.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/cas_client.h"
#include "common/blob/digest_proto.h"
#include "gmock/gmock.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "gtest/gtest.h"
#include "tests/blob/blob_server.h"

namespace rally {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using blob::ToProto;
using google::bytestream::ReadRequest;
using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;
using grpc::StatusCode;
using ::testing::HasSubstr;

class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30)); }
};

class RemoteApiTest : public ::testing::Test {
 protected:
  Digest Put(const std::string& bytes) {
    EXPECT_EQ(server_.store().WriteAll(DigestOf(bytes), bytes), absl::OkStatus());
    return DigestOf(bytes);
  }

  StatusCode ReadStream(const std::string& name, int64_t offset, int64_t limit, std::string* data) {
    Context context;
    ReadRequest request;
    request.set_resource_name(name);
    request.set_read_offset(offset);
    request.set_read_limit(limit);
    const auto reader = stream_->Read(&context, request);
    ReadResponse response;
    data->clear();
    while (reader->Read(&response)) {
      EXPECT_LE(response.data().size(), 2u << 20);
      *data += response.data();
    }
    return reader->Finish().error_code();
  }

  struct Frame {
    std::string name;
    int64_t offset;
    std::string data;
    bool finish;
  };
  StatusCode WriteStream(const std::vector<Frame>& frames, WriteResponse* response) {
    Context context;
    response->Clear();
    const auto writer = stream_->Write(&context, response);
    for (const Frame& frame : frames) {
      WriteRequest request;
      request.set_resource_name(frame.name);
      request.set_write_offset(frame.offset);
      request.set_data(frame.data);
      request.set_finish_write(frame.finish);
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return writer->Finish().error_code();
  }

  static std::string BlobName(const Digest& d) { return absl::StrCat("blobs/", d.ToString()); }
  static std::string UploadName(const Digest& d) {
    return absl::StrCat("main/uploads/6f4bc4a4-0000-4000-8000-000000000000/blobs/", d.ToString());
  }

  testing::BlobServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.NewChannel();
  std::unique_ptr<reapi::ContentAddressableStorage::Stub> cas_ =
      reapi::ContentAddressableStorage::NewStub(channel_);
  std::unique_ptr<google::bytestream::ByteStream::Stub> stream_ =
      google::bytestream::ByteStream::NewStub(channel_);
};

TEST_F(RemoteApiTest, Capabilities) {
  Context context;
  reapi::ServerCapabilities answer;
  const auto stub = reapi::Capabilities::NewStub(channel_);
  ASSERT_TRUE(stub->GetCapabilities(&context, {}, &answer).ok());
  ASSERT_EQ(answer.cache_capabilities().digest_function_size(), 1);
  EXPECT_EQ(answer.cache_capabilities().digest_function(0), reapi::DigestFunction::SHA256);
  EXPECT_EQ(answer.cache_capabilities().max_batch_total_size_bytes(), 4'128'768);
  EXPECT_EQ(answer.cache_capabilities().symlink_absolute_path_strategy(),
            reapi::SymlinkAbsolutePathStrategy::ALLOWED);
  EXPECT_EQ(answer.cache_capabilities().supported_compressors_size(), 0);
  EXPECT_EQ(answer.low_api_version().major(), 2);
  EXPECT_EQ(answer.high_api_version().major(), 2);
  EXPECT_FALSE(answer.execution_capabilities().exec_enabled());
}

TEST_F(RemoteApiTest, FindMissingRefusesMalformedDigests) {
  reapi::FindMissingBlobsRequest request;
  *request.add_blob_digests() = ToProto(Put("x"));
  *request.add_blob_digests() = ToProto(blob::EmptyBlobDigest());
  *request.add_blob_digests() = ToProto(DigestOf("gone"));
  reapi::FindMissingBlobsResponse answer;
  {
    Context context;
    ASSERT_TRUE(cas_->FindMissingBlobs(&context, request, &answer).ok());
    ASSERT_EQ(answer.missing_blob_digests_size(), 1);
    EXPECT_EQ(answer.missing_blob_digests(0).hash(), DigestOf("gone").hash);
  }
  request.add_blob_digests()->set_hash("ABC");
  Context context;
  EXPECT_EQ(cas_->FindMissingBlobs(&context, request, &answer).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(RemoteApiTest, BatchUpdateAnswersForEachBlob) {
  reapi::BatchUpdateBlobsRequest request;
  const auto add = [&](const Digest& digest, const std::string& data) {
    auto* part = request.add_requests();
    *part->mutable_digest() = ToProto(digest);
    part->set_data(data);
    return part;
  };
  add(DigestOf("good"), "good");
  add(DigestOf("bad"), "not it");
  add(Digest{"short", 1}, "x");
  add(DigestOf("zstd"), "zstd")->set_compressor(reapi::Compressor::ZSTD);
  add(DigestOf("good"), "good");
  reapi::BatchUpdateBlobsResponse answer;
  Context context;
  ASSERT_TRUE(cas_->BatchUpdateBlobs(&context, request, &answer).ok());
  ASSERT_EQ(answer.responses_size(), 5);
  const std::vector<int> expected = {0, StatusCode::INVALID_ARGUMENT, StatusCode::INVALID_ARGUMENT,
                                     StatusCode::INVALID_ARGUMENT, 0};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(answer.responses(i).status().code(), expected[i]) << i;
    EXPECT_EQ(answer.responses(i).digest().hash(), request.requests(i).digest().hash());
  }
  EXPECT_TRUE(server_.store().Contains(DigestOf("good")));
  EXPECT_FALSE(server_.store().Contains(DigestOf("bad")));
}

TEST_F(RemoteApiTest, BatchesOverTheLimitAreRefusedWhole) {
  const std::string half(2'100'000, 'h');
  reapi::BatchUpdateBlobsRequest update;
  for (int i = 0; i < 2; ++i) {
    auto* part = update.add_requests();
    *part->mutable_digest() = ToProto(DigestOf(half));
    part->set_data(half);
  }
  reapi::BatchUpdateBlobsResponse update_answer;
  Context update_context;
  EXPECT_EQ(cas_->BatchUpdateBlobs(&update_context, update, &update_answer).error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(server_.store().Contains(DigestOf(half)));

  for (int64_t size : {int64_t{4'128'769}, std::numeric_limits<int64_t>::max()}) {
    reapi::BatchReadBlobsRequest read;
    *read.add_digests() = ToProto(Digest{DigestOf("x").hash, size});
    *read.add_digests() = ToProto(Digest{DigestOf("y").hash, size});
    reapi::BatchReadBlobsResponse read_answer;
    Context read_context;
    EXPECT_EQ(cas_->BatchReadBlobs(&read_context, read, &read_answer).error_code(),
              StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(RemoteApiTest, BatchReadAnswersForEachBlob) {
  reapi::BatchReadBlobsRequest request;
  *request.add_digests() = ToProto(Put("here"));
  *request.add_digests() = ToProto(DigestOf("gone"));
  *request.add_digests() = ToProto(blob::EmptyBlobDigest());
  *request.add_digests() = ToProto(Digest{"x", -5});
  reapi::BatchReadBlobsResponse answer;
  Context context;
  ASSERT_TRUE(cas_->BatchReadBlobs(&context, request, &answer).ok());
  ASSERT_EQ(answer.responses_size(), 4);
  EXPECT_EQ(answer.responses(0).data(), "here");
  EXPECT_EQ(answer.responses(1).status().code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(answer.responses(2).status().code(), 0);
  EXPECT_EQ(answer.responses(3).status().code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(RemoteApiTest, ByteStreamRead) {
  const std::string bytes(2'500'000, 'r');
  const Digest digest = Put(bytes);
  const std::string name = BlobName(digest);
  std::string data;
  EXPECT_EQ(ReadStream(name, 0, 0, &data), StatusCode::OK);
  EXPECT_TRUE(data == bytes);
  EXPECT_EQ(ReadStream("team/a/" + name, 2'499'990, 0, &data), StatusCode::OK);
  EXPECT_EQ(data, "rrrrrrrrrr");
  EXPECT_EQ(ReadStream(name, 10, 5, &data), StatusCode::OK);
  EXPECT_EQ(data, "rrrrr");
  EXPECT_EQ(ReadStream(name, 2'500'000, 0, &data), StatusCode::OK);
  EXPECT_EQ(data, "");
  EXPECT_EQ(ReadStream(BlobName(blob::EmptyBlobDigest()), 0, 0, &data), StatusCode::OK);
  EXPECT_EQ(ReadStream(name, 2'500'001, 0, &data), StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReadStream(name, -1, 0, &data), StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReadStream(BlobName(DigestOf("gone")), 0, 0, &data), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReadStream("blobs/zz/1", 0, 0, &data), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReadStream("compressed-blobs/zstd/" + digest.ToString(), 0, 0, &data),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(RemoteApiTest, ByteStreamWrite) {
  const Digest digest = DigestOf("hello world");
  const std::string name = UploadName(digest);
  WriteResponse response;
  const StatusCode bad = StatusCode::INVALID_ARGUMENT;
  // Refused, and nothing stored.
  EXPECT_EQ(WriteStream({{name, 0, "hello there", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 0, "hello", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 0, "hello world!", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 0, "hello world", false}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 5, " world", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 0, "hello", false}, {"", 4, "o world", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{name, 0, "hello", false}, {name + "/x", 5, " world", true}}, &response),
            bad);
  EXPECT_EQ(WriteStream({{"", 0, "hello world", true}}, &response), bad);
  EXPECT_EQ(WriteStream({{BlobName(digest), 0, "hello world", true}}, &response), bad);
  EXPECT_EQ(WriteStream({}, &response), bad);
  EXPECT_FALSE(server_.store().Contains(digest));
  // In three parts, the last one empty, as some clients do.
  EXPECT_EQ(WriteStream({{name, 0, "hello", false}, {name, 5, " world", false}, {"", 11, "", true}},
                        &response),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 11);
  EXPECT_EQ(server_.store().ReadAll(digest).value(), "hello world");
  // It is there: answered at once, before the rest came.
  EXPECT_EQ(WriteStream({{name, 0, "he", false}}, &response), StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 11);
  EXPECT_EQ(WriteStream({{UploadName(blob::EmptyBlobDigest()), 0, "", true}}, &response),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 0);
}

TEST_F(RemoteApiTest, AbandonedUploadLeavesNothing) {
  const Digest digest = DigestOf("hello world");
  {
    Context context;
    WriteResponse response;
    const auto writer = stream_->Write(&context, &response);
    WriteRequest request;
    request.set_resource_name(UploadName(digest));
    request.set_data("hello");
    ASSERT_TRUE(writer->Write(request));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), StatusCode::CANCELLED);
  }
  server_.Stop();  // Waits for the service to be done with it.
  EXPECT_FALSE(server_.store().Contains(digest));
}

TEST_F(RemoteApiTest, UnsupportedCallsSaySo) {
  Context query_context, tree_context;
  google::bytestream::QueryWriteStatusResponse query_answer;
  EXPECT_EQ(stream_->QueryWriteStatus(&query_context, {}, &query_answer).error_code(),
            StatusCode::UNIMPLEMENTED);
  reapi::GetTreeResponse page;
  const auto tree = cas_->GetTree(&tree_context, {});
  EXPECT_FALSE(tree->Read(&page));
  EXPECT_EQ(tree->Finish().error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(RemoteApiTest, DamagedBlobNeverReachesAClient) {
  const std::string bytes(3'000'000, 'd');
  const Digest digest = Put(bytes);
  const fs::path file = server_.directory() / "cas" / digest.hash.substr(0, 2) /
                        absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
  fs::permissions(file, fs::perms::owner_all);
  std::string flipped = bytes;
  flipped[1'234'567] = 'D';
  std::ofstream(file, std::ios::binary) << flipped;
  std::string data;
  EXPECT_EQ(ReadStream(BlobName(digest), 0, 0, &data), StatusCode::DATA_LOSS);
  EXPECT_LT(data.size(), bytes.size());
  EXPECT_EQ(ReadStream(BlobName(digest), 0, 0, &data), StatusCode::NOT_FOUND);

  blob::CasClient client(channel_, {});
  EXPECT_EQ(client.FindMissing({digest})->size(), 1);
  EXPECT_EQ(client.Upload({{digest, bytes}}), absl::OkStatus());
  EXPECT_TRUE(client.Read({digest})->front() == bytes);
}

TEST_F(RemoteApiTest, ClientRepeatsWhenTheServerComesBack) {
  blob::CasClient::Options options;
  options.first_pause = absl::Milliseconds(20);
  options.max_attempts = 200;
  blob::CasClient client(channel_, options);
  ASSERT_EQ(client.Upload({{DigestOf("x"), "x"}}), absl::OkStatus());
  server_.Stop();
  std::thread restart([&] { server_.Start(); });
  EXPECT_EQ(client.Upload({{DigestOf("y"), "y"}}), absl::OkStatus());
  restart.join();
  EXPECT_EQ(server_.store().ReadAll(DigestOf("y")).value(), "y");
}

TEST_F(RemoteApiTest, ClientGivesUpOnAServerThatIsGone) {
  blob::CasClient::Options options;
  options.first_pause = absl::Milliseconds(1);
  options.max_attempts = 3;
  server_.Stop();
  blob::CasClient client(server_.NewChannel(), options);
  const absl::Status status = client.FindMissing({DigestOf("x")}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("gave up after 3 attempts"));
}

}  // namespace
}  // namespace rally
