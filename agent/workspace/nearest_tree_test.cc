#include "agent/workspace/nearest_tree.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::testing::Eq;
using ::testing::Optional;

class NearestTreeTest : public testing::Test {
 protected:
  Digest Put(Directory directory) {
    blob::Canonicalise(&directory);
    const std::string bytes = blob::Serialise(directory);
    EXPECT_EQ(store_.Upload({{blob::DigestOf(bytes), bytes}}), absl::OkStatus());
    return blob::DigestOf(bytes);
  }

  // A root with a directory that has a file of each of these contents, named by its place.
  Digest Tree(const std::vector<std::string>& contents, const std::string& name = "d") {
    Directory below;
    for (size_t i = 0; i < contents.size(); ++i) {
      *below.add_files() = blob::MakeFileNode(absl::StrCat("f", 100 + i),
                                              blob::DigestOf(contents[i]), 0644, std::nullopt);
    }
    Directory root;
    *root.add_directories() = blob::MakeDirectoryNode(name, Put(below));
    return Put(root);
  }

  std::optional<Digest> Nearest(const Digest& root, const std::vector<Digest>& candidates) {
    const auto tree = blob::LoadTree(reader_, root);
    EXPECT_TRUE(tree.ok()) << tree.status();
    return NearestTree(*tree, root, candidates, reader_);
  }

  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
};

TEST_F(NearestTreeTest, TheOneThatDiffersLeast) {
  const Digest wanted = Tree({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
  const Digest one = Tree({"a", "b", "c", "d", "e", "f", "g", "h", "i", "x"});
  const Digest two = Tree({"a", "b", "c", "d", "e", "f", "g", "h", "x", "y"});
  EXPECT_THAT(Nearest(wanted, {two, one}), Optional(Eq(one)));
  EXPECT_THAT(Nearest(wanted, {one, two}), Optional(Eq(one)));
  EXPECT_THAT(Nearest(wanted, {one, two, wanted}), Optional(Eq(wanted)));
}

TEST_F(NearestTreeTest, TheFirstOfEquals) {
  const Digest wanted = Tree({"a", "b", "c", "d", "e", "f", "g", "h"});
  const Digest one = Tree({"a", "b", "c", "d", "e", "f", "g", "x"});
  const Digest two = Tree({"a", "b", "c", "d", "e", "f", "g", "y"});
  EXPECT_THAT(Nearest(wanted, {one, two}), Optional(Eq(one)));
  EXPECT_THAT(Nearest(wanted, {two, one}), Optional(Eq(two)));
}

TEST_F(NearestTreeTest, NoneWhenMostOfItDiffers) {
  const Digest wanted = Tree({"a", "b", "c", "d"});
  EXPECT_EQ(Nearest(wanted, {Tree({"w", "x", "y", "z"}), blob::EmptyTreeDigest()}), std::nullopt);
  EXPECT_EQ(Nearest(wanted, {Tree({"a", "b", "c", "d"}, "elsewhere")}), std::nullopt);
  EXPECT_EQ(Nearest(wanted, {}), std::nullopt);
}

TEST_F(NearestTreeTest, WhatHasToGoCountsToo) {
  const Digest wanted = Tree({"a", "b", "c", "d", "e", "f"});
  std::vector<std::string> many = {"a", "b", "c", "d", "e", "f"};
  for (int i = 0; i < 20; ++i) many.push_back(absl::StrCat("more ", i));
  EXPECT_EQ(Nearest(wanted, {Tree(many)}), std::nullopt);
}

TEST_F(NearestTreeTest, ACandidateThatCantBeReadIsNotChosen) {
  const Digest wanted = Tree({"a", "b", "c", "d", "e", "f"});
  EXPECT_EQ(Nearest(wanted, {blob::DigestOf("nowhere")}), std::nullopt);
  EXPECT_EQ(Nearest(blob::EmptyTreeDigest(), {blob::DigestOf("nowhere")}), std::nullopt);
}

TEST_F(NearestTreeTest, ModesAndTimesAreDifferences) {
  const auto tree_at = [&](int64_t seconds, uint32_t mode) {
    Directory root;
    for (int i = 0; i < 8; ++i) {
      *root.add_files() = blob::MakeFileNode(absl::StrCat("f", i), blob::DigestOf("x"), mode,
                                             absl::FromUnixSeconds(seconds));
    }
    return Put(root);
  };
  EXPECT_EQ(Nearest(tree_at(1, 0644), {tree_at(2, 0644), tree_at(1, 0755)}), std::nullopt);
}

}  // namespace
}  // namespace rally::workspace
