// Files that are written to while a directory is captured and uploaded, and times that few have.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "common/blob/directory.h"
#include "common/blob/workspace_trip_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ChangingFilesTest : public WorkspaceTripTest {
 protected:
  void Write(const std::string& name, const std::string& text,
             std::ios::openmode mode = std::ios::trunc) const {
    std::ofstream(source_ / name, std::ios::binary | std::ios::out | mode) << text;
  }

  // The one file of the tree.
  FileNode FileOf(const CapturedTree& tree) const {
    return ParseDirectory(tree.directories.at(tree.root))->files(0);
  }
};

TEST_F(ChangingFilesTest, OfAFileThatKeepsGrowingTheTreeHasWhatItBeganWith) {
  const std::string begin(16 << 20, 'b');
  Write("log", begin);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    std::ofstream log(source_ / "log", std::ios::binary | std::ios::app);
    while (!stop) (log << "more\n").flush();
  });
  const CapturedTree tree = MustCapture();
  const auto uploaded = UploadTree(store_, tree);
  stop = true;
  writer.join();
  ASSERT_EQ(uploaded.status(), absl::OkStatus());
  const Digest digest = DigestOfNode(FileOf(tree));
  EXPECT_GE(digest.size_bytes, static_cast<int64_t>(begin.size()));
  EXPECT_EQ(store_.Read({digest})->front().substr(0, begin.size()), begin);
  EXPECT_THAT(tree.warnings, ElementsAre(absl::StrCat("'log' grows while it is read; its first ",
                                                      digest.size_bytes, " bytes are taken")));
}

TEST_F(ChangingFilesTest, WhatIsAppendedAfterTheCaptureIsNotSent) {
  Write("log", "seen\n");
  const CapturedTree tree = MustCapture();
  Write("log", "later\n", std::ios::app);
  ASSERT_EQ(UploadTree(store_, tree).status(), absl::OkStatus());
  EXPECT_THAT(*store_.Read({DigestOf("seen\n")}), ElementsAre("seen\n"));
  EXPECT_THAT(tree.warnings, IsEmpty());
}

TEST_F(ChangingFilesTest, AFileThatChangedInPlaceIsSaidToHaveChanged) {
  Write("f", "before");
  for (const char* after : {"after!", "cut"}) {
    Write("f", "before");
    const CapturedTree tree = MustCapture();
    Write("f", after);
    const absl::Status status = UploadTree(store_, tree).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(),
              "'f' changed while it was submitted; try again when nothing writes to it");
  }
}

TEST_F(ChangingFilesTest, AFileThatWentAwayBeforeItWasSentIsSaidToHaveGone) {
  Write("f", "content");
  const CapturedTree tree = MustCapture();
  fs::remove(source_ / "f");
  const absl::Status status = UploadTree(store_, tree).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "'f' went away while it was submitted; try again when nothing writes to it");
}

TEST_F(ChangingFilesTest, FoldersThatComeAndGoAreNoErrors) {
  for (int i = 0; i < 50; ++i) fs::create_directory(source_ / absl::StrCat("kept-", i));
  std::atomic<bool> stop{false};
  std::thread builder([&] {
    while (!stop) {
      for (int i = 0; i < 20; ++i) fs::create_directories(source_ / absl::StrCat("tmp-", i, "/d"));
      for (int i = 0; i < 20; ++i) fs::remove_all(source_ / absl::StrCat("tmp-", i));
    }
  });
  for (int round = 0; round < 50; ++round) {
    const auto tree = CaptureDirectory(source_.string());
    EXPECT_EQ(tree.status(), absl::OkStatus());
    if (!tree.ok()) break;
    EXPECT_GE(tree->directory_count, 50);
  }
  stop = true;
  builder.join();
}

TEST_F(ChangingFilesTest, TimesThatNanosecondsCannotCountToAreKept) {
  struct stat st = {};
  for (const int64_t seconds : {int64_t{10'413'792'000}, int64_t{253'402'300'800},
                                int64_t{-11'676'096'000}, int64_t{1} << 40}) {
    st.st_mtim.tv_sec = seconds;
    EXPECT_EQ(FileStat::Of(st).mtime, absl::FromUnixSeconds(seconds));
    Write("f", "x");
    const timespec times[2] = {{0, UTIME_NOW}, {seconds, 5}};
    ASSERT_EQ(utimensat(AT_FDCWD, (source_ / "f").c_str(), times, 0), 0);
    struct stat kept;
    ASSERT_EQ(stat((source_ / "f").c_str(), &kept), 0);
    // As an agent's capture has it, which makes its nodes from these times.
    const FileNode expected =
        MakeFileNode("f", DigestOf("x"), 0644, absl::TimeFromTimespec(kept.st_mtim));
    EXPECT_EQ(MtimeOf(FileOf(MustCapture())), MtimeOf(expected)) << seconds;
  }
}

}  // namespace
}  // namespace rally::blob
