// Random builds on a random fleet: see random_fleet.h.
#include <cstdint>
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "controller/core/random_fleet.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

TEST(CoreProperty, RandomFleetsKeepTheInvariants) {
  std::map<std::string, int> seen;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Fleet fleet(seed);
    fleet.RunWithFaults(600);
    if (!HasFailure()) fleet.HealAndFinish();
    for (const auto& [what, times] : fleet.seen()) seen[what] += times;
    ASSERT_FALSE(HasFailure());
  }
  // The faults did reach the interesting places.
  for (const auto& [what, times] : seen) std::cout << what << ": " << times << "\n";
  for (const char* what : {"join",
                           "workspace join",
                           "early",
                           "promoted",
                           "discard",
                           "kill",
                           "forget",
                           "resend",
                           "retry",
                           "used up",
                           "grant again",
                           "stale",
                           "succeeded",
                           "failed",
                           "timed-out",
                           "cancelled",
                           "step skipped",
                           "step timed-out",
                           "step errored",
                           "step cancelled",
                           "twins",
                           "handled",
                           "fail-fast",
                           "fenced",
                           "safe overlap",
                           "exclusive again",
                           "workspace conflict",
                           "unknown outcome",
                           "lost input",
                           "given up",
                           "ran again",
                           "behind"}) {
    EXPECT_GT(seen[what], 50) << what;
  }
}

}  // namespace
}  // namespace rally::core
