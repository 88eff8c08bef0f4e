#include "common/size.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace rally {
namespace {

TEST(SizeTest, UnitsCountBy1024OrBy1000) {
  EXPECT_EQ(*ParseSize("0"), 0);
  EXPECT_EQ(*ParseSize("1000"), 1000);
  EXPECT_EQ(*ParseSize("16B"), 16);
  EXPECT_EQ(*ParseSize("2KiB"), 2048);
  EXPECT_EQ(*ParseSize("20MiB"), 20 << 20);
  EXPECT_EQ(*ParseSize("4GiB"), int64_t{4} << 30);
  EXPECT_EQ(*ParseSize("1TiB"), int64_t{1} << 40);
  EXPECT_EQ(*ParseSize("2KB"), 2000);
  EXPECT_EQ(*ParseSize("20MB"), 20'000'000);
  EXPECT_EQ(*ParseSize("200GB"), 200'000'000'000);
  EXPECT_EQ(*ParseSize("8TB"), 8'000'000'000'000);
  EXPECT_EQ(*ParseSize("200gb"), 200'000'000'000) << "the case of letters doesn't matter";
}

TEST(SizeTest, WhatIsNoSizeIsTold) {
  for (const char* bad : {"", "GiB", "-1", "1.5GiB", "4 GiB", "+1", "4G", "4 gigs", "much", " 4"}) {
    EXPECT_EQ(ParseSize(bad).status(),
              absl::InvalidArgumentError(absl::StrCat(
                  "\"", bad, "\" is no size; write for example 512MiB, 4GiB or 200GB")))
        << bad;
  }
  EXPECT_EQ(ParseSize("9999999999TiB").status(),
            absl::InvalidArgumentError("\"9999999999TiB\" is more than any disk has"));
}

TEST(SizeTest, FormattedExactly) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(1000), "1000");
  EXPECT_EQ(FormatSize(int64_t{4} << 30), "4GiB");
  EXPECT_EQ(FormatSize(1536 << 20), "1536MiB");
}

TEST(SizeTest, ShownRoughly) {
  EXPECT_EQ(SizeText(12), "12 B");
  EXPECT_EQ(SizeText(1536), "1.5 KiB");
  EXPECT_EQ(SizeText(62'914'560), "60.0 MiB");
  EXPECT_EQ(SizeText(int64_t{3} << 30), "3.0 GiB");
}

}  // namespace
}  // namespace rally
