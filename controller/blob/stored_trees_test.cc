#include "controller/blob/stored_trees.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "controller/blob/disk_store_fixture.h"
#include "controller/blob/local_blob_store.h"
#include "gmock/gmock.h"

namespace rally::cas {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class StoredTreesTest : public DiskStoreFixture {
 protected:
  void OpenTrees(size_t bound_bytes = DirectoryOutlines::kDefaultBoundBytes) {
    trees_.reset();
    outlines_.reset();
    Open();
    blobs_ = std::make_unique<LocalBlobStore>(store_.get());
    outlines_ = std::make_unique<DirectoryOutlines>(blobs_.get(), bound_bytes);
    trees_ = std::make_unique<StoredTrees>(store_.get(), outlines_.get());
  }

  Digest PutDirectory(blob::Directory directory) {
    blob::Canonicalise(&directory);
    return Put(blob::Serialise(directory));
  }

  // A directory with these files' contents.
  Digest PutFiles(const std::vector<std::string>& contents) {
    blob::Directory directory;
    for (size_t i = 0; i < contents.size(); ++i) {
      *directory.add_files() =
          blob::MakeFileNode(absl::StrCat("f", i), Put(contents[i]), 0644, std::nullopt);
    }
    return PutDirectory(std::move(directory));
  }

  Digest PutParent(const std::vector<Digest>& children) {
    blob::Directory directory;
    for (size_t i = 0; i < children.size(); ++i) {
      *directory.add_directories() = blob::MakeDirectoryNode(absl::StrCat("d", i), children[i]);
    }
    return PutDirectory(std::move(directory));
  }

  // What a client that trusts nothing finds out.
  std::vector<Digest> MissingByReadingAll(const Digest& root) {
    blob::CachingDirectoryReader reader(blobs_.get());
    auto missing = blob::FindMissingInTree(*blobs_, reader, root);
    EXPECT_EQ(missing.status(), absl::OkStatus());
    if (!missing.ok()) return {};
    std::sort(missing->begin(), missing->end());
    missing->erase(std::unique(missing->begin(), missing->end()), missing->end());
    return *std::move(missing);
  }

  std::unique_ptr<LocalBlobStore> blobs_;
  std::unique_ptr<DirectoryOutlines> outlines_;
  std::unique_ptr<StoredTrees> trees_;
};

TEST_F(StoredTreesTest, ReadsOnlyWhatNoEarlierTreeHad) {
  OpenTrees();
  std::vector<Digest> children;
  for (int i = 0; i < 50; ++i) children.push_back(PutFiles({absl::StrCat("a", i), "same"}));
  const Digest first = PutParent(children);
  EXPECT_THAT(trees_->FindMissing(first).value(), IsEmpty());
  EXPECT_EQ(outlines_->reads(), 51);
  EXPECT_THAT(trees_->FindMissing(first).value(), IsEmpty());
  EXPECT_EQ(outlines_->reads(), 51);
  children[7] = PutFiles({"other", "same"});
  EXPECT_THAT(trees_->FindMissing(PutParent(children)).value(), IsEmpty());
  EXPECT_EQ(outlines_->reads(), 53) << "the root and the directory that changed";
}

TEST_F(StoredTreesTest, AKnownTreesBlobsAreLookedAtAgain) {
  OpenTrees();
  const Digest sub = PutFiles({"a", "b"});
  const Digest root = PutParent({sub});
  EXPECT_THAT(trees_->FindMissing(root).value(), IsEmpty());
  fs::remove(FileOf(blob::DigestOf("b")));
  EXPECT_THAT(trees_->FindMissing(root).value(), ElementsAre(blob::DigestOf("b")));
  Put("b");
  Overwrite(sub, "short");
  EXPECT_THAT(trees_->FindMissing(root).value(), ElementsAre(sub));
  EXPECT_EQ(store_->quarantined(), 1);
  EXPECT_THAT(trees_->FindMissing(blob::EmptyTreeDigest()).value(), IsEmpty());
}

TEST_F(StoredTreesTest, WhatIsFoundStaysForTheGrace) {
  options_.limits.max_blobs = 20;
  options_.grace = absl::Minutes(10);
  OpenTrees();
  const Digest root = PutParent({PutFiles({"a", "b", "c"})});
  for (int round = 0; round < 20; ++round) {
    Advance(absl::Minutes(9));
    ASSERT_THAT(trees_->FindMissing(root).value(), IsEmpty()) << "round " << round;
    for (int i = 0; i < 8; ++i) {
      const std::string bytes = absl::StrCat("flood", round, " ", i);
      store_->WriteAll(blob::DigestOf(bytes), bytes).IgnoreError();
    }
    store_->AwaitEviction();
  }
  EXPECT_GT(store_->evicted(), 50);
}

TEST_F(StoredTreesTest, BombsAreRefused) {
  OpenTrees();
  Digest wide = PutFiles({"a", "b"});
  for (int i = 0; i < 25; ++i) wide = PutParent({wide, wide});
  EXPECT_EQ(trees_->FindMissing(wide).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(outlines_->reads(), 26) << "each directory once";
  Digest deep = PutFiles({"a"});
  for (int i = 0; i < blob::kMaxTreeDepth - 1; ++i) deep = PutParent({deep});
  EXPECT_THAT(trees_->FindMissing(deep).value(), IsEmpty());
  EXPECT_EQ(trees_->FindMissing(PutParent({deep})).status().code(),
            absl::StatusCode::kResourceExhausted);
  blob::TreeLimits limits;
  limits.max_total_bytes = 5;
  EXPECT_EQ(trees_->FindMissing(PutFiles({"123", "456"}), limits).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(StoredTreesTest, WhatIsNoDirectoryIsRefused) {
  OpenTrees();
  EXPECT_EQ(trees_->FindMissing(Put("no directory")).status().code(),
            absl::StatusCode::kInvalidArgument);
  blob::Directory hostile;
  *hostile.add_files() = blob::MakeFileNode("../evil", Put("x"), 0644, std::nullopt);
  EXPECT_EQ(trees_->FindMissing(PutParent({Put(blob::Serialise(hostile))})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// Random trees that share parts, in a store that loses blobs by eviction and in every other way,
// with room for a few outlines only: at each moment the answer is the same as that of a walk which
// remembers nothing.
TEST_F(StoredTreesTest, AnswersAsAWalkThatRemembersNothing) {
  options_.limits.max_blobs = 90;
  options_.grace = absl::ZeroDuration();
  int complete = 0, incomplete = 0;
  int64_t evicted = 0;
  for (int seed = 1; seed <= 8; ++seed) {
    std::mt19937 random(seed);
    store_.reset();
    fs::remove_all(root_);
    OpenTrees(/*bound_bytes=*/seed % 2 == 0 ? 4096 : DirectoryOutlines::kDefaultBoundBytes);
    std::vector<Digest> directories, roots;
    for (int change = 0; change < 250; ++change) {
      Advance(absl::Seconds(20));
      const int kind = static_cast<int>(random() % 10);
      if (kind < 4 || roots.empty()) {
        std::vector<std::string> files;
        for (int i = 0; i < 4; ++i) files.push_back(absl::StrCat(seed, " ", random() % 60));
        directories.push_back(PutFiles(files));
        std::vector<Digest> children = {directories.back()};
        for (int i = 0; i < 3; ++i) children.push_back(directories[random() % directories.size()]);
        roots.push_back(PutParent(children));
        if (random() % 3 == 0) directories.push_back(roots.back());
      } else if (kind == 4) {
        const std::string bytes = absl::StrCat(seed, " ", random() % 60);
        std::error_code gone_already;
        fs::remove(FileOf(blob::DigestOf(bytes)), gone_already);
      } else if (kind == 5) {
        const Digest directory = directories[random() % directories.size()];
        if (HasFile(directory)) Overwrite(directory, "");
      } else if (kind == 6) {
        for (int i = 0; i < 6; ++i) Put(absl::StrCat("flood ", seed, " ", change, " ", i));
      }
      // So that nothing goes between the two answers, and there is room for the next change.
      store_->AwaitEviction();
      const Digest root = roots[roots.size() - 1 - random() % std::min<size_t>(roots.size(), 6)];
      const auto found = trees_->FindMissing(root);
      ASSERT_EQ(found.status(), absl::OkStatus());
      ASSERT_THAT(*found, ElementsAreArray(MissingByReadingAll(root)))
          << "seed " << seed << ", change " << change;
      ++(found->empty() ? complete : incomplete);
      if (seed % 2 == 0) {
        EXPECT_LE(outlines_->cached_bytes(), 4096u + 1024u);
      }
    }
    evicted += store_->evicted();
  }
  EXPECT_GT(complete, 50);
  EXPECT_GT(incomplete, 50);
  EXPECT_GT(evicted, 100);
}

}  // namespace
}  // namespace rally::cas
