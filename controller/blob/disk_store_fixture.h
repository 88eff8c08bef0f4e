#ifndef RALLY_CONTROLLER_BLOB_DISK_STORE_FIXTURE_H_
#define RALLY_CONTROLLER_BLOB_DISK_STORE_FIXTURE_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/blob/disk_store.h"
#include "gtest/gtest.h"

namespace rally::cas {

// For tests: a store in a folder of the test, whose time is the test's.
class DiskStoreFixture : public ::testing::Test {
 protected:
  DiskStoreFixture() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/store_XXXXXX");
    root_ = mkdtemp(pattern.data());
    options_.limits.keep_free_percent = 0;
    options_.clock = [this] { return absl::FromUnixSeconds(seconds_); };
    options_.longest_wait_for_room = absl::Milliseconds(50);
  }
  ~DiskStoreFixture() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  void Open() {
    store_.reset();
    auto opened = DiskStore::Open(root_.string(), options_);
    ASSERT_EQ(opened.status(), absl::OkStatus());
    store_ = *std::move(opened);
    store_->AwaitEviction();  // what the start found counts as found before the test goes on
  }

  void Advance(absl::Duration time) { seconds_ += absl::ToInt64Seconds(time); }

  blob::Digest Put(const std::string& bytes) {
    const blob::Digest digest = blob::DigestOf(bytes);
    EXPECT_EQ(store_->WriteAll(digest, bytes), absl::OkStatus());
    return digest;
  }

  // Puts "PREFIX0", "PREFIX1" and so on, a minute after each other.
  std::vector<blob::Digest> PutMany(const std::string& prefix, int count) {
    std::vector<blob::Digest> digests;
    for (int i = 0; i < count; ++i) {
      digests.push_back(Put(absl::StrCat(prefix, i)));
      Advance(absl::Minutes(1));
    }
    return digests;
  }

  // Without touching it.
  bool HasFile(const blob::Digest& digest) const { return std::filesystem::exists(FileOf(digest)); }

  std::filesystem::path FileOf(const blob::Digest& digest) const {
    return root_ / "cas" / digest.hash.substr(0, 2) /
           absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
  }

  void Overwrite(const blob::Digest& digest, const std::string& bytes) {
    ASSERT_EQ(chmod(FileOf(digest).c_str(), 0600), 0);
    std::ofstream(FileOf(digest), std::ios::binary | std::ios::trunc) << bytes;
  }

  int CountFiles(const char* below = "cas") const {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / below)) {
      count += entry.is_regular_file();
    }
    return count;
  }

  std::filesystem::path root_;
  std::atomic<int64_t> seconds_{1'000'000'000};
  DiskStoreOptions options_;
  std::unique_ptr<DiskStore> store_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DISK_STORE_FIXTURE_H_
