#include "common/pipeline/dag.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Lists = std::vector<std::vector<int>>;

TEST(TopologicalOrderTest, TiesGoByFileOrder) {
  EXPECT_THAT(*TopologicalOrder({}), IsEmpty());
  EXPECT_THAT(*TopologicalOrder(Lists{{}, {}, {}}), ElementsAre(0, 1, 2));
  EXPECT_THAT(*TopologicalOrder(Lists{{1, 2}, {}, {}}), ElementsAre(1, 2, 0));
  // As soon as 3 is out, 0 is the earliest again.
  EXPECT_THAT(*TopologicalOrder(Lists{{3}, {}, {1}, {}, {}}), ElementsAre(1, 2, 3, 0, 4));
}

TEST(TopologicalOrderTest, RefusesCyclesAndStrangers) {
  EXPECT_EQ(TopologicalOrder(Lists{{1}, {0}, {}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(TopologicalOrder(Lists{{1}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TopologicalOrder(Lists{{-1}}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FindCyclesTest, GivesOneForEachGroupFromItsSmallestNode) {
  EXPECT_THAT(FindCycles(Lists{{}, {0}, {0, 1}}), IsEmpty());
  EXPECT_THAT(FindCycles(Lists{{0}}), ElementsAre(ElementsAre(0)));
  EXPECT_THAT(FindCycles(Lists{{1}, {2}, {0}}), ElementsAre(ElementsAre(0, 1, 2)));
  // 3 waits for a cycle but is in none; 4 and 5 are another.
  EXPECT_THAT(FindCycles(Lists{{2}, {0}, {1}, {0}, {5}, {4}}),
              ElementsAre(ElementsAre(0, 2, 1), ElementsAre(4, 5)));
}

TEST(FindCyclesTest, GivesAShortestOne) {
  // 0 -> 1 -> 2 -> 3 -> 0 and 0 -> 3 -> 0.
  EXPECT_THAT(FindCycles(Lists{{1, 3}, {2}, {3}, {0}}), ElementsAre(ElementsAre(0, 3)));
}

TEST(FindCyclesTest, SurvivesALongRing) {
  constexpr int kCount = 200000;
  Lists ring(kCount);
  for (int i = 0; i < kCount; ++i) ring[i] = {(i + 1) % kCount};
  const Lists cycles = FindCycles(ring);
  ASSERT_EQ(cycles.size(), 1u);
  EXPECT_EQ(cycles[0].size(), static_cast<size_t>(kCount));
  EXPECT_EQ(cycles[0].front(), 0);
  EXPECT_EQ(cycles[0].back(), kCount - 1);
}

TEST(EdgesTest, RootFirstThenByFileOrder) {
  const Lists lists = {{1, 2}, {}, {}};
  const std::vector<Edge> edges = CanonicalEdges(lists);
  const std::array<std::string, 3> names = {"publish", "docs", "compile"};
  EXPECT_EQ(EdgeListText(edges, [&names](int node) { return absl::string_view(names[node]); }),
            "root docs\n"
            "root compile\n"
            "docs publish\n"
            "compile publish\n");
}

TEST(AncestryTest, IsTransitiveAndInOrder) {
  // 0 waits for 3; a diamond 3 -> {1, 2} -> 4; 5 stands alone.
  const Lists lists = {{3}, {3}, {3}, {}, {1, 2}, {}};
  const Ancestry ancestry(lists, *TopologicalOrder(lists));
  EXPECT_THAT(ancestry.AncestorsOf(4), ElementsAre(3, 1, 2));
  EXPECT_THAT(ancestry.AncestorsOf(0), ElementsAre(3));
  EXPECT_THAT(ancestry.AncestorsOf(3), IsEmpty());
  EXPECT_THAT(ancestry.AncestorsOf(5), IsEmpty());
  EXPECT_TRUE(ancestry.IsAncestor(3, 4));
  EXPECT_FALSE(ancestry.IsAncestor(4, 3));
  EXPECT_FALSE(ancestry.IsAncestor(0, 4));
  EXPECT_FALSE(ancestry.IsAncestor(4, 4));
  EXPECT_FALSE(ancestry.AreOrdered(1, 2));
  EXPECT_TRUE(ancestry.AreOrdered(4, 1));
}

TEST(AncestryTest, SurvivesALongChain) {
  constexpr int kCount = 20000;
  Lists chain(kCount);
  for (int i = 1; i < kCount; ++i) chain[i] = {i - 1};
  const auto order = TopologicalOrder(chain);
  ASSERT_TRUE(order.ok());
  const Ancestry ancestry(chain, *order);
  const std::vector<int> ancestors = ancestry.AncestorsOf(kCount - 1);
  ASSERT_EQ(ancestors.size(), static_cast<size_t>(kCount - 1));
  EXPECT_TRUE(std::is_sorted(ancestors.begin(), ancestors.end()));
  EXPECT_TRUE(ancestry.IsAncestor(0, kCount - 1));
}

// Random graphs against the definitions, taken literally.
TEST(DagPropertyTest, AgreesWithTheDefinitions) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const int count = 1 + static_cast<int>(random() % 12);
    std::vector<int> shuffled(count);
    for (int i = 0; i < count; ++i) shuffled[i] = i;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    Lists lists(count);
    for (int later = 0; later < count; ++later) {
      for (int earlier = 0; earlier < later; ++earlier) {
        if (random() % 4 == 0) lists[shuffled[later]].push_back(shuffled[earlier]);
      }
    }

    std::vector<int> expected;
    std::set<int> out;
    while (static_cast<int>(expected.size()) < count) {
      for (int node = 0; node < count; ++node) {
        const bool free = std::all_of(lists[node].begin(), lists[node].end(),
                                      [&out](int dependency) { return out.count(dependency) > 0; });
        if (!free || out.count(node) > 0) continue;
        expected.push_back(node);
        out.insert(node);
        break;
      }
    }
    const auto order = TopologicalOrder(lists);
    ASSERT_TRUE(order.ok()) << order.status();
    ASSERT_EQ(*order, expected);
    ASSERT_THAT(FindCycles(lists), IsEmpty());

    const Ancestry ancestry(lists, *order);
    std::vector<std::set<int>> closure(count);
    for (const int node : *order) {
      for (const int dependency : lists[node]) {
        closure[node].insert(dependency);
        closure[node].insert(closure[dependency].begin(), closure[dependency].end());
      }
      const std::vector<int> ancestors = ancestry.AncestorsOf(node);
      ASSERT_EQ(std::set<int>(ancestors.begin(), ancestors.end()), closure[node]);
      for (int other = 0; other < count; ++other) {
        ASSERT_EQ(ancestry.IsAncestor(other, node), closure[node].count(other) > 0);
      }
    }
  }
}

}  // namespace
}  // namespace rally::pipeline
