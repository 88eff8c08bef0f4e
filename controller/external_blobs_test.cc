// A controller whose blobs are in a store elsewhere.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory.h"
#include "controller/blob/embedded_backend.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"

namespace rally::controller {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Another process's store, for all that the controller can tell.
class Store {
 public:
  explicit Store(std::string folder) : folder_(std::move(folder)) {
    auto opened = cas::EmbeddedBackend::Open(folder_, cas::DiskStoreOptions());
    blobs_ = *std::move(opened);
    Start();
  }
  ~Store() { Stop(); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(),
                             &port_);
    blobs_->AddTo(&builder);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  std::string url() const { return absl::StrCat("grpc://127.0.0.1:", port_); }
  blob::BlobStore& blobs() { return blobs_->store(); }

 private:
  const std::string folder_;
  std::unique_ptr<cas::EmbeddedBackend> blobs_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

class ExternalBlobsTest : public ControllerFixture {
 protected:
  void SetUp() override {
    store_folder_ = ::testing::TempDir() + "/store_XXXXXX";
    ASSERT_NE(mkdtemp(store_folder_.data()), nullptr);
    store_ = std::make_unique<Store>(store_folder_);
    options_.blob_endpoint = store_->url() + "/fleet/one";
    ControllerFixture::SetUp();
  }
  void TearDown() override {
    StopController();
    store_.reset();
    std::filesystem::remove_all(store_folder_);
  }

  // A context with one file, of which all but `left_out` is uploaded as rallyctl does.
  v1::SubmitRequest Upload(const std::string& content, bool leave_out_file = false) {
    blob::Directory root;
    *root.add_files() = blob::MakeFileNode("f", blob::DigestOf(content), 0644, std::nullopt);
    const std::string bytes = blob::Serialise(root);
    std::vector<blob::BlobUpload> uploads = {{blob::DigestOf(bytes), bytes}};
    if (!leave_out_file) uploads.push_back({blob::DigestOf(content), content});
    blob::CasClient client(channel_, blob::CasClient::Options());
    EXPECT_EQ(client.Upload(std::move(uploads)), absl::OkStatus());
    v1::SubmitRequest request;
    request.set_idempotency_key(content);
    request.set_pipeline(OneStep());
    request.mutable_context()->set_hash(blob::DigestOf(bytes).hash);
    request.mutable_context()->set_size_bytes(blob::DigestOf(bytes).size_bytes);
    return request;
  }

  std::string store_folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(ExternalBlobsTest, ContextsGoThroughItToTheStore) {
  v1::SubmitResponse response;
  EXPECT_TRUE(Submit(Upload("content"), &response).ok());
  EXPECT_NE(response.build_id(), "");
  EXPECT_THAT(store_->blobs().FindMissing({blob::DigestOf("content")}).value(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(options_.data + "/blobs"));
  EXPECT_FALSE(std::filesystem::exists(options_.data + "/action-cache.db"));
  const grpc::Status status = Submit(Upload("not uploaded", /*leave_out_file=*/true), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(blob::DigestOf("not uploaded").hash));
}

TEST_F(ExternalBlobsTest, WhileTheStoreIsAwaySubmissionsSaySo) {
  const v1::SubmitRequest request = Upload("content");
  store_->Stop();
  v1::SubmitResponse response;
  const grpc::Status status = Submit(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("the blob store " + store_->url()));
  store_->Start();
  const grpc::Status again = Submit(request, &response);
  EXPECT_TRUE(again.ok()) << again.error_message();
}

TEST_F(ExternalBlobsTest, NoStoreNoStart) {
  StopController();
  store_->Stop();
  options_.blob_endpoint_wait = absl::Milliseconds(300);
  const absl::Status status = Controller::Start(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(store_->url()), HasSubstr("could not be reached")));
}

TEST_F(ExternalBlobsTest, AServerThatIsNoStoreIsRefused) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  grpc::EnableDefaultHealthCheckService(true);
  const auto server = builder.BuildAndStart();
  StopController();
  options_.blob_endpoint = absl::StrCat("grpc://127.0.0.1:", port);
  const absl::Status status = Controller::Start(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("no store of the Remote Execution API"));
}

TEST_F(ExternalBlobsTest, TlsIsNotSpokenToAPlaintextStore) {
  StopController();
  options_.blob_endpoint = "grpcs" + store_->url().substr(4);
  options_.blob_endpoint_wait = absl::Milliseconds(300);
  const absl::Status status = Controller::Start(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(options_.blob_endpoint));
}

}  // namespace
}  // namespace rally::controller
