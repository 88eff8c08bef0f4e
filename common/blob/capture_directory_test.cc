// Of a directory: what is read again, what is left out, and what is refused.
#include "common/blob/capture_directory.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/blob/workspace_trip_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// So that a test need not wait until its files are old enough.
const absl::Duration kTrustAllTimes = -absl::Hours(1);

using CaptureDirectoryTest = WorkspaceTripTest;

TEST_F(CaptureDirectoryTest, StatCacheSparesReading) {
  CaptureOptions options;
  options.stat_cache_file = (scratch_ / "cache/dir/stat").string();
  options.racy_window = kTrustAllTimes;
  Write(source_ / "a", "1");
  Write(source_ / "b", "2");
  const CapturedTree first = MustCapture(options);
  EXPECT_EQ(first.hashed_files, 2);
  const CapturedTree second = MustCapture(options);
  EXPECT_EQ(second.hashed_files, 0);
  EXPECT_EQ(second.root, first.root);
  ASSERT_EQ(UploadTree(store_, second).status(), absl::OkStatus());

  // Same size, same mtime, same inode: the ctime tells.
  const auto change_time = [&] {
    struct stat st;
    EXPECT_EQ(stat((source_ / "a").c_str(), &st), 0);
    return absl::TimeFromTimespec(st.st_ctim);
  };
  const absl::Time before = change_time();
  do {
    Write(source_ / "a", "9");
  } while (change_time() == before);  // The kernel's clock for files ticks slowly.
  const CapturedTree third = MustCapture(options);
  EXPECT_EQ(third.hashed_files, 1);
  EXPECT_NE(third.root, first.root);

  // A mode change alone needs no reading of the content to be seen.
  ASSERT_EQ(chmod((source_ / "b").c_str(), 0755), 0);
  EXPECT_NE(MustCapture(options).root, third.root);
}

TEST_F(CaptureDirectoryTest, RacilyTouchedFileIsReadAgain) {
  CaptureOptions options;
  options.stat_cache_file = (scratch_ / "stat").string();
  options.racy_window = absl::Hours(1);
  Write(source_ / "a", "1");
  EXPECT_EQ(MustCapture(options).hashed_files, 1);
  EXPECT_EQ(MustCapture(options).hashed_files, 1);
}

TEST_F(CaptureDirectoryTest, DamagedStatCacheIsIgnored) {
  CaptureOptions options;
  options.stat_cache_file = (scratch_ / "stat").string();
  options.racy_window = kTrustAllTimes;
  Write(source_ / "a", "1");
  const CapturedTree first = MustCapture(options);
  const std::string good = ReadFile(options.stat_cache_file);
  for (size_t i = 0; i < good.size(); i += 5) {
    std::string bad = good;
    bad[i] ^= 1;
    std::ofstream(options.stat_cache_file, std::ios::binary) << bad;
    const CapturedTree tree = MustCapture(options);
    ASSERT_EQ(tree.root, first.root) << i;
    ASSERT_EQ(tree.hashed_files, 1) << i;
    std::ofstream(options.stat_cache_file, std::ios::binary) << good.substr(0, i);
    ASSERT_EQ(MustCapture(options).hashed_files, 1) << i;
  }
}

TEST_F(CaptureDirectoryTest, UnwritableStatCacheIsAWarning) {
  CaptureOptions options;
  Write(scratch_ / "file", "");
  options.stat_cache_file = (scratch_ / "file/stat").string();
  options.racy_window = kTrustAllTimes;
  Write(source_ / "a", "1");
  EXPECT_THAT(MustCapture(options).warnings, ElementsAre(HasSubstr("writing the stat cache")));
}

TEST_F(CaptureDirectoryTest, SpecialFilesAreLeftOutWithAWarning) {
  Write(source_ / "f", "1");
  ASSERT_EQ(mkfifo((source_ / "fifo").c_str(), 0644), 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = (source_ / "sock").string();
  if (path.size() < sizeof(address.sun_path)) {
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  } else {
    ASSERT_EQ(mkfifo(path.c_str(), 0644), 0);
  }
  close(fd);
  const CapturedTree tree = MustCapture();
  EXPECT_EQ(tree.file_count, 1);
  EXPECT_THAT(tree.warnings, ElementsAre(HasSubstr("'fifo'"), HasSubstr("'sock'")));
}

TEST_F(CaptureDirectoryTest, NameThatIsNotUtf8FailsByItsPath) {
  fs::create_directory(source_ / "d");
  Write(source_ / "d/bad\xFFname", "1");
  const auto tree = CaptureDirectory(source_.string());
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(tree.status().message(), HasSubstr("'d/bad\\377name'"));
}

TEST_F(CaptureDirectoryTest, IgnoredEntriesAndLimits) {
  fs::create_directories(source_ / "keep");
  fs::create_directories(source_ / "skip/deep");
  Write(source_ / "keep/f", "12345");
  Write(source_ / "skip/deep/f", "2");
  CaptureOptions options;
  Write(source_ / ".dockerignore", "skip\n.dockerignore\n");
  options.obey_ignore_files = true;
  options.limits.max_entries = 2;
  options.limits.max_depth = 2;
  options.limits.max_total_bytes = 5;
  const CapturedTree tree = MustCapture(options);
  EXPECT_EQ(tree.file_count, 1);
  EXPECT_EQ(tree.directory_count, 1);
  for (int which = 0; which < 3; ++which) {
    CaptureOptions tight = options;
    if (which == 0) tight.limits.max_entries = 1;
    if (which == 1) tight.limits.max_depth = 1;
    if (which == 2) tight.limits.max_total_bytes = 4;
    EXPECT_EQ(CaptureDirectory(source_.string(), tight).status().code(),
              absl::StatusCode::kResourceExhausted)
        << which;
  }
}

TEST_F(CaptureDirectoryTest, ThreadsChangeNothingAboutTheResult) {
  // More directories on each level than it takes to share them out.
  for (int i = 0; i < 40; ++i) {
    const fs::path outer = source_ / absl::StrCat("d", i);
    for (int j = 0; j < 5; ++j) {
      const fs::path inner = outer / absl::StrCat("e", j);
      fs::create_directories(inner / ".git");
      for (const char* name : {"a.o", "b.c", "kept.o", ".git/c.o"}) Write(inner / name, name);
      ASSERT_EQ(mkfifo((inner / "pipe").c_str(), 0600), 0);
    }
    if (i % 2 == 0) Write(outer / ".gitignore", "*.o\n!kept.o\n");
    if (i % 4 == 0) Write(outer / "e1/.gitignore", "!a.o\nb.c\n");
    if (i % 8 == 0) Write(outer / "e2/.gitignore", "/*\n");
  }
  CaptureOptions options;
  options.obey_ignore_files = true;
  options.threads = 1;
  const CapturedTree alone = MustCapture(options);
  // Left out: a.o of the even ones but in 10 of the e1; b.c in these; and in 5 of the e2 b.c,
  // kept.o and the ignore file itself.
  EXPECT_EQ(alone.file_count, 200 * 4 + (20 + 10 + 5) - (20 * 5 - 10) - 10 - 5 * 3);
  EXPECT_EQ(alone.ignore_file, ".gitignore");
  options.threads = 8;
  const CapturedTree together = MustCapture(options);
  EXPECT_EQ(together.root, alone.root);
  EXPECT_EQ(together.file_count, alone.file_count);
  EXPECT_EQ(together.directory_count, alone.directory_count);
  EXPECT_EQ(together.ignored_entries, alone.ignored_entries);
  EXPECT_EQ(together.ignore_file, alone.ignore_file);
  EXPECT_EQ(together.warnings, alone.warnings);
  options.limits.max_entries = 300;
  EXPECT_EQ(CaptureDirectory(source_.string(), options).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(CaptureDirectoryTest, IgnoreFilesOnEveryLevelOfADeepTree) {
  fs::path deepest = source_;
  for (int i = 0; i < 100; ++i) {
    Write(deepest / ".gitignore", absl::StrCat("no", i, "\n"));
    Write(deepest / "yes", "1");
    deepest /= "d";
    fs::create_directory(deepest);
  }
  for (const char* name : {"no0", "no99", "no100"}) Write(deepest / name, "2");
  CaptureOptions options;
  options.obey_ignore_files = true;
  const CapturedTree tree = MustCapture(options);
  EXPECT_EQ(tree.file_count, 201);
  EXPECT_EQ(tree.ignored_entries, 2);
}

TEST_F(CaptureDirectoryTest, AFileThatIsTooLargeIsRefusedUnreadAndNamed) {
  fs::create_directories(source_ / "d");
  Write(source_ / "d/big", "");
  fs::resize_file(source_ / "d/big", uint64_t{2000} << 30);
  const auto tree = CaptureDirectory(source_.string());
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(tree.status().message(),
              HasSubstr("'d/big' has 2147483648000 bytes (2.0 TiB), more than the 64.0 GiB that a "
                        "file may have; a sparse file counts with its whole length"));
}

TEST_F(CaptureDirectoryTest, FilesThatAreTooLargeTogetherAreRefusedUnread) {
  for (int i = 0; i <= 16; ++i) {
    const fs::path file = source_ / std::to_string(i);
    Write(file, "");
    fs::resize_file(file, uint64_t{64} << 30);
  }
  const auto tree = CaptureDirectory(source_.string());
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(tree.status().message(),
              HasSubstr("more than the 1.0 TiB that a workspace may have"));
}

TEST_F(CaptureDirectoryTest, WhatIsNoDirectoryIsSaidSo) {
  Write(source_ / "f", "1");
  EXPECT_EQ(CaptureDirectory((source_ / "f").string()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CaptureDirectory((source_ / "none").string()).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rally::blob
