#include "controller/build_pins.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "controller/blob/directory_outlines.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/local_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

// A store and pins whose time is the test's.
class BuildPinsTest : public ::testing::Test {
 protected:
  BuildPinsTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/pins_XXXXXX");
    root_ = mkdtemp(pattern.data());
  }
  ~BuildPinsTest() override {
    pins_.reset();
    store_.reset();
    fs::remove_all(root_);
  }

  void Open(int64_t max_blobs = 0) {
    pins_.reset();
    store_.reset();
    cas::DiskStoreOptions options;
    options.limits.max_blobs = max_blobs;
    options.limits.keep_free_percent = 0;
    options.grace = absl::Minutes(10);
    options.await_pins = true;
    options.longest_wait_for_room = absl::Milliseconds(20);
    options.clock = [this] { return absl::FromUnixSeconds(1'000'000 + seconds_); };
    auto opened = cas::DiskStore::Open(root_.string(), options);
    ASSERT_EQ(opened.status(), absl::OkStatus());
    store_ = *std::move(opened);
    // What was there before counts from when it was found.
    store_->AwaitEviction();
    blobs_ = std::make_unique<cas::LocalBlobStore>(store_.get());
    outlines_ = std::make_unique<cas::DirectoryOutlines>(blobs_.get());
    UseDirectories(outlines_.get());
  }

  void UseDirectories(cas::DirectoryOutlines* outlines) {
    pins_.reset();
    BuildPins::Parts parts;
    parts.directories = outlines;
    parts.pin = [this](auto keys) { store_->Pin(keys); };
    parts.unpin = [this](auto keys) { store_->Unpin(keys); };
    parts.on_restored = [this] { store_->AllowEviction(); };
    parts.keep_after_end = absl::Minutes(10);
    parts.clock = [this] { return absl::Seconds(seconds_.load()); };
    parts.touch = [this](auto digests) -> absl::StatusOr<std::vector<Digest>> {
      touched_.insert(touched_.end(), digests.begin(), digests.end());
      if (touch_error_.ok()) return store_->FindMissing(digests);
      return touch_error_;
    };
    parts.touch_interval = touch_interval_;
    pins_ = std::make_unique<BuildPins>(std::move(parts));
  }

  Digest Put(const std::string& bytes) {
    const Digest digest = blob::DigestOf(bytes);
    EXPECT_EQ(store_->WriteAll(digest, bytes), absl::OkStatus());
    return digest;
  }

  // A root with one directory, which has the files.
  Digest PutTree(const std::vector<std::string>& contents, std::vector<Digest>* all = nullptr) {
    blob::Directory sub;
    std::vector<Digest> digests;
    for (const std::string& bytes : contents) {
      digests.push_back(Put(bytes));
      *sub.add_files() = blob::MakeFileNode(absl::StrCat("f", digests.size() + 100), digests.back(),
                                            0644, std::nullopt);
    }
    digests.push_back(Put(blob::Serialise(sub)));
    blob::Directory root;
    *root.add_directories() = blob::MakeDirectoryNode("sub", digests.back());
    digests.push_back(Put(blob::Serialise(root)));
    if (all != nullptr) *all = digests;
    return digests.back();
  }

  void Advance(absl::Duration time) { seconds_ += absl::ToInt64Seconds(time); }

  // New blobs, far more than a small store has room for, each older than its grace at the end.
  void Flood(int blobs) {
    for (int i = 0; i < blobs; ++i) {
      const std::string bytes = absl::StrCat("flood ", flooded_++);
      store_->WriteAll(blob::DigestOf(bytes), bytes).IgnoreError();
      if (i % 8 == 7) {
        Advance(absl::Minutes(11));
        store_->AwaitEviction();
      }
    }
  }

  fs::path root_;
  std::atomic<int64_t> seconds_{3600};  // since the test began, about
  int flooded_ = 0;
  absl::Duration touch_interval_ = absl::InfiniteDuration();
  absl::Status touch_error_;
  std::vector<Digest> touched_;  // The pins' thread's, until they are idle.
  std::unique_ptr<cas::DiskStore> store_;
  std::unique_ptr<cas::LocalBlobStore> blobs_;
  std::unique_ptr<cas::DirectoryOutlines> outlines_;
  std::unique_ptr<BuildPins> pins_;
};

TEST_F(BuildPinsTest, ALiveBuildsTreesOutliveAFlood) {
  Open(/*max_blobs=*/40);
  pins_->Restored();
  std::vector<Digest> all;
  const Digest tree = PutTree({"a", "b", "c"}, &all);
  std::vector<Digest> others;
  PutTree({"d", "e", "f"}, &others);
  pins_->Needs("build", tree);
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 5);
  Flood(200);
  EXPECT_GT(store_->evicted(), 100);
  EXPECT_THAT(store_->FindMissing(all).value(), IsEmpty());
  EXPECT_EQ(store_->FindMissing(others).value().size(), others.size());

  pins_->Ended("build");
  Advance(absl::Minutes(9));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 5) << "the workspace stays for a while";
  Advance(absl::Minutes(1));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 0);
  Flood(200);
  EXPECT_EQ(store_->FindMissing(all).value().size(), all.size());
}

TEST_F(BuildPinsTest, WhatLiveBuildsNeedIsAskedForAgainAndAgain) {
  touch_interval_ = absl::Minutes(3);
  Open();
  pins_->Restored();
  std::vector<Digest> all;
  pins_->Needs("build", PutTree({"a", "b"}, &all));
  pins_->AwaitIdle();
  EXPECT_THAT(touched_, IsEmpty());
  for (const absl::Status& error :
       {absl::OkStatus(), absl::UnavailableError("away"), absl::OkStatus()}) {
    touch_error_ = error;
    touched_.clear();
    Advance(absl::Minutes(3));
    pins_->AwaitIdle();
    EXPECT_THAT(touched_, UnorderedElementsAreArray(all));
  }
  pins_->Ended("build");
  Advance(absl::Minutes(10));
  pins_->AwaitIdle();
  touched_.clear();
  Advance(absl::Minutes(3));
  pins_->AwaitIdle();
  EXPECT_THAT(touched_, IsEmpty()) << "its workspace isn't promised any more";
}

TEST_F(BuildPinsTest, SharedPartsStayForTheOtherBuild) {
  Open();
  pins_->Restored();
  const Digest one = PutTree({"a", "b"});
  const Digest two = PutTree({"a", "c"});
  pins_->Needs("first", one);
  pins_->Needs("first", one);
  pins_->Needs("second", two);
  pins_->Needs("second", blob::EmptyTreeDigest());
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 7);
  pins_->Ended("first");
  pins_->Ended("nobody knows it");
  Advance(absl::Minutes(10));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 4);
}

TEST_F(BuildPinsTest, OfATreeThatResemblesAnotherOnlyTheDifferenceIsRead) {
  Open();
  // One that remembers nothing: what isn't read again, the pins know.
  cas::DirectoryOutlines forgetful(blobs_.get(), /*bound_bytes=*/0);
  UseDirectories(&forgetful);
  pins_->Restored();
  blob::Directory root;
  for (int i = 0; i < 40; ++i) {
    const Digest sub = PutTree({absl::StrCat("a", i), absl::StrCat("b", i)});
    *root.add_directories() = blob::MakeDirectoryNode(absl::StrCat("d", 100 + i), sub);
  }
  pins_->Needs("first", Put(blob::Serialise(root)));
  pins_->AwaitIdle();
  EXPECT_EQ(forgetful.reads(), 1 + 40 * 2);
  EXPECT_EQ(store_->pinned_blobs(), 1 + 40 * 4);
  *root.mutable_directories(7) = blob::MakeDirectoryNode("d107", PutTree({"a7", "other"}));
  const Digest changed = Put(blob::Serialise(root));
  pins_->Needs("second", changed);
  pins_->Needs("third", changed);
  pins_->AwaitIdle();
  EXPECT_EQ(forgetful.reads(), 1 + 40 * 2 + 3);
  EXPECT_EQ(store_->pinned_blobs(), 1 + 40 * 4 + 4);
  pins_.reset();
}

TEST_F(BuildPinsTest, NothingGoesBeforeTheBuildsOfBeforeARestartWereTold) {
  Open(/*max_blobs=*/20);
  std::vector<Digest> all;
  const Digest tree = PutTree({"a", "b", "c"}, &all);
  Open(/*max_blobs=*/20);
  Flood(50);
  EXPECT_EQ(store_->evicted(), 0);
  EXPECT_EQ(store_->used().blobs, 20) << "the limit holds meanwhile";
  pins_->Needs("build", tree);
  pins_->Ended("build", /*ago=*/absl::Minutes(4));
  pins_->Restored();
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 5);
  store_->AwaitEviction();
  EXPECT_GT(store_->evicted(), 0) << "what waited for the pins goes on";
  EXPECT_THAT(store_->FindMissing(all).value(), IsEmpty());
  Advance(absl::Minutes(5));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 5);
  Advance(absl::Minutes(1));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 0);
}

TEST_F(BuildPinsTest, ADirectoryThatComesBackIsPinnedWithItsChildren) {
  Open();
  pins_->Restored();
  std::vector<Digest> all;
  const Digest tree = PutTree({"a", "b"}, &all);
  const Digest sub = all[2];
  const std::string bytes = store_->ReadAll(sub).value();
  fs::remove(root_ / "cas" / sub.hash.substr(0, 2) /
             absl::StrCat(sub.hash.substr(2), "-", sub.size_bytes));
  pins_->Needs("build", tree);
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 2) << "the lost directory itself is pinned";
  EXPECT_THAT(store_->FindMissing(all).value(), ElementsAre(sub));
  EXPECT_EQ(store_->WriteAll(sub, bytes), absl::OkStatus());
  Advance(absl::Minutes(1));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 4);
  pins_->Ended("build");
  Advance(absl::Minutes(10));
  pins_->AwaitIdle();
  EXPECT_EQ(store_->pinned_blobs(), 0);
}

// Random builds come, take over each other's files and end, in a store that has room for little
// more than they need, while others flood it and the process restarts. After every change all that
// a live build needs is there, with the right bytes.
TEST_F(BuildPinsTest, NothingThatALiveBuildNeedsIsEverEvicted) {
  constexpr int kMaxBlobs = 120;
  for (int seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    fs::remove_all(root_);
    Open(kMaxBlobs);
    pins_->Restored();
    std::map<std::string, std::set<Digest>> roots;   // of live builds
    std::map<std::string, std::set<Digest>> needed;  // all their blobs
    int64_t evicted = 0;
    int builds = 0;
    int refused = 0;
    for (int change = 0; change < 60; ++change) {
      const int kind = static_cast<int>(random() % 10);
      if (kind < 4) {
        // A step's output, or a new build's context. Files recur over builds.
        const std::string build = roots.empty() || (roots.size() < 3 && random() % 3 == 0)
                                      ? absl::StrCat("build", builds++)
                                      : std::next(roots.begin(), random() % roots.size())->first;
        if (roots[build].size() < 3) {
          std::vector<std::string> contents;
          for (int i = 0; i < 5; ++i) contents.push_back(absl::StrCat("file ", random() % 60));
          std::vector<Digest> all;
          // As a client does: what is said to be there isn't uploaded.
          bool stored = true;
          for (const std::string& bytes : contents) {
            const Digest digest = blob::DigestOf(bytes);
            if (store_->FindMissing({digest}).value().empty()) continue;
            stored = stored && store_->WriteAll(digest, bytes).ok();
          }
          if (stored && store_->used().blobs + 2 < kMaxBlobs) {
            const Digest tree = PutTree(contents, &all);
            pins_->Needs(build, tree);
            pins_->AwaitIdle();
            roots[build].insert(tree);
            needed[build].insert(all.begin(), all.end());
          } else {
            ++refused;  // as RESOURCE_EXHAUSTED: nothing was promised
          }
        }
        if (roots[build].empty()) roots.erase(build);
      } else if (kind < 6 && !roots.empty()) {
        const std::string build = std::next(roots.begin(), random() % roots.size())->first;
        pins_->Ended(build);
        roots.erase(build);
        needed.erase(build);
      } else if (kind < 9) {
        Flood(static_cast<int>(random() % 60));
        pins_->AwaitIdle();
      } else {
        evicted += store_->evicted();
        Open(kMaxBlobs);
        for (const auto& [build, trees] : roots) {
          for (const Digest& tree : trees) pins_->Needs(build, tree);
        }
        pins_->Restored();
        pins_->AwaitIdle();
      }
      EXPECT_LE(store_->used().blobs, kMaxBlobs);
      for (const auto& [build, blobs] : needed) {
        for (const Digest& digest : blobs) {
          const auto bytes = store_->ReadAll(digest);
          ASSERT_EQ(bytes.status(), absl::OkStatus())
              << build << ", seed " << seed << ", change " << change;
          ASSERT_EQ(blob::DigestOf(*bytes), digest);
        }
      }
    }
    evicted += store_->evicted();
    EXPECT_GT(evicted, 200) << "seed " << seed;
    EXPECT_GT(builds, 3);
    EXPECT_LT(refused, 10);
  }
}

}  // namespace
}  // namespace rally::controller
