// Images in a real containerd: from a real registry, from a registry that misbehaves, and from
// files.

#include <fcntl.h>
#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/runtime/containerd_under_test.h"
#include "agent/runtime/image_manifest.h"
#include "agent/runtime/purge_namespace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/containerd_fixture.h"

namespace rally::runtime {
namespace {

using ::rally::testing::BusyboxLayout;
using ::rally::testing::BusyboxOptions;
using ::rally::testing::ReadFile;
using ::rally::testing::RunCommand;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Serves the blobs of a layout directory as a registry would, and counts, breaks and lies on
// demand.
class LayoutServer {
 public:
  explicit LayoutServer(std::string layout) : layout_(std::move(layout)) {
    server_.Get(R"(/v2/app/(manifests|blobs)/sha256:([0-9a-f]{64}))",
                [this](const httplib::Request& request, httplib::Response& response) {
                  Answer(request, response);
                });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~LayoutServer() {
    while (!server_.is_running()) std::this_thread::yield();
    server_.stop();
    thread_.join();
  }

  std::string Reference(const std::string& digest) const {
    return absl::StrCat("127.0.0.1:", port_, "/app@", digest);
  }

  std::atomic<int> blob_requests{0};
  std::atomic<bool> corrupt_blobs{false};
  std::atomic<int> breaks{0};  // How many blobs are broken off after a part.

 private:
  void Answer(const httplib::Request& request, httplib::Response& response) {
    std::string bytes = ReadFile(absl::StrCat(layout_, "/blobs/sha256/", request.matches[2].str()));
    if (bytes.empty()) {
      response.status = 404;
      return;
    }
    if (request.matches[1] == "blobs") {
      ++blob_requests;
      if (corrupt_blobs && bytes.size() > 10000) bytes[bytes.size() / 2] ^= 1;
      if (bytes.size() > 10000 && breaks-- > 0) {
        // Promises all of it and delivers a part.
        const auto all = std::make_shared<std::string>(std::move(bytes));
        response.set_content_provider(all->size(), "application/octet-stream",
                                      [all](size_t offset, size_t, httplib::DataSink& sink) {
                                        if (offset > 0) return false;
                                        return sink.write(all->data(), all->size() / 2);
                                      });
        return;
      }
    }
    response.set_content(bytes, "application/octet-stream");
  }

  const std::string layout_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

class ContainerdImagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_ = Machine::Get();
    if (machine_ == nullptr) GTEST_SKIP() << "this machine can't run containers";
    under_test_ = std::make_unique<ContainerdUnderTest>(machine_);
    root_fd_ = open(machine_->scratch.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  void TearDown() override {
    if (machine_ == nullptr) return;
    close(root_fd_);
    // Whatever became of a pull, nothing holds what it had.
    EXPECT_EQ(Must(machine_->containerd->Ctr({"leases", "ls", "-q"})), "");
    EXPECT_THAT(Must(machine_->containerd->Ctr({"snapshots", "ls"})), Not(HasSubstr("extract-")));
  }

  ContainerRuntime& runtime() { return under_test_->runtime(); }
  std::string Path(const std::string& name) { return machine_->scratch.path() + "/" + name; }

  // A layout that no other test has the blobs of; returns the digest of its manifest.
  std::string MakeLayout(const std::string& name, BusyboxOptions options = {}) {
    options.env.push_back(absl::StrCat("LAYOUT=", name));
    Require(BusyboxLayout(Path(name), options));
    const auto index = nlohmann::json::parse(ReadFile(Path(name) + "/index.json"));
    return index["manifests"].back()["digest"].get<std::string>();
  }
  static void Require(const absl::Status& status) {
    Must(status.ok() ? absl::StatusOr<int>(0) : absl::StatusOr<int>(status));
  }

  // Runs the image's shell and returns what it prints.
  std::string Print(const Image& image, const std::string& script) {
    ContainerSpec spec = under_test_->Shell("t-print", script);
    spec.image = image;
    EXPECT_EQ(runtime().Create(spec, {}), absl::OkStatus());
    EXPECT_EQ(runtime().Start(spec.id).status(), absl::OkStatus());
    const auto exit = runtime().Wait(spec.id, nullptr);
    EXPECT_EQ(exit.ok() ? exit->exit_code : -1, 0);
    under_test_->out(spec.id).Read();
    EXPECT_EQ(runtime().Delete(spec.id), absl::OkStatus());
    return under_test_->out(spec.id).Read();
  }

  Machine* machine_ = nullptr;
  std::unique_ptr<ContainerdUnderTest> under_test_;
  int root_fd_ = -1;
};

TEST_F(ContainerdImagesTest, APulledImageIsCompleteToContainerdToo) {
  const Image image = Must(runtime().EnsureImage({machine_->image}, {}));
  EXPECT_TRUE(IsSha256Digest(image.digest)) << image.digest;
  EXPECT_TRUE(IsSha256Digest(image.top_chain_id)) << image.top_chain_id;
  EXPECT_GT(image.size_bytes, 500'000);
  EXPECT_THAT(image.name, HasSubstr("@" + image.digest));
  const std::string check = Must(machine_->containerd->Ctr({"images", "check"}));
  EXPECT_THAT(check, HasSubstr("complete (3/3)"));
  EXPECT_THAT(check, HasSubstr("true"));
}

TEST_F(ContainerdImagesTest, ADigestThatIsHereNeedsNoNetwork) {
  const std::string digest = MakeLayout("offline");
  std::string reference;
  std::string name;
  {
    LayoutServer server(Path("offline"));
    reference = server.Reference(digest);
    name = Must(runtime().EnsureImage({reference}, {})).name;
    EXPECT_GT(server.blob_requests, 0);
  }
  EXPECT_EQ(Must(runtime().EnsureImage({reference}, {})).name, name);
  under_test_->Restart();
  const Image image = Must(runtime().EnsureImage({reference}, {}));
  EXPECT_EQ(image.name, name);
  EXPECT_THAT(image.env, ::testing::Contains("LAYOUT=offline"));
}

TEST_F(ContainerdImagesTest, CallersOfOneReferenceShareTheWork) {
  const std::string digest = MakeLayout("shared");
  LayoutServer server(Path("shared"));
  std::vector<absl::StatusOr<Image>> images(6);
  std::vector<std::thread> threads;
  for (auto& image : images) {
    threads.emplace_back([&] { image = runtime().EnsureImage({server.Reference(digest)}, {}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& image : images) EXPECT_EQ(image.status(), absl::OkStatus());
  // A configuration and two layers, of which others may have brought some.
  EXPECT_LE(server.blob_requests, 3);
}

TEST_F(ContainerdImagesTest, ABlobThatDoesNotMatchIsRefusedAndNotKept) {
  const std::string digest = MakeLayout("corrupt");
  LayoutServer server(Path("corrupt"));
  server.corrupt_blobs = true;
  const absl::Status status = runtime().EnsureImage({server.Reference(digest)}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(server.Reference(digest)));
  server.corrupt_blobs = false;
  EXPECT_EQ(runtime().EnsureImage({server.Reference(digest)}, {}).status(), absl::OkStatus());
}

TEST_F(ContainerdImagesTest, ATransferThatBreaksOffGoesOn) {
  const std::string digest = MakeLayout("breaks");
  LayoutServer server(Path("breaks"));
  server.breaks = 2;
  EXPECT_EQ(runtime().EnsureImage({server.Reference(digest)}, {}).status(), absl::OkStatus());
  EXPECT_LT(server.breaks, 1) << "nothing was broken off";
}

TEST_F(ContainerdImagesTest, APullCanBeCancelled) {
  const std::string digest = MakeLayout("cancel");
  LayoutServer server(Path("cancel"));
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_EQ(runtime()
                .EnsureImage({server.Reference(digest)}, {absl::InfiniteFuture(), &cancellation})
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

TEST_F(ContainerdImagesTest, AnImageForOtherMachinesIsRefused) {
  BusyboxOptions options;
  options.architecture = "arm64";
  const std::string digest = MakeLayout("arm", options);
  LayoutServer server(Path("arm"));
  const absl::Status status = runtime().EnsureImage({server.Reference(digest)}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("linux/arm64"));
}

TEST_F(ContainerdImagesTest, ImportsALayoutDirectory) {
  const std::string digest = MakeLayout("directory");
  const Image image = Must(runtime().ImportImage({root_fd_, "directory", ""}, {}));
  EXPECT_EQ(image.digest, digest);
  EXPECT_EQ(Print(image, "cat /etc/image; echo $LAYOUT"), "from the image\ndirectory\n");
  EXPECT_EQ(Must(runtime().ImportImage({root_fd_, "directory", digest}, {})).name, image.name);
}

TEST_F(ContainerdImagesTest, ImportsAPlainTar) {
  const std::string digest = MakeLayout("tarred");
  // In an order that a stream would find inconvenient: layers before what names them.
  Must(RunCommand({"tar", "-C", Path("tarred"), "-cf", Path("image.tar"), "./blobs", "./oci-layout",
                   "./index.json"}));
  const Image image = Must(runtime().ImportImage({root_fd_, "image.tar", ""}, {}));
  EXPECT_EQ(image.digest, digest);
  EXPECT_EQ(Print(image, "echo $LAYOUT"), "tarred\n");
}

TEST_F(ContainerdImagesTest, ACompressedTarIsRefusedClearly) {
  MakeLayout("zipped");
  Must(RunCommand({"tar", "-C", Path("zipped"), "-czf", Path("image.tgz"), "."}));
  const absl::Status status = runtime().ImportImage({root_fd_, "image.tgz", ""}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("oci:image.tgz"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("compressed"));
}

TEST_F(ContainerdImagesTest, SeveralImagesNeedADigest) {
  BusyboxOptions second;
  second.tag = "second";
  const std::string first = MakeLayout("several");
  MakeLayout("several", second);
  const absl::Status status = runtime().ImportImage({root_fd_, "several", ""}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("second"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(first));
  EXPECT_EQ(Must(runtime().ImportImage({root_fd_, "several", first}, {})).digest, first);
}

TEST_F(ContainerdImagesTest, APurgedNamespaceIsGoneAndOthersAreNot) {
  const std::string socket = machine_->containerd->socket();
  const std::string borrowed = machine_->containerd->containerd_namespace() + "-borrowed";
  EXPECT_EQ(PurgeNamespace(socket, borrowed), absl::OkStatus()) << "there is nothing to remove";
  EXPECT_FALSE(Must(NamespaceExists(socket, borrowed)));
  {
    ContainerdOptions options;
    options.socket = socket;
    options.containerd_namespace = borrowed;
    options.data_directory = machine_->scratch.path();
    const auto runtime = Must(ContainerdRuntime::Make(options));
    Must(runtime->EnsureImage({machine_->image}, {}));
  }
  ASSERT_TRUE(Must(NamespaceExists(socket, borrowed)));
  EXPECT_EQ(PurgeNamespace(socket, borrowed), absl::OkStatus());
  EXPECT_FALSE(Must(NamespaceExists(socket, borrowed)));
  EXPECT_THAT(Must(machine_->containerd->Ctr({"namespaces", "list", "-q"})),
              Not(HasSubstr(borrowed)));
  // Its image has the same layers, and must still be whole.
  EXPECT_THAT(Print(under_test_->image(), "cat /etc/image"), HasSubstr("from the image"));
}

TEST_F(ContainerdImagesTest, ANamespaceWithContainersIsNotPurged) {
  const std::string ns = machine_->containerd->containerd_namespace();
  ASSERT_EQ(runtime().Create(under_test_->Shell("inhabitant", "true"), {}), absl::OkStatus());
  const absl::Status status = PurgeNamespace(machine_->containerd->socket(), ns);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(ns));
  EXPECT_EQ(runtime().Delete("inhabitant"), absl::OkStatus());
  EXPECT_THAT(Print(under_test_->image(), "cat /etc/image"), HasSubstr("from the image"));
}

TEST_F(ContainerdImagesTest, AnIncompleteLayoutNamesWhatIsMissing) {
  const std::string digest = MakeLayout("incomplete");
  const auto manifest =
      nlohmann::json::parse(ReadFile(Path("incomplete/blobs/sha256/") + digest.substr(7)));
  const std::string config = manifest["config"]["digest"].get<std::string>().substr(7);
  ASSERT_EQ(unlink((Path("incomplete/blobs/sha256/") + config).c_str()), 0);
  const absl::Status status = runtime().ImportImage({root_fd_, "incomplete", ""}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(config));
}

}  // namespace
}  // namespace rally::runtime
