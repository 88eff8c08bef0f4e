// Trees that nobody's rallyctl makes, submitted to a controller as an attacker would: each is
// refused with a reason, no build is accepted, and the controller goes on.
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"

namespace rally::controller {
namespace {

using blob::Digest;
using blob::Directory;
using ::testing::HasSubstr;

class HostileContextTest : public ControllerFixture {
 protected:
  void SetUp() override {
    ControllerFixture::SetUp();
    store_ = std::make_unique<blob::CasClient>(channel_, blob::CasClient::Options());
    content_ = Put("content");
  }

  Digest Put(const std::string& bytes) {
    const Digest digest = blob::DigestOf(bytes);
    EXPECT_EQ(store_->Upload({blob::BlobUpload{digest, bytes}}), absl::OkStatus());
    return digest;
  }
  Digest Put(const Directory& directory) { return Put(blob::Serialise(directory)); }

  blob::FileNode File(const std::string& name) {
    return blob::MakeFileNode(name, content_, 0644, std::nullopt);
  }
  Digest PutParent(const Digest& child, int times = 1) {
    Directory parent;
    for (int i = 0; i < times; ++i) {
      *parent.add_directories() = blob::MakeDirectoryNode(absl::StrCat("d", 100 + i), child);
    }
    return Put(parent);
  }

  grpc::Status SubmitTree(const Digest& root) {
    v1::SubmitRequest request;
    request.set_idempotency_key(absl::StrCat("key ", submitted_++));
    request.set_pipeline(OneStep());
    request.mutable_context()->set_hash(root.hash);
    request.mutable_context()->set_size_bytes(root.size_bytes);
    v1::SubmitResponse response;
    return Submit(request, &response);
  }

  void ExpectRefused(const Digest& root, grpc::StatusCode code, const std::string& why) {
    const grpc::Status status = SubmitTree(root);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(why));
  }

  void TearDown() override {
    v1::ListBuildsResponse builds;
    ASSERT_TRUE(builds_->ListBuilds(Context().get(), v1::ListBuildsRequest(), &builds).ok());
    EXPECT_EQ(builds.builds_size(), 0) << "nothing hostile became a build";
    Directory fine;
    *fine.add_files() = File("fine");
    EXPECT_TRUE(SubmitTree(Put(fine)).ok());
  }

  std::unique_ptr<blob::CasClient> store_;
  Digest content_;
  int submitted_ = 0;
};

TEST_F(HostileContextTest, NamesThatLeaveTheTreeOrHideInIt) {
  for (const std::string& name :
       {std::string(".."), std::string("."), std::string(), std::string("../escaped"),
        std::string("/etc/passwd"), std::string("a\0b", 3), std::string(256, 'n')}) {
    Directory root;
    *root.add_files() = File(name);
    ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, Put(root).hash);
    // At any depth, and for directories and links, too.
    ExpectRefused(PutParent(PutParent(Put(root))), grpc::StatusCode::INVALID_ARGUMENT,
                  Put(root).hash);
    root.Clear();
    *root.add_directories() = blob::MakeDirectoryNode(name, blob::EmptyTreeDigest());
    ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, Put(root).hash);
    root.Clear();
    *root.add_symlinks() = blob::MakeSymlinkNode(name, "target");
    ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, Put(root).hash);
  }
}

TEST_F(HostileContextTest, OneNameForTwoThings) {
  Directory root;
  *root.add_files() = File("n");
  *root.add_symlinks() = blob::MakeSymlinkNode("n", "/etc/passwd");
  ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, "twice");
  root.clear_files();
  *root.add_directories() = blob::MakeDirectoryNode("n", blob::EmptyTreeDigest());
  ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, "twice");
  root.Clear();
  *root.add_files() = File("n");
  *root.add_files() = File("n");
  ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, "twice");
}

TEST_F(HostileContextTest, DigestsThatAreNone) {
  Directory root;
  *root.add_files() = File("n");
  root.mutable_files(0)->mutable_digest()->set_hash("../../../../../etc/passwd");
  ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, "digest");
  root.mutable_files(0)->mutable_digest()->set_hash(content_.hash);
  root.mutable_files(0)->mutable_digest()->set_size_bytes(-1);
  ExpectRefused(Put(root), grpc::StatusCode::INVALID_ARGUMENT, "size");
  // The hash of a blob that is there, with another size, is the name of one that isn't.
  root.mutable_files(0)->mutable_digest()->set_size_bytes(content_.size_bytes + 1);
  ExpectRefused(Put(root), grpc::StatusCode::FAILED_PRECONDITION,
                absl::StrCat(content_.hash, "/", content_.size_bytes + 1));
  ExpectRefused(Put("this is no directory"), grpc::StatusCode::INVALID_ARGUMENT, "Directory");
  ExpectRefused(blob::DigestOf("nobody sent it"), grpc::StatusCode::FAILED_PRECONDITION,
                blob::DigestOf("nobody sent it").hash);
  ExpectRefused({"short", 5}, grpc::StatusCode::INVALID_ARGUMENT, "short");
}

TEST_F(HostileContextTest, SmallGraphsThatStandForHugeTrees) {
  Directory leaf;
  *leaf.add_files() = File("n");
  Digest wide = Put(leaf);
  for (int i = 0; i < 21; ++i) wide = PutParent(wide, /*times=*/2);
  ExpectRefused(wide, grpc::StatusCode::RESOURCE_EXHAUSTED, "entries");
  Digest deep = Put(leaf);
  for (int i = 0; i < blob::kMaxTreeDepth; ++i) deep = PutParent(deep);
  ExpectRefused(deep, grpc::StatusCode::RESOURCE_EXHAUSTED, "levels");
  // One file 900 times, which need not be there for the tree to be refused.
  Directory huge_leaf;
  *huge_leaf.add_files() =
      blob::MakeFileNode("n", Digest{content_.hash, int64_t{1} << 31}, 0644, std::nullopt);
  ExpectRefused(PutParent(PutParent(Put(huge_leaf), 30), 30), grpc::StatusCode::RESOURCE_EXHAUSTED,
                "bytes in its files");
}

}  // namespace
}  // namespace rally::controller
