#include "controller/blob/pinned_trees.h"

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

BlobKey D(const std::string& name) { return BlobKey::Of(blob::DigestOf(name)); }

std::shared_ptr<const DirectoryOutline> With(std::vector<BlobKey> directories,
                                             std::vector<BlobKey> files) {
  return std::make_shared<const DirectoryOutline>(
      DirectoryOutline{std::move(directories), std::move(files), 0, 0});
}

TEST(PinnedTreesTest, ATreeIsAllItsBlobs) {
  PinnedTrees trees;
  const PinnedTrees::Directories read = {{D("root"), With({D("sub")}, {D("a"), D("b")})},
                                         {D("sub"), With({}, {D("b"), D("c")})}};
  EXPECT_THAT(trees.Add(D("root"), read),
              UnorderedElementsAre(D("root"), D("sub"), D("a"), D("b"), D("c")));
  EXPECT_TRUE(trees.Knows(D("sub")));
  EXPECT_FALSE(trees.Knows(D("a")));
  EXPECT_THAT(trees.Remove(D("root")),
              UnorderedElementsAre(D("root"), D("sub"), D("a"), D("b"), D("c")));
  EXPECT_EQ(trees.blobs(), 0u);
  EXPECT_THAT(trees.Remove(D("root")), IsEmpty());
}

TEST(PinnedTreesTest, SharedPartsStayAsLongAsOneTreeHasThem) {
  PinnedTrees trees;
  trees.Add(D("one"), {{D("one"), With({D("sub")}, {D("a")})}, {D("sub"), With({}, {D("b")})}});
  // The second tree's walk stopped at what was known.
  EXPECT_THAT(trees.Add(D("two"), {{D("two"), With({D("sub")}, {D("c")})}}),
              UnorderedElementsAre(D("two"), D("c")));
  EXPECT_THAT(trees.Add(D("two"), {}), IsEmpty());
  EXPECT_THAT(trees.Remove(D("one")), UnorderedElementsAre(D("one"), D("a")));
  EXPECT_THAT(trees.Remove(D("two")), IsEmpty()) << "it was added twice";
  EXPECT_THAT(trees.Remove(D("two")), UnorderedElementsAre(D("two"), D("c"), D("sub"), D("b")));
}

TEST(PinnedTreesTest, WhatCouldNotBeReadCanBeLearnt) {
  PinnedTrees trees;
  EXPECT_THAT(trees.Add(D("root"), {{D("root"), With({D("lost")}, {})}}),
              UnorderedElementsAre(D("root"), D("lost")));
  EXPECT_FALSE(trees.Knows(D("lost")));
  EXPECT_THAT(trees.Unread(), ElementsAre(D("lost")));
  EXPECT_THAT(trees.Learn({}), IsEmpty());
  EXPECT_THAT(trees.Learn({{D("lost"), With({D("deeper")}, {D("a")})}}),
              UnorderedElementsAre(D("deeper"), D("a")));
  EXPECT_THAT(trees.Unread(), ElementsAre(D("deeper")));
  EXPECT_THAT(trees.Remove(D("root")),
              UnorderedElementsAre(D("root"), D("lost"), D("deeper"), D("a")));
  EXPECT_THAT(trees.Unread(), IsEmpty());
}

TEST(PinnedTreesTest, AFileCanHaveTheBytesOfADirectory) {
  PinnedTrees trees;
  trees.Add(D("root"), {{D("root"), With({}, {D("sub")})}});
  EXPECT_THAT(trees.Add(D("sub"), {{D("sub"), With({}, {D("a")})}}), ElementsAre(D("a")));
  EXPECT_THAT(trees.Remove(D("sub")), IsEmpty());
  EXPECT_THAT(trees.Remove(D("root")), UnorderedElementsAre(D("root"), D("sub"), D("a")));
}

// What is pinned is at all times the union of the trees, on random graphs of shared directories.
TEST(PinnedTreesTest, IsTheUnionOfItsTrees) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const int size = 2 + static_cast<int>(random() % 20);
    std::map<BlobKey, DirectoryOutline> graph;
    std::vector<BlobKey> names;
    for (int i = 0; i < size; ++i) {
      DirectoryOutline children;
      for (int j = 0; j < i; ++j) {
        if (random() % 4 == 0) children.directories.push_back(names[j]);
      }
      for (int j = 0; j < 3; ++j) children.files.push_back(D(absl::StrCat("file", random() % 30)));
      names.push_back(D(absl::StrCat("directory", i)));
      graph[names.back()] = children;
    }
    PinnedTrees trees;
    std::multiset<BlobKey> roots;
    std::set<BlobKey> pinned;
    for (int change = 0; change < 60; ++change) {
      if (roots.empty() || random() % 2 == 0) {
        const BlobKey root = names[random() % names.size()];
        PinnedTrees::Directories read;
        std::vector<BlobKey> todo = {root};
        while (!todo.empty()) {
          const BlobKey next = todo.back();
          todo.pop_back();
          if (trees.Knows(next)) continue;
          read[next] = std::make_shared<const DirectoryOutline>(graph[next]);
          for (const BlobKey& child : graph[next].directories) todo.push_back(child);
        }
        for (const BlobKey& digest : trees.Add(root, read)) {
          EXPECT_TRUE(pinned.insert(digest).second);
        }
        roots.insert(root);
      } else {
        auto root = roots.begin();
        std::advance(root, random() % roots.size());
        for (const BlobKey& digest : trees.Remove(*root)) EXPECT_EQ(pinned.erase(digest), 1u);
        roots.erase(root);
      }
      std::set<BlobKey> expected;
      std::vector<BlobKey> todo(roots.begin(), roots.end());
      while (!todo.empty()) {
        const BlobKey next = todo.back();
        todo.pop_back();
        if (!expected.insert(next).second) continue;
        for (const BlobKey& child : graph[next].directories) todo.push_back(child);
        expected.insert(graph[next].files.begin(), graph[next].files.end());
      }
      ASSERT_EQ(pinned, expected) << "round " << round << ", change " << change;
    }
  }
}

}  // namespace
}  // namespace rally::cas
