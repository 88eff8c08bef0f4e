#include "agent/attempt_name.h"

#include <gtest/gtest.h>

#include <string>

namespace rally::agent {
namespace {

v1::AttemptKey Key(const std::string& build, int step, int attempt) {
  v1::AttemptKey key;
  key.set_build_id(build);
  key.set_step(step);
  key.set_attempt(attempt);
  return key;
}

TEST(AttemptNameTest, IsBuildIndexAttempt) {
  EXPECT_EQ(AttemptName(Key("x7k2", 12, 3)), "x7k2-12-3");
  EXPECT_EQ(LogPrefix(Key("x7k2", 12, 3)), "build=x7k2 step=12 attempt=3 ");
}

TEST(AttemptNameTest, OnlyWhatContainerdAndPathsTakeIsAKey) {
  EXPECT_EQ(CheckAttemptKey(Key("x7k2", 0, 1)), absl::OkStatus());
  EXPECT_EQ(CheckAttemptKey(Key("a.b_c-d", 0, 1)), absl::OkStatus());
  for (const char* bad :
       {"", ".", "..", "../x", "a/b", "a--b", "-a", "a-", "a b", "a\nb", "\xc3\xa4"}) {
    EXPECT_EQ(CheckAttemptKey(Key(bad, 0, 1)).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(CheckAttemptKey(Key("a", -1, 1)).ok());
  EXPECT_FALSE(CheckAttemptKey(Key("a", 0, 0)).ok());
  EXPECT_EQ(CheckAttemptKey(Key(std::string(72, 'a'), 0, 1)), absl::OkStatus());
  EXPECT_FALSE(CheckAttemptKey(Key(std::string(73, 'a'), 0, 1)).ok());
}

}  // namespace
}  // namespace rally::agent
