// Somebody swaps directories and files for symlinks to outside while the upper directory is read
// and uploaded. Nothing that lies outside may get into the tree or the store. A captured upper has
// no writer left, so this is worse than what a step can do.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "agent/workspace/delta_capture.h"
#include "agent/workspace/delta_upload.h"
#include "agent/workspace/upper_walk.h"
#include "agent/workspace/workspace_fixture.h"
#include "common/blob/blob_key.h"
#include "common/blob/capture_directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "common/file_descriptor.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

constexpr int kCaptures = 10000;
constexpr char kSecret[] = "a secret of the host\n";

class CaptureRaceTest : public testing::Test {
 protected:
  CaptureRaceTest() {
    RunScript(directory_.path(),
              "mkdir -p outside/d upper/top/d; printf 'a secret of the host\\n' > outside/d/f; "
              "cp outside/d/f outside/secret; echo mine > upper/top/d/f; echo mine > upper/top/g");
  }
  ~CaptureRaceTest() override { StopSwapping(); }

  // Until StopSwapping: a directory of the upper is now itself, now a symlink to one outside; so is
  // a file.
  void StartSwapping() {
    swapper_ = std::thread([this] {
      const std::string top = directory_.Below("upper/top");
      const std::string away = directory_.Below("away");
      while (!stopping_) {
        for (const auto& [name, target] : {std::make_pair("/d", "../../outside/d"),
                                           std::make_pair("/g", "../../outside/secret")}) {
          const std::string path = top + name;
          if (::rename(path.c_str(), away.c_str()) != 0) continue;
          if (::symlink(target, path.c_str()) == 0) ::unlink(path.c_str());
          ::rename(away.c_str(), path.c_str());
          ++swaps_;
        }
      }
    });
  }
  void StopSwapping() {
    stopping_ = true;
    if (swapper_.joinable()) swapper_.join();
  }

  bool HasSecret() { return store_.FindMissing({blob::DigestOf(kSecret)}).value().empty(); }

  TestDirectory directory_;
  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
  std::thread swapper_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> swaps_{0};
};

TEST_F(CaptureRaceTest, NothingFromOutsideGetsIntoADelta) {
  const blob::Digest secret = blob::DigestOf(kSecret);
  StartSwapping();
  int captured = 0;
  for (int i = 0; i < kCaptures; ++i) {
    FileDescriptor upper(::open(directory_.Below("upper").c_str(), O_RDONLY | O_DIRECTORY));
    auto contents = ReadUpper(upper.get());
    if (!contents.ok()) continue;  // It may fail: something went away.
    // Reads the files again.
    DeltaUpload upload(upper.get(), contents->files, store_);
    const auto delta = CaptureDelta(*contents, blob::EmptyTreeDigest(), reader_);
    ASSERT_TRUE(delta.ok()) << delta.status();
    ++captured;
    for (const auto& [content, path] : contents->files) {
      ASSERT_NE(content.ToDigest(), secret) << path;
    }
    upload.Finish(delta->directories).status().IgnoreError();
  }
  StopSwapping();
  EXPECT_FALSE(HasSecret());
  EXPECT_GT(captured, 0);
  EXPECT_GT(swaps_, kCaptures / 10);
}

// The same of a context that changes while it is submitted.
TEST_F(CaptureRaceTest, NothingFromOutsideGetsIntoAContext) {
  const auto secret = blob::BlobKey::Of(blob::DigestOf(kSecret));
  StartSwapping();
  int captured = 0;
  for (int i = 0; i < kCaptures; ++i) {
    const auto tree = blob::CaptureDirectory(directory_.Below("upper"));
    if (!tree.ok()) continue;
    ++captured;
    ASSERT_FALSE(tree->files.contains(secret));
    blob::UploadTree(store_, *tree).status().IgnoreError();
  }
  StopSwapping();
  EXPECT_FALSE(HasSecret());
  EXPECT_GT(captured, 0);
  EXPECT_GT(swaps_, kCaptures / 10);
}

}  // namespace
}  // namespace rally::workspace
