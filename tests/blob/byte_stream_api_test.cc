// ByteStream as any client of the Remote Execution API sees it: each RPC's statuses.
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/blob/zstd_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"
#include "tests/support/eventually.h"

namespace rally::testing {
namespace {

using blob::Digest;
using blob::DigestOf;
using cas::ZstdDecode;
using cas::ZstdEncode;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;
using grpc::StatusCode;

class ByteStreamApiTest : public RemoteApiTest {
 protected:
  struct WriteStatus {
    StatusCode code;
    int64_t committed_size;
    bool complete;
  };
  WriteStatus Query(const std::string& name) {
    Context context;
    google::bytestream::QueryWriteStatusRequest request;
    request.set_resource_name(name);
    google::bytestream::QueryWriteStatusResponse answer;
    const StatusCode code = stream_->QueryWriteStatus(&context, request, &answer).error_code();
    return {code, answer.committed_size(), answer.complete()};
  }

  // Sends the first bytes of an upload; when the server has them the connection breaks off.
  void BreakOff(const std::string& name, const std::string& bytes) {
    Context context;
    WriteResponse response;
    const auto writer = stream_->Write(&context, &response);
    WriteRequest request;
    request.set_resource_name(name);
    request.set_data(bytes);
    ASSERT_TRUE(writer->Write(request));
    ASSERT_TRUE(Eventually(absl::Seconds(20), [&] {
      return Query(name).committed_size == static_cast<int64_t>(bytes.size());
    }));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), StatusCode::CANCELLED);
  }

  // As a client that tries again while the server believes the first connection alive.
  StatusCode WriteRetrying(const std::vector<Frame>& frames, WriteResponse* response) {
    StatusCode code;
    EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
      code = WriteStream(frames, response).error_code();
      return code != StatusCode::ABORTED;
    }));
    return code;
  }
};

TEST_F(ByteStreamApiTest, ReadStatuses) {
  const std::string bytes(2'500'000, 'r');
  const Digest digest = Put(bytes);
  const std::string blob = BlobName(digest);
  const std::string compressed = CompressedName(digest);
  struct Case {
    std::string name;
    int64_t offset, limit;
    StatusCode code;
    size_t size;
  };
  for (const Case& c : std::vector<Case>{
           {blob, 0, 0, StatusCode::OK, 2'500'000},
           {"team/a/" + blob, 2'499'990, 0, StatusCode::OK, 10},
           {blob, 10, 5, StatusCode::OK, 5},
           {blob, 2'499'999, 100, StatusCode::OK, 1},
           {blob, 2'500'000, 0, StatusCode::OK, 0},
           {blob, 2'500'000, 7, StatusCode::OK, 0},
           {BlobName(blob::EmptyBlobDigest()), 0, 0, StatusCode::OK, 0},
           {BlobName(blob::EmptyBlobDigest()), 0, 3, StatusCode::OK, 0},
           {BlobName(blob::EmptyBlobDigest()), 1, 0, StatusCode::OUT_OF_RANGE, 0},
           {blob, 2'500'001, 0, StatusCode::OUT_OF_RANGE, 0},
           {blob, -1, 0, StatusCode::OUT_OF_RANGE, 0},
           {compressed, 2'500'001, 0, StatusCode::OUT_OF_RANGE, 0},
           {blob, 0, -1, StatusCode::INVALID_ARGUMENT, 0},
           {BlobName(DigestOf("gone")), 0, 0, StatusCode::NOT_FOUND, 0},
           {CompressedName(DigestOf("gone")), 0, 0, StatusCode::NOT_FOUND, 0},
           {BlobName(Digest{digest.hash, 2'500'001}), 0, 0, StatusCode::NOT_FOUND, 0},
           {compressed, 0, 5, StatusCode::INVALID_ARGUMENT, 0},
           {"compressed-blobs/deflate/" + digest.ToString(), 0, 0, StatusCode::INVALID_ARGUMENT, 0},
           {"compressed-blobs/brotli/" + digest.ToString(), 0, 0, StatusCode::INVALID_ARGUMENT, 0},
           {"blobs/blake3/" + digest.ToString(), 0, 0, StatusCode::INVALID_ARGUMENT, 0},
           {"blobs/zz/1", 0, 0, StatusCode::INVALID_ARGUMENT, 0},
           {UploadName(digest), 0, 0, StatusCode::INVALID_ARGUMENT, 0},
           {"", 0, 0, StatusCode::INVALID_ARGUMENT, 0},
       }) {
    std::string data;
    EXPECT_EQ(ReadStream(c.name, c.offset, c.limit, &data).error_code(), c.code)
        << c.name << " " << c.offset << " " << c.limit;
    EXPECT_EQ(data.size(), c.size) << c.name << " " << c.offset << " " << c.limit;
  }
}

TEST_F(ByteStreamApiTest, CompressedReads) {
  std::string bytes;
  for (int i = 0; bytes.size() < 3'000'000; ++i) absl::StrAppend(&bytes, "line ", i * 7919, "\n");
  const Digest digest = Put(bytes);
  std::string data;
  EXPECT_EQ(ReadStream(CompressedName(digest), 0, 0, &data).error_code(), StatusCode::OK);
  EXPECT_LT(data.size(), bytes.size() / 2);
  EXPECT_TRUE(ZstdDecode(data, bytes.size()).value() == bytes);
  // The offset is one in the plain bytes.
  EXPECT_EQ(ReadStream(CompressedName(digest), 2'000'000, 0, &data).error_code(), StatusCode::OK);
  EXPECT_TRUE(ZstdDecode(data, bytes.size() - 2'000'000).value() == bytes.substr(2'000'000));
  EXPECT_EQ(ReadStream(CompressedName(blob::EmptyBlobDigest()), 0, 0, &data).error_code(),
            StatusCode::OK);
  EXPECT_GT(data.size(), 0u) << "an empty frame, not nothing";
  EXPECT_EQ(ZstdDecode(data, 0).value(), "");
}

TEST_F(ByteStreamApiTest, WritesThatAreRefusedStoreNothing) {
  const Digest digest = DigestOf("hello world");
  const std::string name = UploadName(digest);
  const std::string zstd = CompressedUploadName(digest);
  const std::string encoded = ZstdEncode("hello world").value();
  const std::string bomb = ZstdEncode(std::string(10'000'000, 'b')).value();
  const Digest huge{digest.hash, (int64_t{64} << 30) + 1};
  for (const std::vector<Frame>& frames : std::vector<std::vector<Frame>>{
           {{name, 0, "hello there", true}},
           {{name, 0, "hello", true}},
           {{name, 0, "hello world!", true}},
           {{name, 0, "hello world", false}},
           {{name, 5, " world", true}},
           {{name, -1, "hello world", true}},
           {{name, 0, "hello", false}, {"", 4, "o world", true}},
           {{name, 0, "hello", false}, {"", 6, "world", true}},
           {{name, 0, "hello", false}, {name + "/x", 5, " world", true}},
           {{"", 0, "hello world", true}},
           {{BlobName(digest), 0, "hello world", true}},
           {{"uploads/blobs/" + digest.ToString(), 0, "hello world", true}},
           {{"uploads//blobs/" + digest.ToString(), 0, "hello world", true}},
           {{"uploads/u/blobs/sha1/" + digest.ToString(), 0, "hello world", true}},
           {{UploadName(huge), 0, "hello world", true}},
           {{zstd, 0, "hello world", true}},
           {{zstd, 0, encoded, false}},
           {{zstd, 0, encoded.substr(0, encoded.size() - 1), true}},
           {{zstd, 0, encoded + "x", true}},
           {{zstd, 0, "", true}},
           {{zstd, 0, bomb, true}},
           {{CompressedUploadName(Digest{digest.hash, 12}), 0, encoded, true}},
           {{CompressedUploadName(Digest{digest.hash, 10}), 0, encoded, true}},
           {{"uploads/u/compressed-blobs/gzip/" + digest.ToString(), 0, encoded, true}},
           {},
       }) {
    WriteResponse response;
    EXPECT_EQ(WriteRetrying(frames, &response), StatusCode::INVALID_ARGUMENT)
        << (frames.empty() ? "no message" : frames[0].name);
    EXPECT_FALSE(server_.store().Contains(digest));
  }
  // Each may have another try, under the same name.
  WriteResponse response;
  EXPECT_EQ(WriteStream({{name, 0, "hello world", true}}, &response).error_code(), StatusCode::OK);
}

TEST_F(ByteStreamApiTest, Writes) {
  const Digest digest = DigestOf("hello world");
  const std::string name = UploadName(digest);
  WriteResponse response;
  // In three parts, the last one empty, as some clients do.
  EXPECT_EQ(WriteStream({{name, 0, "hello", false}, {name, 5, " world", false}, {"", 11, "", true}},
                        &response)
                .error_code(),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 11);
  EXPECT_EQ(server_.store().ReadAll(digest).value(), "hello world");
  // It is there: answered at once, before the rest came.
  EXPECT_EQ(WriteStream({{name, 0, "he", false}}, &response).error_code(), StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 11);
  EXPECT_EQ(WriteStream({{CompressedUploadName(digest), 0, "he", false}}, &response).error_code(),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), -1);
  EXPECT_EQ(
      WriteStream({{UploadName(blob::EmptyBlobDigest()), 0, "", true}}, &response).error_code(),
      StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 0);
}

TEST_F(ByteStreamApiTest, CompressedWrites) {
  std::string bytes;
  for (int i = 0; bytes.size() < 1'000'000; ++i) absl::StrAppend(&bytes, "line ", i * 7919, "\n");
  const Digest digest = DigestOf(bytes);
  const std::string encoded = ZstdEncode(bytes).value();
  const std::string name = CompressedUploadName(digest) + "/some/file.txt";
  const int64_t half = encoded.size() / 2;
  WriteResponse response;
  // Offsets count compressed bytes.
  EXPECT_EQ(WriteStream(
                {{name, 0, encoded.substr(0, half), false}, {"", half, encoded.substr(half), true}},
                &response)
                .error_code(),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), static_cast<int64_t>(encoded.size()));
  EXPECT_TRUE(server_.store().ReadAll(digest).value() == bytes);
  EXPECT_EQ(WriteStream(
                {{CompressedUploadName(blob::EmptyBlobDigest()), 0, ZstdEncode("").value(), true}},
                &response)
                .error_code(),
            StatusCode::OK);
}

TEST_F(ByteStreamApiTest, QueryWriteStatuses) {
  const Digest there = Put("there");
  const Digest gone = DigestOf("gone");
  struct Case {
    std::string name;
    StatusCode code;
    int64_t committed_size;
    bool complete;
  };
  for (const Case& c : std::vector<Case>{
           {UploadName(there), StatusCode::OK, 5, true},
           {CompressedUploadName(there), StatusCode::OK, -1, true},
           {UploadName(blob::EmptyBlobDigest()), StatusCode::OK, 0, true},
           {UploadName(gone), StatusCode::OK, 0, false},
           {CompressedUploadName(gone), StatusCode::OK, 0, false},
           {BlobName(there), StatusCode::INVALID_ARGUMENT, 0, false},
           {"uploads/u/compressed-blobs/gzip/" + there.ToString(), StatusCode::INVALID_ARGUMENT, 0,
            false},
           {"", StatusCode::INVALID_ARGUMENT, 0, false},
       }) {
    const WriteStatus status = Query(c.name);
    EXPECT_EQ(status.code, c.code) << c.name;
    EXPECT_EQ(status.committed_size, c.committed_size) << c.name;
    EXPECT_EQ(status.complete, c.complete) << c.name;
  }
}

TEST_F(ByteStreamApiTest, UploadGoesOnWhereTheConnectionBrokeOff) {
  const std::string bytes(3'000'000, 'u');
  const Digest digest = DigestOf(bytes);
  const std::string name = UploadName(digest);
  BreakOff(name, bytes.substr(0, 1'000'000));
  EXPECT_FALSE(server_.store().Contains(digest));
  const WriteStatus status = Query(name);
  ASSERT_EQ(status.committed_size, 1'000'000);
  EXPECT_FALSE(status.complete);
  WriteResponse response;
  EXPECT_EQ(WriteRetrying({{name, 1'000'000, bytes.substr(1'000'000), true}}, &response),
            StatusCode::OK);
  EXPECT_EQ(response.committed_size(), 3'000'000);
  EXPECT_TRUE(server_.store().ReadAll(digest).value() == bytes);
  EXPECT_TRUE(Query(name).complete);
}

TEST_F(ByteStreamApiTest, UploadThatBrokeOffMayBeginAnew) {
  const Digest digest = DigestOf("hello world");
  const std::string name = UploadName(digest);
  BreakOff(name, "hello");
  WriteResponse response;
  EXPECT_EQ(WriteRetrying({{name, 4, "o world", true}}, &response), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(WriteRetrying({{UploadName(digest) + "/other", 5, " world", true}}, &response),
            StatusCode::INVALID_ARGUMENT)
      << "another upload's bytes";
  EXPECT_EQ(WriteStream({{name, 0, "hello world", true}}, &response).error_code(), StatusCode::OK);
  EXPECT_EQ(server_.store().ReadAll(digest).value(), "hello world");
}

TEST_F(ByteStreamApiTest, WrongBytesAfterAGoOnAreFound) {
  const Digest digest = DigestOf("hello world");
  const std::string name = UploadName(digest);
  BreakOff(name, "hellO");
  WriteResponse response;
  EXPECT_EQ(WriteRetrying({{name, 5, " world", true}}, &response), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Query(name).committed_size, 0) << "what can't become the blob is forgotten";
  EXPECT_FALSE(server_.store().Contains(digest));
}

TEST_F(ByteStreamApiTest, AbandonedUploadLeavesNothing) {
  const Digest digest = DigestOf("hello world");
  BreakOff(UploadName(digest), "hello");
  server_.Restart();
  channel_ = server_.NewChannel();
  stream_ = google::bytestream::ByteStream::NewStub(channel_);
  EXPECT_EQ(Query(UploadName(digest)).committed_size, 0);
  EXPECT_FALSE(server_.store().Contains(digest));
}

TEST_F(ByteStreamApiTest, ManyUploadsOfOneBlobAtOnce) {
  const std::string bytes(700'000, 'm');
  const Digest digest = DigestOf(bytes);
  const std::string encoded = ZstdEncode(bytes).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string id = absl::StrCat("uploads/", t, "/");
      WriteResponse response;
      if (t % 2 == 0) {
        EXPECT_EQ(WriteStream({{id + BlobName(digest), 0, bytes, true}}, &response).error_code(),
                  StatusCode::OK);
      } else {
        EXPECT_EQ(
            WriteStream({{id + CompressedName(digest), 0, encoded, true}}, &response).error_code(),
            StatusCode::OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(server_.store().ReadAll(digest).value() == bytes);
}

}  // namespace
}  // namespace rally::testing
