// The blob service of a controller whose blobs are elsewhere, by its wire. That a client works
// through it is the contract suite's.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/cas_client.h"
#include "common/blob/digest_proto.h"
#include "gmock/gmock.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/blob/blob_server.h"
#include "tests/blob/faulty_cas_server.h"
#include "tests/blob/forwarding_server.h"
#include "tests/support/eventually.h"

namespace rally::testing {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
namespace bytestream = google::bytestream;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

cas::Upstream::Options Named() {
  cas::Upstream::Options options;
  options.name = "the store behind";
  return options;
}

class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(absl::ToChronoTime(absl::Now() + kPatience)); }
};

// In front of a store that does what it's told.
class ForwardingTest : public ::testing::Test {
 protected:
  void Forward(cas::Upstream::Options options) {
    forwarding_.reset();
    forwarding_ = std::make_unique<ForwardingServer>(store_.NewChannel(), options);
    const auto channel = forwarding_->NewChannel();
    cas_ = reapi::ContentAddressableStorage::NewStub(channel);
    stream_ = bytestream::ByteStream::NewStub(channel);
    results_ = reapi::ActionCache::NewStub(channel);
    capabilities_ = reapi::Capabilities::NewStub(channel);
  }
  void SetUp() override { Forward(Named()); }

  grpc::Status FindMissing(const std::string& instance = "") {
    Context context;
    reapi::FindMissingBlobsRequest request;
    request.set_instance_name(instance);
    *request.add_blob_digests() = blob::ToProto(blob::DigestOf("x"));
    reapi::FindMissingBlobsResponse response;
    return cas_->FindMissingBlobs(&context, request, &response);
  }

  grpc::Status Read(const std::string& name, std::string* bytes) {
    Context context;
    bytestream::ReadRequest request;
    request.set_resource_name(name);
    const auto reader = stream_->Read(&context, request);
    bytestream::ReadResponse response;
    while (reader->Read(&response)) *bytes += response.data();
    return reader->Finish();
  }

  FaultyCasServer store_;
  std::unique_ptr<ForwardingServer> forwarding_;
  std::unique_ptr<reapi::ContentAddressableStorage::Stub> cas_;
  std::unique_ptr<bytestream::ByteStream::Stub> stream_;
  std::unique_ptr<reapi::ActionCache::Stub> results_;
  std::unique_ptr<reapi::Capabilities::Stub> capabilities_;
};

TEST_F(ForwardingTest, CapabilitiesAreTheStoresWithinOurs) {
  const auto ask = [&](const std::string& instance) {
    Context context;
    reapi::GetCapabilitiesRequest request;
    request.set_instance_name(instance);
    reapi::ServerCapabilities answer;
    EXPECT_TRUE(capabilities_->GetCapabilities(&context, request, &answer).ok());
    return answer;
  };
  FaultyCasServer::Faults faults;
  faults.digest_functions = {reapi::DigestFunction::SHA1, reapi::DigestFunction::SHA256};
  faults.max_batch_bytes = 77'000;
  store_.SetFaults(faults);
  reapi::ServerCapabilities answer = ask("team/a");
  EXPECT_THAT(answer.cache_capabilities().digest_function(),
              ElementsAre(reapi::DigestFunction::SHA256));
  EXPECT_FALSE(answer.cache_capabilities().action_cache_update_capabilities().update_enabled());
  EXPECT_EQ(answer.cache_capabilities().max_batch_total_size_bytes(), 77'000);
  EXPECT_EQ(answer.low_api_version().major(), 2);
  for (int64_t limit : {int64_t{0}, int64_t{1} << 40}) {
    faults.max_batch_bytes = limit;
    store_.SetFaults(faults);
    answer = ask("");
    EXPECT_GT(answer.cache_capabilities().max_batch_total_size_bytes(), 1 << 20);
    EXPECT_LT(answer.cache_capabilities().max_batch_total_size_bytes(), 4 << 20);
  }
}

TEST_F(ForwardingTest, ThereAreNoResultsOfActions) {
  {
    Context context;
    reapi::GetActionResultRequest request;
    reapi::ActionResult result;
    *request.mutable_action_digest() = blob::ToProto(blob::DigestOf("action"));
    EXPECT_EQ(results_->GetActionResult(&context, request, &result).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  Context context;
  reapi::UpdateActionResultRequest request;
  reapi::ActionResult result;
  *request.mutable_action_digest() = blob::ToProto(blob::DigestOf("action"));
  const grpc::Status status = results_->UpdateActionResult(&context, request, &result);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("the store behind"));
}

TEST_F(ForwardingTest, AStoreThatIsAwayIsNamed) {
  FaultyCasServer::Faults faults;
  faults.failing_attempts = 1'000;
  store_.SetFaults(faults);
  std::string bytes;
  for (const grpc::Status& status :
       {FindMissing(), Read(absl::StrCat("blobs/", blob::DigestOf("x").ToString()), &bytes)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(status.error_message(), "the store behind: not now");
  }
  blob::CasClient::Options options;
  options.max_attempts = 2;
  blob::CasClient client(forwarding_->NewChannel(), options);
  const std::string large(2'000'000, 'l');
  const absl::Status status = client.Upload({{blob::DigestOf(large), large}});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the store behind"));
}

TEST_F(ForwardingTest, MalformedNamesGetNoFurther) {
  std::string bytes;
  for (const std::string& name :
       {std::string(), std::string("blobs/x/1"), absl::StrCat("blobs/", std::string(64, 'a')),
        absl::StrCat("a//blobs/", blob::DigestOf("x").ToString())}) {
    EXPECT_EQ(Read(name, &bytes).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    Context context;
    bytestream::WriteResponse response;
    const auto writer = stream_->Write(&context, &response);
    bytestream::WriteRequest request;
    request.set_resource_name(name);
    writer->Write(request);
    writer->WritesDone();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
  }
  EXPECT_EQ(FindMissing("a/blobs").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const FaultyCasServer::Seen seen = store_.seen();
  EXPECT_EQ(seen.read_calls + seen.write_calls + seen.find_calls, 0);
}

TEST_F(ForwardingTest, UploadsThatEndBeforeTheirEndAreTheStoresToRefuse) {
  Context context;
  bytestream::WriteResponse response;
  const auto writer = stream_->Write(&context, &response);
  bytestream::WriteRequest request;
  request.set_resource_name(absl::StrCat("team/uploads/0d2b3c2e-0000-4000-8000-000000000000/blobs/",
                                         blob::DigestOf("hello").ToString()));
  request.set_data("he");
  EXPECT_TRUE(writer->Write(request));
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the store behind: it never finished");
}

TEST_F(ForwardingTest, ANameThatTurnsBadWithinAnUploadEndsIt) {
  Context context;
  bytestream::WriteResponse response;
  const auto writer = stream_->Write(&context, &response);
  bytestream::WriteRequest request;
  request.set_resource_name(absl::StrCat("uploads/0d2b3c2e-0000-4000-8000-000000000000/blobs/",
                                         blob::DigestOf("hello").ToString()));
  request.set_data("he");
  EXPECT_TRUE(writer->Write(request));
  request.set_resource_name("something else");
  writer->Write(request);
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ForwardingTest, MoreThanTheBoundIsTurnedAway) {
  cas::Upstream::Options options = Named();
  options.max_calls = 0;
  options.max_streams = 0;
  Forward(options);
  std::string bytes;
  const std::string name = blob::DigestOf("x").ToString();
  Context context;
  bytestream::WriteResponse response;
  const auto writer = stream_->Write(&context, &response);
  bytestream::WriteRequest request;
  request.set_resource_name(
      absl::StrCat("uploads/0d2b3c2e-0000-4000-8000-000000000000/blobs/", name));
  writer->Write(request);
  writer->WritesDone();
  for (const grpc::Status& status :
       {FindMissing(), Read(absl::StrCat("blobs/", name), &bytes), writer->Finish()}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("too many calls"), HasSubstr("the store behind")));
  }
}

TEST_F(ForwardingTest, ClientsThatOnlyHoldTheirPlacesLoseThem) {
  cas::Upstream::Options options = Named();
  options.max_streams = 1;
  options.idle.most = options.idle.most_when_scarce = absl::Milliseconds(100);
  options.idle.check_every = absl::Milliseconds(5);
  Forward(options);
  const std::string small = absl::StrCat("blobs/", store_.Put("small").ToString());
  const auto find_place = [&] {
    return Eventually(kPatience, [&] {
      std::string bytes;
      return Read(small, &bytes).ok();
    });
  };
  {
    Context context;
    bytestream::ReadRequest request;
    request.set_resource_name(
        absl::StrCat("blobs/", store_.Put(std::string(20'000'000, 'x')).ToString()));
    const auto reader = stream_->Read(&context, request);
    bytestream::ReadResponse frame;
    ASSERT_TRUE(reader->Read(&frame));
    EXPECT_TRUE(find_place());
    while (reader->Read(&frame)) continue;
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  Context context;
  bytestream::WriteResponse response;
  const auto writer = stream_->Write(&context, &response);
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("nothing was sent"));
  EXPECT_TRUE(find_place());
}

TEST_F(ForwardingTest, ClientsThatLeaveFreeTheirPlaces) {
  cas::Upstream::Options options = Named();
  options.max_calls = 1;
  options.max_streams = 1;
  Forward(options);
  const blob::Digest large = store_.Put(std::string(20'000'000, 'x'));
  const std::string read_name = absl::StrCat("blobs/", large.ToString());
  {
    // Reads one frame of many, then no more.
    Context context;
    bytestream::ReadRequest request;
    request.set_resource_name(read_name);
    const auto reader = stream_->Read(&context, request);
    bytestream::ReadResponse response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  std::string bytes;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    bytes.clear();
    return Read(read_name, &bytes).ok();
  }));
  EXPECT_EQ(bytes.size(), 20'000'000u);
  {
    Context context;
    bytestream::WriteResponse response;
    const auto writer = stream_->Write(&context, &response);
    bytestream::WriteRequest request;
    request.set_resource_name(absl::StrCat("uploads/0d2b3c2e-0000-4000-8000-000000000000/blobs/",
                                           blob::DigestOf("hello").ToString()));
    request.set_data("he");
    ASSERT_TRUE(writer->Write(request));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  FaultyCasServer::Faults slow;
  slow.delay = absl::Minutes(10);
  store_.SetFaults(slow);
  {
    Context context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(50)));
    reapi::FindMissingBlobsResponse response;
    EXPECT_EQ(cas_->FindMissingBlobs(&context, {}, &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  store_.SetFaults({});
  EXPECT_TRUE(Eventually(kPatience, [&] { return FindMissing().ok(); }));
  EXPECT_TRUE(Eventually(kPatience, [&] {
    bytes.clear();
    return Read(read_name, &bytes).ok();
  }));
}

TEST_F(ForwardingTest, ItStopsWhileCallsAreUnderWay) {
  FaultyCasServer::Faults slow;
  slow.delay = absl::Minutes(10);
  store_.SetFaults(slow);
  Context context;
  bytestream::ReadRequest request;
  request.set_resource_name(absl::StrCat("blobs/", blob::DigestOf("x").ToString()));
  const auto reader = stream_->Read(&context, request);
  ASSERT_TRUE(Eventually(kPatience, [&] { return store_.seen().read_calls == 1; }));
  forwarding_.reset();
  bytestream::ReadResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_FALSE(reader->Finish().ok());
}

// In front of our own service: what needs more than the portable core.
TEST(ForwardingToOursTest, CompressedBlobsTreesAndProgressGoThrough) {
  BlobServer store;
  ForwardingServer forwarding(store.NewChannel(), Named());
  const auto channel = forwarding.NewChannel();
  const auto stream = bytestream::ByteStream::NewStub(channel);
  const auto cas = reapi::ContentAddressableStorage::NewStub(channel);
  const std::string bytes(100'000, 'z');
  const blob::Digest digest = blob::DigestOf(bytes);
  ASSERT_EQ(store.store().WriteAll(digest, bytes), absl::OkStatus());
  {
    Context context;
    bytestream::ReadRequest request;
    request.set_resource_name(absl::StrCat("a/b/compressed-blobs/zstd/", digest.ToString()));
    const auto reader = stream->Read(&context, request);
    bytestream::ReadResponse response;
    size_t received = 0;
    while (reader->Read(&response)) received += response.data().size();
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_GT(received, 0u);
    EXPECT_LT(received, 1'000u);
  }
  {
    Context context;
    bytestream::QueryWriteStatusRequest request;
    request.set_resource_name(
        absl::StrCat("a/uploads/0d2b3c2e-0000-4000-8000-000000000000/blobs/", digest.ToString()));
    bytestream::QueryWriteStatusResponse response;
    EXPECT_TRUE(stream->QueryWriteStatus(&context, request, &response).ok());
    EXPECT_TRUE(response.complete());
    EXPECT_EQ(response.committed_size(), 100'000);
  }
  Context context;
  reapi::Directory root;
  root.add_files()->set_name("f");
  *root.mutable_files(0)->mutable_digest() = blob::ToProto(digest);
  const std::string serialised = root.SerializeAsString();
  const blob::Digest tree = blob::DigestOf(serialised);
  ASSERT_EQ(store.store().WriteAll(tree, serialised), absl::OkStatus());
  reapi::GetTreeRequest request;
  request.set_instance_name("a");
  *request.mutable_root_digest() = blob::ToProto(tree);
  const auto reader = cas->GetTree(&context, request);
  reapi::GetTreeResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.directories_size(), 1);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

}  // namespace
}  // namespace rally::testing
