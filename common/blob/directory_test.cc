#include "common/blob/directory.h"

#include <string>
#include <utility>
#include <vector>

#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "common/blob/tree.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const absl::Time kTime = absl::FromUnixNanos(1'700'000'000'123'456'789);

TEST(DirectoryTest, ModesAreKeptWithOrWithoutProperty) {
  EXPECT_FALSE(MakeFileNode("f", DigestOf("x"), 0644, std::nullopt).has_node_properties());
  EXPECT_FALSE(MakeFileNode("f", DigestOf("x"), 0755, std::nullopt).has_node_properties());
  EXPECT_TRUE(MakeFileNode("f", DigestOf("x"), 0755, std::nullopt).is_executable());
  for (uint32_t mode : {0644, 0755, 0600, 0700, 0444, 0555, 0, 0777}) {
    EXPECT_EQ(ModeOf(MakeFileNode("f", DigestOf("x"), mode, kTime)), mode);
    Directory directory;
    SetDirectoryProperties(mode, kTime, &directory);
    EXPECT_EQ(ModeOf(directory), mode);
  }
  // Setuid, setgid and sticky don't travel, nor does what a foreign message claims of them.
  EXPECT_EQ(ModeOf(MakeFileNode("f", DigestOf("x"), 07755, kTime)), 0755);
  FileNode foreign = MakeFileNode("f", DigestOf("x"), 0644, kTime);
  foreign.mutable_node_properties()->mutable_unix_mode()->set_value(0106755);
  EXPECT_EQ(ModeOf(foreign), 0755);
}

TEST(DirectoryTest, TimesAreKeptToTheNanosecond) {
  EXPECT_EQ(MtimeOf(MakeFileNode("f", DigestOf("x"), 0644, kTime)), kTime);
  const absl::Time before_1970 = absl::FromUnixNanos(-1'500'000'001);
  EXPECT_EQ(MtimeOf(MakeFileNode("f", DigestOf("x"), 0644, before_1970)), before_1970);
  EXPECT_EQ(MtimeOf(MakeFileNode("f", DigestOf("x"), 0644, std::nullopt)), std::nullopt);
}

TEST(DirectoryTest, TimesThatNoTimestampHasAreTheNearestThatOneHas) {
  const absl::Time late = absl::FromUnixSeconds(253'402'300'800);  // 10000-01-01.
  const absl::Time early = absl::FromUnixSeconds(-62'135'596'801);
  for (const auto& [time, kept] : {std::pair(late, late - absl::Nanoseconds(1)),
                                   std::pair(absl::InfiniteFuture(), late - absl::Nanoseconds(1)),
                                   std::pair(early, early + absl::Seconds(1)),
                                   std::pair(absl::InfinitePast(), early + absl::Seconds(1))}) {
    Directory directory;
    SetDirectoryProperties(0755, time, &directory);
    *directory.add_files() = MakeFileNode("f", DigestOf("x"), 0644, time);
    EXPECT_EQ(Validate(directory), absl::OkStatus());
    EXPECT_EQ(MtimeOf(directory), kept);
    EXPECT_EQ(MtimeOf(directory.files(0)), kept);
  }
}

TEST(DirectoryTest, CanonicalBytesDoNotDependOnTheOrderOfAdding) {
  Directory a, b;
  *a.add_files() = MakeFileNode("x", DigestOf("1"), 0644, kTime);
  *a.add_files() = MakeFileNode("\xC3\xA4", DigestOf("2"), 0644, kTime);
  *a.add_files() = MakeFileNode("B", DigestOf("3"), 0644, kTime);
  for (int i : {2, 0, 1}) *b.add_files() = a.files(i);
  Canonicalise(&a);
  Canonicalise(&b);
  EXPECT_EQ(Serialise(a), Serialise(b));
  EXPECT_EQ(a.files(0).name(), "B");  // By bytes, not by letters.
  EXPECT_EQ(ParseDirectory(Serialise(a))->files(2).name(), "\xC3\xA4");
  EXPECT_EQ(Serialise(Directory()), "");
}

TEST(DirectoryTest, RefusesBadNames) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\0b", 3), std::string(256, 'n'), std::string("\xFF"), std::string("\xC0\xAF"),
        std::string("\xED\xA0\x80")}) {
    EXPECT_FALSE(ValidateName(name).ok()) << name;
    Directory directory;
    *directory.add_directories() = MakeDirectoryNode(name, DigestOf(""));
    EXPECT_EQ(Validate(directory).code(), absl::StatusCode::kInvalidArgument);
  }
  for (const std::string& name : {std::string("..."), std::string("a b\n"), std::string(255, 'n'),
                                  std::string("\xF0\x9F\x9A\x80"), std::string("-rf")}) {
    EXPECT_EQ(ValidateName(name), absl::OkStatus()) << name;
  }
}

TEST(DirectoryTest, RefusesHostileMessages) {
  const auto refused = [](const Directory& directory, const char* why) {
    const absl::Status status = Validate(directory);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << why;
    EXPECT_THAT(status.message(), HasSubstr(why));
    EXPECT_EQ(ParseDirectory(Serialise(directory)).status().code(),
              absl::StatusCode::kInvalidArgument);
  };
  const FileNode file = MakeFileNode("n", DigestOf("x"), 0644, kTime);
  Directory d;
  *d.add_files() = file;
  *d.add_symlinks() = MakeSymlinkNode("n", "/etc");
  refused(d, "occurs twice");
  d.Clear();
  *d.add_directories() = MakeDirectoryNode("n", DigestOf(""));
  *d.add_symlinks() = MakeSymlinkNode("n", "/etc");
  refused(d, "occurs twice");
  d.Clear();
  *d.add_files() = file;
  *d.add_directories() = MakeDirectoryNode("n", DigestOf(""));
  refused(d, "occurs twice");
  d.Clear();
  *d.add_files() = file;
  *d.add_files() = file;
  refused(d, "occurs twice");
  d.Clear();
  *d.add_files() = MakeFileNode("z", DigestOf("x"), 0644, kTime);
  *d.add_files() = file;
  refused(d, "sorted");
  d.Clear();
  *d.add_symlinks() = MakeSymlinkNode("n", "");
  refused(d, "target");
  d.Clear();
  *d.add_symlinks() = MakeSymlinkNode("n", std::string(4096, 't'));
  refused(d, "target");
  d.Clear();
  *d.add_symlinks() = MakeSymlinkNode("n", std::string("a\0b", 3));
  refused(d, "target");
  d.Clear();
  *d.add_files() = file;
  d.mutable_files(0)->mutable_digest()->set_hash("x/../../../../../../../../../etc/passwd");
  refused(d, "malformed digest");
  d.Clear();
  *d.add_files() = file;
  d.mutable_files(0)->mutable_digest()->set_size_bytes(-1);
  refused(d, "negative size");
  d.Clear();
  *d.add_files() = file;
  d.mutable_files(0)->clear_digest();
  refused(d, "malformed digest");
  d.Clear();
  *d.add_files() = file;
  d.mutable_files(0)->mutable_node_properties()->mutable_mtime()->set_nanos(1'000'000'000);
  refused(d, "mtime");
  d.Clear();
  d.mutable_node_properties()->mutable_mtime()->set_seconds(1LL << 60);
  refused(d, "mtime");
  EXPECT_EQ(ParseDirectory("no message").status().code(), absl::StatusCode::kInvalidArgument);
}

class TreeTest : public ::testing::Test {
 protected:
  Digest Put(const Directory& directory) { return store_.Put(Serialise(directory)); }

  MemoryBlobStore store_;
  CachingDirectoryReader reader_{&store_};
};

TEST_F(TreeTest, CachesAndForgetsTheOldest) {
  CachingDirectoryReader reader(&store_, /*bound_bytes=*/3000);
  std::vector<Digest> digests;
  for (int i = 0; i < 10; ++i) {
    Directory directory;
    *directory.add_symlinks() = MakeSymlinkNode(std::string(1, 'a' + i), "t");
    digests.push_back(Put(directory));
    ASSERT_EQ(reader.Read(digests.back()).status(), absl::OkStatus());
  }
  EXPECT_LE(reader.cached_bytes(), 3000);
  const int64_t reads = store_.read_blobs();
  EXPECT_EQ((*reader.Read(digests.back()))->symlinks(0).name(), "j");
  EXPECT_EQ(store_.read_blobs(), reads);
  EXPECT_EQ((*reader.Read(digests.front()))->symlinks(0).name(), "a");
  EXPECT_EQ(store_.read_blobs(), reads + 1);
}

TEST_F(TreeTest, ReadsALevelInOneBatchAndValidates) {
  Directory root;
  for (const char* name : {"a", "b", "c"}) {
    Directory child;
    *child.add_files() = MakeFileNode(name, store_.Put(name), 0644, kTime);
    *root.add_directories() = MakeDirectoryNode(name, Put(child));
  }
  const Digest digest = Put(root);
  const auto tree = LoadTree(reader_, digest);
  ASSERT_EQ(tree.status(), absl::OkStatus());
  EXPECT_EQ(tree->entries, 6);
  EXPECT_EQ(tree->depth, 2);
  EXPECT_EQ(tree->total_bytes, 3);
  EXPECT_EQ(DistinctFiles(*tree).size(), 3);
  EXPECT_EQ(tree->directories.size(), 4);

  Directory hostile;
  *hostile.add_symlinks() = MakeSymlinkNode("..", "x");
  const auto refused = LoadTree(reader_, Put(hostile));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("'..'"));
}

TEST_F(TreeTest, TreeBombIsRefusedWhileItIsSmall) {
  // 40 levels of two names for the same child: 2^40 paths from 40 messages.
  Directory leaf;
  *leaf.add_files() = MakeFileNode("f", store_.Put("x"), 0644, kTime);
  Digest digest = Put(leaf);
  for (int i = 0; i < 40; ++i) {
    Directory level;
    *level.add_directories() = MakeDirectoryNode("a", digest);
    *level.add_directories() = MakeDirectoryNode("b", digest);
    digest = Put(level);
  }
  const auto refused = LoadTree(reader_, digest);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("1000000 entries"));
}

TEST_F(TreeTest, LimitsAreExact) {
  Directory leaf;
  *leaf.add_files() = MakeFileNode("f", store_.Put("12345"), 0644, kTime);
  Digest digest = Put(leaf);
  Directory middle;
  *middle.add_directories() = MakeDirectoryNode("d", digest);
  const Digest root = Put(middle);
  TreeLimits limits;
  limits.max_depth = 2;
  limits.max_entries = 2;
  limits.max_total_bytes = 5;
  EXPECT_EQ(LoadTree(reader_, root, limits).status(), absl::OkStatus());
  for (int which = 0; which < 3; ++which) {
    TreeLimits tight = limits;
    if (which == 0) tight.max_depth = 1;
    if (which == 1) tight.max_entries = 1;
    if (which == 2) tight.max_total_bytes = 4;
    EXPECT_EQ(LoadTree(reader_, root, tight).status().code(), absl::StatusCode::kResourceExhausted)
        << which;
  }
  // Deep without being wide: a long chain that a shortcut makes look shallow.
  Digest chain = EmptyTreeDigest();
  Directory shortcut;
  for (int i = 0; i < 600; ++i) {
    Directory level;
    *level.add_directories() = MakeDirectoryNode("d", chain);
    chain = Put(level);
    *shortcut.add_directories() = MakeDirectoryNode("n" + std::to_string(10000 + i), chain);
  }
  EXPECT_EQ(LoadTree(reader_, Put(shortcut)).status().code(), absl::StatusCode::kResourceExhausted);
}

// A file of five bytes two levels down, of which the lower directory is known.
class KnownSizesTest : public TreeTest {
 protected:
  void SetUp() override {
    Directory below;
    *below.add_files() = MakeFileNode("f", store_.Put("12345"), 0644, kTime);
    directory_ = PutAround({Put(below)});
    ASSERT_EQ(Load(directory_).status(), absl::OkStatus());
  }

  // A directory of these directories.
  Digest PutAround(const std::vector<Digest>& directories) {
    Directory around;
    for (size_t i = 0; i < directories.size(); ++i) {
      *around.add_directories() = MakeDirectoryNode("d" + std::to_string(i), directories[i]);
    }
    return Put(around);
  }

  absl::StatusOr<LoadedTree> Load(const Digest& root, const TreeLimits& limits = {}) {
    return LoadTree(reader_, root, limits, &known_);
  }

  Digest directory_;
  KnownSizes known_;
};

TEST_F(KnownSizesTest, WhatIsKnownIsCountedButNotRead) {
  const Digest root = PutAround({directory_, directory_});
  const int64_t reads = store_.read_blobs();
  CachingDirectoryReader fresh(&store_);
  const auto tree = LoadTree(fresh, root, {}, &known_);
  ASSERT_EQ(tree.status(), absl::OkStatus());
  EXPECT_EQ(store_.read_blobs() - reads, 1);
  EXPECT_FALSE(tree->whole);
  EXPECT_EQ(tree->directories.size(), 1);
  EXPECT_EQ(tree->entries, 6);
  EXPECT_EQ(tree->total_bytes, 10);
  EXPECT_EQ(tree->depth, 3);
  EXPECT_EQ(known_.Find(root)->entries, 6);

  const auto whole = LoadTree(fresh, root);
  ASSERT_EQ(whole.status(), absl::OkStatus());
  EXPECT_TRUE(whole->whole);
  EXPECT_EQ(whole->directories.size(), 3);
  EXPECT_EQ(whole->entries, 6);
}

TEST_F(KnownSizesTest, LimitsAreExact) {
  const Digest root = PutAround({directory_, directory_});
  TreeLimits limits;
  limits.max_depth = 3;
  limits.max_entries = 6;
  limits.max_total_bytes = 10;
  for (int which = 0; which < 3; ++which) {
    TreeLimits tight = limits;
    if (which == 0) tight.max_depth = 2;
    if (which == 1) tight.max_entries = 5;
    if (which == 2) tight.max_total_bytes = 9;
    EXPECT_EQ(Load(root, tight).status().code(), absl::StatusCode::kResourceExhausted) << which;
  }
  EXPECT_EQ(Load(root, limits).status(), absl::OkStatus());
}

TEST_F(KnownSizesTest, BombOfKnownPartsIsRefused) {
  // Each level is small enough, and known, when the next one comes.
  Digest digest = directory_;
  absl::Status last;
  for (int i = 0; i < 100 && last.ok(); ++i) {
    digest = PutAround({digest, digest});
    last = Load(digest).status();
  }
  EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(known_.Find(digest), std::nullopt);

  digest = directory_;
  last = absl::OkStatus();
  for (int i = 0; i < kMaxTreeDepth && last.ok(); ++i) {
    digest = PutAround({digest});
    last = Load(digest).status();
  }
  EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(KnownSizesTest, NothingIsKnownOfATreeThatWasRefused) {
  Directory hostile;
  *hostile.add_symlinks() = MakeSymlinkNode("..", "x");
  const Digest bad = Put(hostile);
  const Digest around = PutAround({bad, directory_});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Load(around).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Load(PutAround({around})).status().code(), absl::StatusCode::kInvalidArgument);
  }
  // Of the same hash, but no blob's name.
  Digest resized = directory_;
  ++resized.size_bytes;
  EXPECT_EQ(Load(PutAround({resized})).status().code(), absl::StatusCode::kNotFound);
}

TEST(KnownSizesBoundTest, ForgetsAllWhenThereAreTooMany) {
  const auto some = [](size_t count, const std::string& name) {
    absl::flat_hash_map<Digest, TreeSize> sizes;
    for (size_t i = 0; i < count; ++i) sizes[DigestOf(name + std::to_string(i))].height = 1;
    return sizes;
  };
  KnownSizes known;
  known.Add(some(KnownSizes::kMaxDirectories, "a"));
  EXPECT_TRUE(known.Find(DigestOf("a0")).has_value());
  known.Add(some(1, "b"));
  EXPECT_FALSE(known.Find(DigestOf("a0")).has_value());
  EXPECT_TRUE(known.Find(DigestOf("b0")).has_value());
  known.Add(some(KnownSizes::kMaxDirectories + 1, "c"));
  EXPECT_FALSE(known.Find(DigestOf("c0")).has_value());
  EXPECT_TRUE(known.Find(DigestOf("b0")).has_value());
}

TEST_F(TreeTest, ListsWhatIsMissing) {
  Directory present, lost;
  const Digest file_there = store_.Put("there");
  const Digest file_gone = DigestOf("gone");
  *present.add_files() = MakeFileNode("gone", file_gone, 0644, kTime);
  *present.add_files() = MakeFileNode("there", file_there, 0644, kTime);
  *lost.add_files() = MakeFileNode("f", DigestOf("unknowable"), 0644, kTime);
  Directory root;
  *root.add_directories() = MakeDirectoryNode("lost", DigestOf(Serialise(lost)));
  *root.add_directories() = MakeDirectoryNode("present", Put(present));
  *root.add_files() = MakeFileNode("empty", EmptyBlobDigest(), 0644, kTime);
  const Digest digest = Put(root);
  const auto missing = FindMissingInTree(store_, reader_, digest);
  ASSERT_EQ(missing.status(), absl::OkStatus());
  EXPECT_THAT(*missing, UnorderedElementsAre(file_gone, DigestOf(Serialise(lost))));

  // A reader that knows a directory doesn't hide that the store has lost it.
  ASSERT_EQ(reader_.Read(digest).status(), absl::OkStatus());
  store_.Remove(digest);
  EXPECT_THAT(*FindMissingInTree(store_, reader_, digest), UnorderedElementsAre(digest));
  EXPECT_THAT(*FindMissingInTree(store_, reader_, EmptyTreeDigest()), UnorderedElementsAre());
}

TEST_F(TreeTest, StoreFailureIsNotMissing) {
  Directory root;
  *root.add_symlinks() = MakeSymlinkNode("l", "t");
  const Digest digest = Put(root);
  store_.FailWith(absl::UnavailableError("down"));
  EXPECT_EQ(FindMissingInTree(store_, reader_, digest).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rally::blob
