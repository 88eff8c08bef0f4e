#include "common/pipeline/duration.h"

#include <cstdint>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

constexpr int64_t kMicrosecond = 1'000;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;

struct Case {
  std::string text;
  int64_t nanoseconds;
};

// What Go's time.ParseDuration answers.
const Case kCases[] = {
    {"0", 0},
    {"5s", 5 * kSecond},
    {"30s", 30 * kSecond},
    {"1478s", 1478 * kSecond},
    {"-5s", -5 * kSecond},
    {"+5s", 5 * kSecond},
    {"-0", 0},
    {"+0", 0},
    {"0s", 0},
    {"5.0s", 5 * kSecond},
    {"5.6s", 5600 * kMillisecond},
    {"5.s", 5 * kSecond},
    {".5s", 500 * kMillisecond},
    {"1.0s", kSecond},
    {"1.00s", kSecond},
    {"1.004s", 1004 * kMillisecond},
    {"1.0040s", 1004 * kMillisecond},
    {"100.00100s", 100'001 * kMillisecond},
    {"10ns", 10},
    {"11us", 11 * kMicrosecond},
    {"12\xC2\xB5s", 12 * kMicrosecond},
    {"12\xCE\xBCs", 12 * kMicrosecond},
    {"13ms", 13 * kMillisecond},
    {"14s", 14 * kSecond},
    {"15m", 15 * kMinute},
    {"16h", 16 * kHour},
    {"3h30m", 210 * kMinute},
    {"10.5s4m", 4 * kMinute + 10'500 * kMillisecond},
    {"-2m3.4s", -(2 * kMinute + 3'400 * kMillisecond)},
    {"1h2m3s4ms5us6ns",
     kHour + 2 * kMinute + 3 * kSecond + 4 * kMillisecond + 5 * kMicrosecond + 6},
    {"39h9m14.425s", 39 * kHour + 9 * kMinute + 14'425 * kMillisecond},
    {"1s1s1s", 3 * kSecond},
    {"52763797000ns", 52'763'797'000},
    {"0.3333333333333333333h", 20 * kMinute},
    {"9007199254740993ns", 9'007'199'254'740'993},
    {"9223372036854775807ns", std::numeric_limits<int64_t>::max()},
    {"9223372036854775.807us", std::numeric_limits<int64_t>::max()},
    {"9223372036s854ms775us807ns", std::numeric_limits<int64_t>::max()},
    {"-9223372036854775808ns", std::numeric_limits<int64_t>::min()},
    {"-9223372036854775.808us", std::numeric_limits<int64_t>::min()},
    {"-9223372036s854ms775us808ns", std::numeric_limits<int64_t>::min()},
    {"-2562047h47m16.854775808s", std::numeric_limits<int64_t>::min()},
    {"0.100000000000000000000h", 6 * kMinute},
    {"0.830103483285477580700h", 49 * kMinute + 48 * kSecond + 372'539'827},
    {"0.25m", 15 * kSecond},
    {"0.9ns", 0},
};

TEST(ParseGoDurationTest, AgreesWithGo) {
  for (const Case& c : kCases) {
    const auto parsed = ParseGoDuration(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text << ": " << parsed.status();
    EXPECT_EQ(absl::ToInt64Nanoseconds(*parsed), c.nanoseconds) << c.text;
  }
}

TEST(ParseGoDurationTest, SaysWhatIsWrong) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"60", "missing unit in duration (write \"60s\")"},
      {"3", "missing unit in duration (write \"3s\")"},
      {"1h30", "missing unit in duration (write \"1h30s\")"},
      {"1.5", "missing unit in duration (write \"1.5s\")"},
      {"00", "missing unit in duration (write \"00s\")"},
      {"1.5.5s", "missing unit in duration (write \"1.5.5ss\")"},
      {"", "invalid duration (write for example \"60s\")"},
      {"-", "invalid duration (write for example \"60s\")"},
      {"s", "invalid duration (write for example \"60s\")"},
      {".", "invalid duration (write for example \"60s\")"},
      {"-.", "invalid duration (write for example \"60s\")"},
      {".s", "invalid duration (write for example \"60s\")"},
      {"+.s", "invalid duration (write for example \"60s\")"},
      {"--5s", "invalid duration (write for example \"60s\")"},
      {" 5s", "invalid duration (write for example \"60s\")"},
      {"1d", "unknown unit \"d\" in duration (units are ns, us, ms, s, m and h)"},
      {"5s ", "unknown unit \"s \" in duration (units are ns, us, ms, s, m and h)"},
      {"5 s", "unknown unit \" s\" in duration (units are ns, us, ms, s, m and h)"},
      {"1S", "unknown unit \"S\" in duration (units are ns, us, ms, s, m and h)"},
      {"1e3s", "unknown unit \"e\" in duration (units are ns, us, ms, s, m and h)"},
      {"1h-5m", "unknown unit \"h-\" in duration (units are ns, us, ms, s, m and h)"},
      {"hello", "invalid duration (write for example \"60s\")"},
      {"9223372036854775810ns", "duration is out of range (about 292 years)"},
      {"9223372036854775808ns", "duration is out of range (about 292 years)"},
      {"-9223372036854775809ns", "duration is out of range (about 292 years)"},
      {"9223372036854776us", "duration is out of range (about 292 years)"},
      {"3000000h", "duration is out of range (about 292 years)"},
      {"9223372036854775.808us", "duration is out of range (about 292 years)"},
      {"9223372036854ms775us808ns", "duration is out of range (about 292 years)"},
      {"99999999999999999999999s", "duration is out of range (about 292 years)"},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseGoDuration(c.text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_EQ(parsed.status().message(), c.message) << c.text;
  }
}

TEST(FormatGoDurationTest, AgreesWithGo) {
  const Case cases[] = {
      {"0s", 0},
      {"1ns", 1},
      {"1.1\xC2\xB5s", 1'100},
      {"2.2ms", 2'200 * kMicrosecond},
      {"3.3s", 3'300 * kMillisecond},
      {"4m5s", 4 * kMinute + 5 * kSecond},
      {"4m5.001s", 4 * kMinute + 5'001 * kMillisecond},
      {"5h6m7.001s", 5 * kHour + 6 * kMinute + 7'001 * kMillisecond},
      {"8m0.000000001s", 8 * kMinute + 1},
      {"2h0m0s", 2 * kHour},
      {"1m0s", kMinute},
      {"-1m0s", -kMinute},
      {"-1.5s", -1'500 * kMillisecond},
      {"2562047h47m16.854775807s", std::numeric_limits<int64_t>::max()},
      {"-2562047h47m16.854775808s", std::numeric_limits<int64_t>::min()},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(FormatGoDuration(absl::Nanoseconds(c.nanoseconds)), c.text);
  }
}

TEST(FormatGoDurationTest, ParsesBackToTheSame) {
  for (const Case& c : kCases) {
    const absl::Duration duration = absl::Nanoseconds(c.nanoseconds);
    const auto back = ParseGoDuration(FormatGoDuration(duration));
    ASSERT_TRUE(back.ok()) << c.text << ": " << back.status();
    EXPECT_EQ(*back, duration) << c.text;
  }
}

TEST(FormatGoDurationTest, InfinityIsTheEndOfTheRange) {
  EXPECT_EQ(FormatGoDuration(absl::InfiniteDuration()), "2562047h47m16.854775807s");
}

}  // namespace
}  // namespace rally::pipeline
