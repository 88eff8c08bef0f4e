#include "common/log/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace rally::log {
namespace {

// Test vectors of RFC 3720, B.4.
TEST(Crc32cTest, KnownValues) {
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, InstructionAndTablesAgreeAndPiecesAddUp) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Crc32c(bytes), internal::Crc32cByTables(bytes, 0)) << i;
    const std::string first = bytes.substr(0, i / 3);
    EXPECT_EQ(Crc32c(bytes.substr(i / 3), Crc32c(first)), Crc32c(bytes)) << i;
    bytes.push_back(static_cast<char>(i * 37 + 11));
  }
}

}  // namespace
}  // namespace rally::log
