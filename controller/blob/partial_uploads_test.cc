#include "controller/blob/partial_uploads.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "controller/blob/disk_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

class PartialUploadsTest : public ::testing::Test {
 protected:
  PartialUploadsTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/partial_XXXXXX");
    folder_ = mkdtemp(pattern.data());
    store_ = DiskStore::Open(folder_.string()).value();
    PartialUploads::Options options;
    options.max_suspended = 3;
    options.keep_for = absl::Minutes(10);
    options.now = [this] { return now_; };
    uploads_ = std::make_unique<PartialUploads>(options);
  }
  ~PartialUploadsTest() override {
    uploads_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<IncomingBlob> HalfABlob() {
    auto blob =
        IncomingBlob::Begin(store_.get(), blob::DigestOf("hello world"), Compression::kIdentity)
            .value();
    EXPECT_EQ(blob->Append("hello"), absl::OkStatus());
    return blob;
  }
  void BreakOff(const std::string& name, int64_t stream) {
    EXPECT_THAT(uploads_->Begin(name, stream, 0).value(), IsNull());
    uploads_->Suspend(name, stream, HalfABlob());
  }

  std::filesystem::path folder_;
  std::unique_ptr<DiskStore> store_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::unique_ptr<PartialUploads> uploads_;
};

TEST_F(PartialUploadsTest, GoesOnWhereItBrokeOff) {
  BreakOff("n", 1);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 5);
  EXPECT_EQ(uploads_->ReceivedBytes("other"), 0);
  const auto wrong = uploads_->Begin("n", 2, 4).status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), HasSubstr("offset 5"));
  auto blob = uploads_->Begin("n", 2, 5).value();
  ASSERT_THAT(blob, NotNull());
  EXPECT_EQ(blob->Append(" world"), absl::OkStatus());
  EXPECT_EQ(blob->Commit(), absl::OkStatus());
  uploads_->End("n", 2);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 0);
  EXPECT_EQ(store_->ReadAll(blob::DigestOf("hello world")).value(), "hello world");
}

TEST_F(PartialUploadsTest, MayBeginAnew) {
  BreakOff("n", 1);
  EXPECT_THAT(uploads_->Begin("n", 2, 0).value(), IsNull());
  EXPECT_EQ(uploads_->suspended(), 0u);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 0);
  EXPECT_EQ(uploads_->Begin("new", 3, 5).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PartialUploadsTest, NewerStreamCounts) {
  EXPECT_THAT(uploads_->Begin("n", 1, 0).value(), IsNull());
  uploads_->Progress("n", 1, 3);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 3);
  EXPECT_EQ(uploads_->Begin("n", 2, 3).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(uploads_->Begin("n", 2, 0).value(), IsNull());
  uploads_->Progress("n", 1, 4);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 0);
  uploads_->Suspend("n", 1, HalfABlob());
  EXPECT_EQ(uploads_->suspended(), 0u);
  uploads_->End("n", 1);
  uploads_->Progress("n", 2, 2);
  EXPECT_EQ(uploads_->ReceivedBytes("n"), 2);
}

TEST_F(PartialUploadsTest, NumberAndTimeAreBounded) {
  for (int i = 0; i < 5; ++i) {
    now_ += absl::Minutes(1);
    BreakOff(absl::StrCat(i), i);
  }
  EXPECT_EQ(uploads_->suspended(), 3u);
  EXPECT_EQ(uploads_->ReceivedBytes("1"), 0);
  EXPECT_EQ(uploads_->ReceivedBytes("2"), 5);
  now_ += absl::Minutes(9);
  EXPECT_EQ(uploads_->ReceivedBytes("2"), 0) << "eleven minutes old";
  EXPECT_EQ(uploads_->ReceivedBytes("4"), 5) << "nine minutes old";
  EXPECT_EQ(uploads_->suspended(), 2u);
  uploads_->DropSuspended();
  EXPECT_EQ(uploads_->suspended(), 0u);
  EXPECT_EQ(uploads_->ReceivedBytes("4"), 0);
}

}  // namespace
}  // namespace rally::cas
