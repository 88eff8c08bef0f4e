#ifndef RALLY_TESTS_BLOB_REMOTE_API_FIXTURE_H_
#define RALLY_TESTS_BLOB_REMOTE_API_FIXTURE_H_

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/digest_proto.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "gtest/gtest.h"
#include "tests/blob/blob_server.h"

namespace rally::testing {

// The context of one call, with a deadline.
class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30)); }
};

// A blob service as any client of the Remote Execution API sees it.
class RemoteApiTest : public ::testing::Test {
 protected:
  RemoteApiTest() = default;
  explicit RemoteApiTest(BlobServer::Options options) : server_(std::move(options)) {}

  blob::Digest Put(const std::string& bytes) {
    EXPECT_EQ(server_.store().WriteAll(blob::DigestOf(bytes), bytes), absl::OkStatus());
    return blob::DigestOf(bytes);
  }

  // All of the stream's bytes, as they travel.
  grpc::Status ReadStream(const std::string& name, int64_t offset, int64_t limit,
                          std::string* data) {
    Context context;
    google::bytestream::ReadRequest request;
    request.set_resource_name(name);
    request.set_read_offset(offset);
    request.set_read_limit(limit);
    const auto reader = stream_->Read(&context, request);
    google::bytestream::ReadResponse response;
    data->clear();
    while (reader->Read(&response)) {
      EXPECT_LE(response.data().size(), 2u << 20);
      *data += response.data();
    }
    return reader->Finish();
  }

  struct Frame {
    std::string name;
    int64_t offset;
    std::string data;
    bool finish;
  };
  grpc::Status WriteStream(const std::vector<Frame>& frames,
                           google::bytestream::WriteResponse* response) {
    Context context;
    response->Clear();
    const auto writer = stream_->Write(&context, response);
    for (const Frame& frame : frames) {
      google::bytestream::WriteRequest request;
      request.set_resource_name(frame.name);
      request.set_write_offset(frame.offset);
      request.set_data(frame.data);
      request.set_finish_write(frame.finish);
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }

  // How much of an upload the server has.
  int64_t ReceivedBytes(const std::string& upload_name) {
    Context context;
    google::bytestream::QueryWriteStatusRequest request;
    request.set_resource_name(upload_name);
    google::bytestream::QueryWriteStatusResponse answer;
    const grpc::Status status = stream_->QueryWriteStatus(&context, request, &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer.committed_size();
  }

  static std::string BlobName(const blob::Digest& d) {
    return absl::StrCat("blobs/", d.ToString());
  }
  static std::string CompressedName(const blob::Digest& d) {
    return absl::StrCat("compressed-blobs/zstd/", d.ToString());
  }
  static std::string UploadName(const blob::Digest& d) {
    return absl::StrCat("main/uploads/6f4bc4a4-0000-4000-8000-000000000000/", BlobName(d));
  }
  static std::string CompressedUploadName(const blob::Digest& d) {
    return absl::StrCat("main/uploads/6f4bc4a4-0000-4000-8000-000000000000/", CompressedName(d));
  }

  BlobServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.NewChannel();
  std::unique_ptr<build::bazel::remote::execution::v2::ContentAddressableStorage::Stub> cas_ =
      build::bazel::remote::execution::v2::ContentAddressableStorage::NewStub(channel_);
  std::unique_ptr<build::bazel::remote::execution::v2::ActionCache::Stub> action_cache_ =
      build::bazel::remote::execution::v2::ActionCache::NewStub(channel_);
  std::unique_ptr<google::bytestream::ByteStream::Stub> stream_ =
      google::bytestream::ByteStream::NewStub(channel_);
};

// The request says in the field of this number that its digests are of this function; the
// distribution's API file is older than these fields.
inline void SetDigestFunction(google::protobuf::Message* request, int field, uint64_t function) {
  request->GetReflection()->MutableUnknownFields(request)->AddVarint(field, function);
}
constexpr uint64_t kSha256Function = 1;
constexpr uint64_t kBlake3Function = 9;

}  // namespace rally::testing

#endif  // RALLY_TESTS_BLOB_REMOTE_API_FIXTURE_H_
