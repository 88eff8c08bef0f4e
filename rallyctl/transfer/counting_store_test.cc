#include "rallyctl/transfer/counting_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::rallyctl {
namespace {

constexpr int64_t kLargeBytes = 8 << 20;
constexpr int64_t kHalf = kLargeBytes / 2;

// Stops in the middle of each file, and tells the test.
class HalfwayStore final : public blob::BlobStore {
 public:
  explicit HalfwayStore(std::function<void()> halfway) : halfway_(std::move(halfway)) {}

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override {
    return std::vector<blob::Digest>(digests.begin(), digests.end());
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    for (blob::BlobUpload& upload : uploads) {
      auto* const open = std::get_if<1>(&upload.source);
      if (open == nullptr) continue;
      const absl::StatusOr<int> fd = (*open)();
      if (!fd.ok()) return fd.status();
      std::string bytes(kHalf, '\0');
      EXPECT_EQ(read(*fd, bytes.data(), bytes.size()), kHalf);
      halfway_();
      close(*fd);
    }
    return result_;
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest>) override {
    return std::vector<std::string>{"small"};
  }
  absl::Status ReadToFile(const blob::Digest&, int fd) override {
    EXPECT_EQ(write(fd, std::string(kHalf, 'x').data(), kHalf), kHalf);
    halfway_();
    return result_;
  }

  absl::Status result_;

 private:
  const std::function<void()> halfway_;
};

class CountingStoreTest : public ::testing::Test {
 protected:
  CountingStoreTest() {
    path_ = absl::StrCat(::testing::TempDir(), "/counting_XXXXXX");
    fd_ = mkstemp(path_.data());
    EXPECT_EQ(ftruncate(fd_, kLargeBytes), 0);
  }
  ~CountingStoreTest() override {
    close(fd_);
    unlink(path_.c_str());
  }

  blob::BlobUpload File(int64_t size_bytes) {
    return {blob::Digest{blob::DigestOf("any").hash, size_bytes},
            [path = path_]() -> absl::StatusOr<int> { return open(path.c_str(), O_RDONLY); }};
  }

  std::string path_;
  int fd_ = -1;
  int64_t seen_halfway_ = -1;
  HalfwayStore inner_{[this] { seen_halfway_ = store_.transferred_bytes(); }};
  CountingStore store_{&inner_};
};

TEST_F(CountingStoreTest, ALargeFileCountsWhileItIsSent) {
  std::vector<blob::BlobUpload> uploads;
  uploads.push_back({blob::DigestOf("small"), std::string("small")});
  uploads.push_back(File(kLargeBytes));
  EXPECT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  EXPECT_EQ(seen_halfway_, kHalf);
  EXPECT_EQ(store_.transferred_bytes(), kLargeBytes + 5);
}

TEST_F(CountingStoreTest, ALargeFileCountsWhileItComes) {
  EXPECT_EQ(store_.Read({blob::DigestOf("small")}).status(), absl::OkStatus());
  ASSERT_EQ(lseek(fd_, 100, SEEK_SET), 100);
  EXPECT_EQ(store_.ReadToFile(File(kLargeBytes).digest, fd_), absl::OkStatus());
  EXPECT_EQ(seen_halfway_, kHalf + 5) << "from where the descriptor stood";
  EXPECT_EQ(store_.transferred_bytes(), kLargeBytes + 5);
}

TEST_F(CountingStoreTest, WhatFailedDoesNotCount) {
  inner_.result_ = absl::UnavailableError("gone");
  std::vector<blob::BlobUpload> uploads;
  uploads.push_back(File(kLargeBytes));
  EXPECT_EQ(store_.Upload(std::move(uploads)), inner_.result_);
  EXPECT_EQ(store_.ReadToFile(File(kLargeBytes).digest, fd_), inner_.result_);
  EXPECT_EQ(seen_halfway_, kHalf);
  EXPECT_EQ(store_.transferred_bytes(), 0);
}

TEST_F(CountingStoreTest, SmallFilesCountWhenTheyAreDone) {
  std::vector<blob::BlobUpload> uploads;
  uploads.push_back(File(1000));
  EXPECT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  EXPECT_EQ(seen_halfway_, 0);
  EXPECT_EQ(store_.transferred_bytes(), 1000);
}

}  // namespace
}  // namespace rally::rallyctl
