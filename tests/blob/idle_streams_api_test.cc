// Clients that begin streams and then neither send nor take anything: what they are told, and that
// others find places all the same.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"
#include "tests/support/eventually.h"

namespace rally::testing {
namespace {

using blob::Digest;
using blob::DigestOf;
using google::bytestream::ReadRequest;
using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;
using grpc::StatusCode;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kPlaces = 8;
constexpr int kShare = 6;  // What one peer may have of them.

// Time goes by only when the test says so.
class FakeTime {
 public:
  void Advance(absl::Duration by) { *nanoseconds_ += absl::ToInt64Nanoseconds(by); }
  std::function<absl::Duration()> Clock() const {
    return [nanoseconds = nanoseconds_] { return absl::Nanoseconds(nanoseconds->load()); };
  }

 private:
  // Shared with a server that was made before the test.
  std::shared_ptr<std::atomic<int64_t>> nanoseconds_ = std::make_shared<std::atomic<int64_t>>(0);
};

class IdleStreamsApiTest : public RemoteApiTest {
 protected:
  IdleStreamsApiTest() : IdleStreamsApiTest(FakeTime()) {}
  explicit IdleStreamsApiTest(const FakeTime& time) : RemoteApiTest(Watched(time)), time_(time) {}

  static BlobServer::Options Watched(const FakeTime& time) {
    BlobServer::Options options;
    options.services.streams.max_streams = kPlaces;
    options.services.streams.idle.now = time.Clock();
    options.services.streams.idle.check_every = absl::Milliseconds(2);
    return options;
  }

  // An upload that has sent one byte.
  struct Upload {
    std::string name;
    Context context;
    WriteResponse response;
    std::unique_ptr<grpc::ClientWriter<WriteRequest>> writer;
  };
  std::unique_ptr<Upload> BeginUpload(const std::string& bytes) {
    auto upload = std::make_unique<Upload>();
    upload->name = UploadName(DigestOf(bytes));
    upload->writer = stream_->Write(&upload->context, &upload->response);
    EXPECT_TRUE(Send(*upload, bytes, 0));
    return upload;
  }
  // Of its bytes the one at `offset`; waits until the server has it.
  bool Send(Upload& upload, const std::string& bytes, int64_t offset) {
    WriteRequest request;
    request.set_resource_name(upload.name);
    request.set_write_offset(offset);
    request.set_data(bytes.substr(offset, 1));
    if (!upload.writer->Write(request)) return false;
    return Eventually(kPatience, [&] { return ReceivedBytes(upload.name) == offset + 1; });
  }
  std::vector<std::unique_ptr<Upload>> BeginUploads(int count) {
    std::vector<std::unique_ptr<Upload>> uploads;
    for (int i = 0; i < count; ++i) uploads.push_back(BeginUpload(absl::StrCat(i, " of many")));
    return uploads;
  }

  StatusCode TryWrite(const std::string& bytes) {
    WriteResponse response;
    return WriteStream({{UploadName(DigestOf(bytes)), 0, bytes, true}}, &response).error_code();
  }
  StatusCode TryRead(const Digest& digest) {
    std::string data;
    return ReadStream(BlobName(digest), 0, 0, &data).error_code();
  }
  // Calls from now on come from another host than those before.
  void SwitchHost() {
    stream_ = google::bytestream::ByteStream::NewStub(server_.NewChannelFromAnotherHost());
  }
  // Time goes by, a little more than `by`, until it is so.
  bool EventuallyAfter(absl::Duration by, const std::function<bool()>& predicate) {
    return Eventually(kPatience, [&] {
      time_.Advance(by + absl::Milliseconds(1));
      return predicate();
    });
  }

  FakeTime time_;
};

TEST_F(IdleStreamsApiTest, AnUploadIsSuspendedAndGoesOnLater) {
  const std::string bytes = "hello";
  const auto upload = BeginUpload(bytes);
  WriteResponse response;
  StatusCode code;
  EXPECT_TRUE(EventuallyAfter(absl::Minutes(2), [&] {
    code = WriteStream({{upload->name, 1, bytes.substr(1), true}}, &response).error_code();
    return code != StatusCode::ABORTED;  // The first stream is still at it.
  }));
  EXPECT_EQ(code, StatusCode::OK);
  EXPECT_EQ(server_.store().ReadAll(DigestOf(bytes)).value(), bytes);
  const grpc::Status status = upload->writer->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("try again"));
}

TEST_F(IdleStreamsApiTest, StreamsWithoutAMessageAreEnded) {
  std::vector<std::unique_ptr<Upload>> silent;
  // One more each time, as what was tried may have taken another's place.
  EXPECT_TRUE(Eventually(kPatience, [&] {
    silent.push_back(std::make_unique<Upload>());
    silent.back()->writer = stream_->Write(&silent.back()->context, &silent.back()->response);
    return TryWrite("x") == StatusCode::UNAVAILABLE;
  }));
  EXPECT_TRUE(EventuallyAfter(absl::Minutes(2), [&] { return TryWrite("y") == StatusCode::OK; }));
  for (const auto& one : silent) one->context.TryCancel();
  for (const auto& one : silent) one->writer->Finish();
}

TEST_F(IdleStreamsApiTest, AnUploadThatMovesIsNotIdle) {
  const std::string bytes = "slowly but surely";
  const auto upload = BeginUpload(bytes);
  for (size_t offset = 1; offset < bytes.size(); ++offset) {
    time_.Advance(absl::Seconds(110));
    ASSERT_TRUE(Send(*upload, bytes, offset));
  }
  WriteRequest last;
  last.set_write_offset(bytes.size());
  last.set_finish_write(true);
  ASSERT_TRUE(upload->writer->Write(last));
  EXPECT_TRUE(upload->writer->Finish().ok());
}

TEST_F(IdleStreamsApiTest, PlacesOfThoseThatDoNotReadAreFreed) {
  const Digest large = Put(std::string(20'000'000, 'r'));
  struct Download {
    Context context;
    std::unique_ptr<grpc::ClientReader<ReadResponse>> reader;
  };
  ReadRequest request;
  request.set_resource_name(BlobName(large));
  ReadResponse response;
  // What isn't read fills the window of their connection; others have one of their own.
  const auto idle = google::bytestream::ByteStream::NewStub(server_.NewChannel());
  std::vector<std::unique_ptr<Download>> downloads;
  for (int i = 0; i < kShare; ++i) {
    downloads.push_back(std::make_unique<Download>());
    downloads.back()->reader = idle->Read(&downloads.back()->context, request);
    ASSERT_TRUE(downloads.back()->reader->Read(&response));
  }
  EXPECT_EQ(TryRead(large), StatusCode::UNAVAILABLE);
  EXPECT_EQ(TryWrite("x"), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(EventuallyAfter(absl::Minutes(2), [&] { return TryWrite("x") == StatusCode::OK; }));
  int ended = 0;
  for (const auto& download : downloads) {
    while (download->reader->Read(&response)) continue;
    ended += download->reader->Finish().error_code() == StatusCode::UNAVAILABLE;
  }
  EXPECT_GT(ended, 0);
  EXPECT_EQ(TryRead(Put("small")), StatusCode::OK);
}

TEST_F(IdleStreamsApiTest, OnePeerLeavesPlacesToOthers) {
  const Digest there = Put("there");
  const auto uploads = BeginUploads(kShare);
  EXPECT_EQ(TryWrite("x"), StatusCode::UNAVAILABLE);
  EXPECT_EQ(TryRead(there), StatusCode::UNAVAILABLE);
  SwitchHost();
  EXPECT_EQ(TryWrite("x"), StatusCode::OK);
  EXPECT_EQ(TryRead(there), StatusCode::OK);
}

TEST_F(IdleStreamsApiTest, WhilePlacesAreScarceLessIsWaited) {
  const auto uploads = BeginUploads(kShare);
  EXPECT_EQ(TryWrite("x"), StatusCode::UNAVAILABLE);
  time_.Advance(absl::Seconds(31));
  EXPECT_TRUE(Eventually(kPatience, [&] { return TryWrite("x") == StatusCode::OK; }));
}

}  // namespace
}  // namespace rally::testing
