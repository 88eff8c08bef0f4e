// Joins of random trees.
#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/blob/delta_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::IsEmpty;

// Random trees over few names, so that files, links and directories take each other's places.
class DeltaPropertyTest : public DeltaTest, public ::testing::WithParamInterface<int> {
 protected:
  Paths Mutate(const Paths& base, std::mt19937* random) {
    Paths result = base;
    const int changes = (*random)() % 4;
    for (int i = 0; i < changes; ++i) {
      std::vector<std::string> parts;
      const int depth = 1 + (*random)() % 3;
      for (int k = 0; k < depth; ++k) parts.push_back(std::string(1, 'p' + (*random)() % 3));
      const std::string path = absl::StrJoin(parts, "/");
      // Remove what is at or below the path, and in its way above.
      for (auto it = result.begin(); it != result.end();) {
        const bool below = it->first == path || absl::StartsWith(it->first, path + "/");
        const bool above = absl::StartsWith(path, it->first + "/");
        it = below || above ? result.erase(it) : std::next(it);
      }
      switch ((*random)() % 4) {
        case 0:
          break;  // A deletion.
        case 1:
          result[path] = "/";
          break;
        case 2:
          result[path] = "->t";
          break;
        default:
          result[path] = absl::StrCat("c", (*random)() % 3);
      }
    }
    return result;
  }
};

TEST_P(DeltaPropertyTest, OrderDoesNotMatterWithoutConflicts) {
  std::mt19937 random(GetParam());
  int compared = 0;
  for (int round = 0; round < 300; ++round) {
    const Paths base = Mutate(Mutate(Mutate({}, &random), &random), &random);
    const Digest base_root = Tree(base);
    std::vector<StepTrees> deltas;
    for (const char* step : {"a", "b", "c"}) {
      deltas.push_back({step, base_root, Tree(Mutate(base, &random))});
    }
    const JoinResult first = MustJoin(base_root, deltas);
    // One delta alone gives what its step left.
    ASSERT_EQ(MustJoin(base_root, {deltas[0]}).root, deltas[0].output_root);
    // Joining twice is the same as joining once.
    ASSERT_EQ(MustJoin(base_root, deltas).root, first.root);
    if (!first.conflicts.empty()) continue;
    ++compared;
    std::vector<int> order = {0, 1, 2};
    while (std::next_permutation(order.begin(), order.end())) {
      const JoinResult other =
          MustJoin(base_root, {deltas[order[0]], deltas[order[1]], deltas[order[2]]});
      ASSERT_EQ(Read(other.root), Read(first.root)) << "round " << round;
      ASSERT_EQ(other.root, first.root);
      ASSERT_THAT(Text(other.conflicts), IsEmpty());
    }
    // Applying in two goes is the same as in one.
    const JoinResult half = MustJoin(base_root, {deltas[0]});
    ASSERT_EQ(MustJoin(half.root, {deltas[1], deltas[2]}).root, first.root);
  }
  EXPECT_GT(compared, 50);
}

TEST_P(DeltaPropertyTest, WhetherThereIsAConflictDoesNotDependOnTheOrder) {
  std::mt19937 random(GetParam() + 1000);
  for (int round = 0; round < 300; ++round) {
    const Paths base = Mutate(Mutate({}, &random), &random);
    const Digest base_root = Tree(base);
    const StepTrees a = {"a", base_root, Tree(Mutate(base, &random))};
    const StepTrees b = {"b", base_root, Tree(Mutate(base, &random))};
    std::vector<std::string> forward, backward;
    for (const Conflict& c : MustJoin(base_root, {a, b}).conflicts) forward.push_back(c.path);
    for (const Conflict& c : MustJoin(base_root, {b, a}).conflicts) backward.push_back(c.path);
    ASSERT_EQ(forward, backward) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DeltaPropertyTest, ::testing::Range(0, 4));

}  // namespace
}  // namespace rally::blob
