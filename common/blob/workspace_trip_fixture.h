#ifndef RALLY_COMMON_BLOB_WORKSPACE_TRIP_FIXTURE_H_
#define RALLY_COMMON_BLOB_WORKSPACE_TRIP_FIXTURE_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/blob/capture_directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/materialise.h"
#include "common/blob/memory_blob_store.h"
#include "gtest/gtest.h"

namespace rally::blob {

// The time of the files.
inline constexpr int64_t kNanos = 1'600'000'000'123'456'789;
// A directory, and a store to send it through.
class WorkspaceTripTest : public ::testing::Test {
 protected:
  WorkspaceTripTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/trip_XXXXXX");
    scratch_ = mkdtemp(pattern.data());
    source_ = scratch_ / "source";
    std::filesystem::create_directory(source_);
    scratch_fd_ = open(scratch_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~WorkspaceTripTest() override {
    close(scratch_fd_);
    std::filesystem::remove_all(scratch_);
  }

  void Write(const std::filesystem::path& path, const std::string& content, mode_t mode = 0644,
             int64_t nanos = kNanos) {
    std::ofstream(path, std::ios::binary) << content;
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    SetTime(path, nanos);
  }

  static void SetTime(const std::filesystem::path& path, int64_t nanos) {
    const timespec times[2] = {{0, UTIME_NOW}, {nanos / 1'000'000'000, nanos % 1'000'000'000}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  static std::string ReadFile(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  // Everything that a tree keeps of a directory, as a line a path.
  static std::map<std::string, std::string> Describe(const std::filesystem::path& root) {
    std::map<std::string, std::string> lines;
    const auto add = [&](const std::filesystem::path& path) {
      struct stat st;
      ASSERT_EQ(lstat(path.c_str(), &st), 0);
      const std::string name = path == root ? "." : path.lexically_relative(root).string();
      if (S_ISLNK(st.st_mode)) {
        lines[name] = absl::StrCat("link ", std::filesystem::read_symlink(path).string());
        return;
      }
      lines[name] = absl::StrFormat("%s %o %d.%09d %s", S_ISDIR(st.st_mode) ? "dir" : "file",
                                    st.st_mode & 07777, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                                    S_ISDIR(st.st_mode) ? "" : ReadFile(path));
    };
    add(root);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) add(entry.path());
    return lines;
  }

  CapturedTree MustCapture(const CaptureOptions& options = {}) {
    absl::StatusOr<CapturedTree> tree = CaptureDirectory(source_.string(), options);
    EXPECT_EQ(tree.status(), absl::OkStatus());
    return *std::move(tree);
  }

  absl::StatusOr<MaterialiseStats> MaterialiseAs(const std::string& name, const Digest& root,
                                                 FileSource* local = nullptr) {
    return Materialise(root, reader_, store_, local, scratch_fd_, name);
  }

  std::filesystem::path scratch_;
  std::filesystem::path source_;
  int scratch_fd_;
  MemoryBlobStore store_;
  CachingDirectoryReader reader_{&store_};
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_WORKSPACE_TRIP_FIXTURE_H_
