#include "rallyctl/fetch/install_tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gtest/gtest.h"

namespace rally::rallyctl {
namespace {

// A tree with the file "top" and the folder "sub", in which the file "file" is, of which nothing
// but the folders is known.
class CheckInstallTest : public ::testing::Test {
 protected:
  CheckInstallTest() {
    char name[] = "/tmp/install-test-XXXXXX";
    folder_ = mkdtemp(name);
    to_ = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const blob::Digest content = blob::DigestOf("content");
    blob::Directory sub;
    *sub.add_files() = blob::MakeFileNode("file", content, 0644, std::nullopt);
    blob::Directory root;
    *root.add_files() = blob::MakeFileNode("top", content, 0644, std::nullopt);
    *root.add_directories() = blob::MakeDirectoryNode("sub", store_.Put(blob::Serialise(sub)));
    root_ = store_.Put(blob::Serialise(root));
  }
  ~CheckInstallTest() override {
    close(to_);
    RemoveTree(AT_FDCWD, folder_.c_str()).IgnoreError();
  }

  absl::Status Check(bool replace) { return CheckInstall(reader_, root_, to_, replace); }
  void Write(const std::string& name) { std::ofstream(folder_ + "/" + name) << "mine"; }
  void Make(const std::string& name) { mkdir((folder_ + "/" + name).c_str(), 0755); }

  std::string folder_;
  int to_ = -1;
  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
  blob::Digest root_;
};

TEST_F(CheckInstallTest, FoldersMergeAndFilesAreInTheWay) {
  EXPECT_EQ(Check(false), absl::OkStatus());
  Make("sub");
  Write("sub/other");
  EXPECT_EQ(Check(false), absl::OkStatus());
  Write("sub/file");
  EXPECT_EQ(Check(false),
            absl::AlreadyExistsError("sub/file is there already; --force replaces it"));
  EXPECT_EQ(Check(true), absl::OkStatus());
  Write("top");
  EXPECT_EQ(Check(false), absl::AlreadyExistsError("top is there already; --force replaces it"));
}

TEST_F(CheckInstallTest, AFolderIsNeverReplacedByAFile) {
  Make("top");
  for (const bool replace : {false, true}) {
    EXPECT_EQ(Check(replace), absl::AlreadyExistsError("top is a folder there, and a file in the "
                                                       "build; remove it first"));
  }
}

TEST_F(CheckInstallTest, ALinkToAFolderIsNoFolder) {
  ASSERT_EQ(symlink("/tmp", (folder_ + "/sub").c_str()), 0);
  EXPECT_EQ(Check(false), absl::AlreadyExistsError("sub is there already; --force replaces it"));
  EXPECT_EQ(Check(true), absl::OkStatus());
}

}  // namespace
}  // namespace rally::rallyctl
