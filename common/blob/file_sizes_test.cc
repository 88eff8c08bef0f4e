#include "common/blob/file_sizes.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::HasSubstr;

absl::Status Add(FileSizes& sizes, int64_t bytes, const std::string& path) {
  return sizes.Add(bytes, [&] { return path; });
}

TEST(FileSizesTest, LimitsMayBeReached) {
  const TreeLimits limits;
  FileSizes sizes(limits, "");
  for (int64_t all = 0; all < kMaxTreeBytes; all += kMaxFileBytes) {
    ASSERT_EQ(Add(sizes, kMaxFileBytes, "a"), absl::OkStatus());
  }
  EXPECT_EQ(Add(sizes, 0, "empty"), absl::OkStatus());
  EXPECT_EQ(Add(sizes, 1, "b").code(), absl::StatusCode::kResourceExhausted);
}

TEST(FileSizesTest, NamesTheFileThatIsTooLarge) {
  const TreeLimits limits;
  FileSizes sizes(limits, "make it smaller");
  const absl::Status status = Add(sizes, int64_t{2000} << 30, "out/b\nig");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      status.message(),
      "'out/b\\nig' has 2147483648000 bytes (2.0 TiB), more than the 64.0 GiB that a file may "
      "have; make it smaller");
}

TEST(FileSizesTest, NamesTheFileWithWhichAllAreTooLarge) {
  TreeLimits limits;
  limits.max_total_bytes = 2048;
  FileSizes sizes(limits, "make fewer");
  EXPECT_EQ(Add(sizes, 1500, "a"), absl::OkStatus());
  EXPECT_EQ(Add(sizes, 600, "b").message(),
            "with 'b', which has 600 bytes (600 B), the files have more than the 2.0 KiB that a "
            "workspace may have in all; make fewer");
}

TEST(FileSizesTest, ALongPathDoesNotDrownTheMessage) {
  TreeLimits limits;
  limits.max_file_bytes = 1;
  FileSizes sizes(limits, "");
  const std::string message(Add(sizes, 2, std::string(100'000, 'x')).message());
  EXPECT_LT(message.size(), 2'000u);
  EXPECT_THAT(message, HasSubstr("xxx...' has 2 bytes"));
}

}  // namespace
}  // namespace rally::blob
