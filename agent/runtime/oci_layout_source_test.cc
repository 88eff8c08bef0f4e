#include "agent/runtime/oci_layout_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/runtime/image_manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

using ::testing::HasSubstr;

// Layouts below a directory; importing whole images is tested in containerd_images_test.
class OciLayoutSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "oci_XXXXXX";
    root_ = mkdtemp(pattern.data());
    root_fd_ = open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char* directory :
         {"/tree", "/tree/image", "/tree/image/blobs", "/tree/image/blobs/sha256", "/outside"}) {
      ASSERT_EQ(mkdir((root_ + directory).c_str(), 0755), 0);
    }
    tree_fd_ = open((root_ + "/tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  void TearDown() override {
    close(root_fd_);
    close(tree_fd_);
  }

  void Write(const std::string& path, const std::string& text) {
    std::ofstream(absl::StrCat(root_, "/", path)) << text;
  }
  std::string WriteBlob(const std::string& text) {
    const std::string digest = Sha256Of(text);
    Write(absl::StrCat("tree/image/blobs/sha256/", digest.substr(7)), text);
    return digest;
  }
  static std::string Entry(const std::string& digest, const std::string& name) {
    return absl::StrCat(R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":3,)",
                        R"("digest":")", digest, R"(","annotations":{)",
                        R"("org.opencontainers.image.ref.name":")", name, "\"}}");
  }
  void WriteIndex(const std::string& entries) {
    Write("tree/image/index.json",
          absl::StrCat(R"({"schemaVersion":2,"manifests":[)", entries, "]}"));
  }
  absl::Status OpenStatus(const std::string& path) {
    return OciLayoutSource::Open(tree_fd_, path).status();
  }

  std::string root_;
  int root_fd_ = -1, tree_fd_ = -1;
};

TEST_F(OciLayoutSourceTest, TakesTheOnlyManifest) {
  const std::string digest = WriteBlob("abc");
  WriteIndex(Entry(digest, "latest"));
  const auto source = OciLayoutSource::Open(tree_fd_, "image");
  ASSERT_EQ(source.status(), absl::OkStatus());
  EXPECT_EQ((*source)->Choose("")->digest, digest);
  EXPECT_EQ((*source)->Choose(digest)->digest, digest);
  EXPECT_EQ((*source)->ReadManifest(digest, {})->bytes, "abc");
}

TEST_F(OciLayoutSourceTest, ListsSeveralAndTakesTheOneThatIsNamed) {
  const std::string first = WriteBlob("one"), second = WriteBlob("two");
  WriteIndex(absl::StrCat(Entry(first, "v1"), ",", Entry(second, "v2")));
  const auto source = OciLayoutSource::Open(tree_fd_, "image");
  ASSERT_EQ(source.status(), absl::OkStatus());
  const absl::Status status = (*source)->Choose("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(first + "  v1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(second + "  v2"));
  EXPECT_EQ((*source)->Choose(second)->name, "v2");
  const absl::Status unknown = (*source)->Choose(Sha256Of("three")).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr(first));
}

TEST_F(OciLayoutSourceTest, ChecksDigestsOfDocuments) {
  const std::string digest = WriteBlob("abc");
  WriteIndex(Entry(digest, "latest"));
  Write(absl::StrCat("tree/image/blobs/sha256/", digest.substr(7)), "changed");
  const auto source = OciLayoutSource::Open(tree_fd_, "image");
  ASSERT_EQ(source.status(), absl::OkStatus());
  EXPECT_EQ((*source)->ReadManifest(digest, {}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ((*source)->ReadManifest(Sha256Of("none"), {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(OciLayoutSourceTest, SaysWhatIsWrongWithThePlace) {
  EXPECT_EQ(OpenStatus("nothing").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenStatus("image").code(), absl::StatusCode::kFailedPrecondition);
  Write("tree/plain", "this is no tar");
  EXPECT_THAT(std::string(OpenStatus("plain").message()), HasSubstr("plain tar"));
  Write("tree/image/index.json", "{");
  EXPECT_THAT(std::string(OpenStatus("image").message()), HasSubstr("index.json"));
  ASSERT_EQ(mkfifo((root_ + "/tree/fifo").c_str(), 0600), 0);
  EXPECT_EQ(OpenStatus("fifo").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OciLayoutSourceTest, NeverLeavesTheDirectory) {
  Write("outside/index.json", R"({"schemaVersion":2,"manifests":[]})");
  EXPECT_EQ(OpenStatus("../outside").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenStatus(root_ + "/outside").code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(symlink("../outside", (root_ + "/tree/link").c_str()), 0);
  EXPECT_EQ(OpenStatus("link").code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(symlink("../../outside/index.json", (root_ + "/tree/image/index.json").c_str()), 0);
  EXPECT_EQ(OpenStatus("image").code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(symlink("image", (root_ + "/tree/inside").c_str()), 0);
  ASSERT_EQ(unlink((root_ + "/tree/image/index.json").c_str()), 0);
  WriteIndex(Entry(WriteBlob("abc"), "latest"));
  EXPECT_EQ(OpenStatus("inside"), absl::OkStatus()) << "a link within is fine";
}

}  // namespace
}  // namespace rally::runtime
