#include "common/blob/delta.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/delta_fixture.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct JoinCase {
  const char* name;
  Paths base;
  std::vector<Paths> outputs;
  Paths expected;
  std::vector<std::string> conflicts;
};

TEST_F(DeltaTest, ConflictsSayWhatEachStepDid) {
  const struct {
    Paths base;
    Paths a;
    Paths b;
    Deed earlier;
    Deed later;
  } cases[] = {
      {{}, {{"f", "1"}}, {{"f", "2"}}, Deed::kWroteFile, Deed::kWroteFile},
      {{{"f", "1"}}, {}, {{"f", "2"}}, Deed::kRemoved, Deed::kWroteFile},
      {{}, {{"f", "1"}}, {{"f", "->x"}}, Deed::kWroteFile, Deed::kMadeSymlink},
      {{}, {{"f/x", "1"}}, {{"f", "2"}}, Deed::kMadeDirectory, Deed::kWroteFile},
      {{{"d/f", "1"}}, {{"d/f", "2"}}, {{"d", "1"}}, Deed::kWroteFile, Deed::kReplacedParent},
  };
  for (const auto& c : cases) {
    const JoinResult result = JoinParallel(c.base, {c.a, c.b});
    ASSERT_EQ(result.conflicts.size(), 1u);
    EXPECT_EQ(result.conflicts[0].earlier_deed, c.earlier);
    EXPECT_EQ(result.conflicts[0].later_deed, c.later);
  }
}

TEST_F(DeltaTest, JoinsParallelStepsPathByPath) {
  const std::vector<JoinCase> cases = {
      {"nothing changed", {{"f", "1"}}, {{{"f", "1"}}, {{"f", "1"}}}, {{"f", "1"}}, {}},
      {"one step gives its own output", {{"f", "1"}}, {{{"g", "2"}}}, {{"g", "2"}}, {}},
      {"new files add up", {}, {{{"d/a", "1"}}, {{"d/b", "2"}}}, {{"d/a", "1"}, {"d/b", "2"}}, {}},
      {"different paths, change and deletion",
       {{"f", "1"}, {"g", "1"}},
       {{{"f", "2"}, {"g", "1"}}, {{"f", "1"}}},
       {{"f", "2"}},
       {}},
      {"different content: the later wins",
       {{"f", "1"}},
       {{{"f", "2"}}, {{"f", "3"}}},
       {{"f", "3"}},
       {"a-b:f"}},
      {"equal content, later mtime wins, no conflict",
       {{"f", "1"}},
       {{{"f", "2@5"}}, {{"f", "2@4"}}},
       {{"f", "2@4"}},
       {}},
      {"a file that is only touched takes the later time",
       {{"f", "1"}},
       {{{"f", "1@5"}}, {{"f", "1@4"}}},
       {{"f", "1@4"}},
       {}},
      {"touching is no edit", {{"f", "1"}}, {{{"f", "2@5"}}, {{"f", "1@6"}}}, {{"f", "2@5"}}, {}},
      {"nor in the other order",
       {{"f", "1"}},
       {{{"f", "1@6"}}, {{"f", "2@5"}}},
       {{"f", "2@5"}},
       {}},
      {"it reverts no mode", {{"f", "1"}}, {{{"f", "x:1"}}, {{"f", "1@6"}}}, {{"f", "x:1"}}, {}},
      {"and brings nothing back",
       {{"f", "1"}, {"d/g", "1"}},
       {{}, {{"f", "1@6"}, {"d/g", "1@6"}}},
       {},
       {}},
      {"nor from what took its place",
       {{"f", "1"}},
       {{{"f/x", "1"}}, {{"f", "1@6"}}},
       {{"f/x", "1"}},
       {}},
      {"different mode", {{"f", "1"}}, {{{"f", "x:1"}}, {{"f", "2"}}}, {{"f", "2"}}, {"a-b:f"}},
      {"equal content and mode", {}, {{{"f", "x:1"}}, {{"f", "x:1"}}}, {{"f", "x:1"}}, {}},
      {"only the mode differs", {}, {{{"f", "x:1"}}, {{"f", "1"}}}, {{"f", "1"}}, {"a-b:f"}},
      {"symlink targets differ", {}, {{{"l", "->a"}}, {{"l", "->b"}}}, {{"l", "->b"}}, {"a-b:l"}},
      {"symlink targets equal", {}, {{{"l", "->a"}}, {{"l", "->a"}}}, {{"l", "->a"}}, {}},
      {"file and symlink", {}, {{{"l", "->a"}}, {{"l", "a"}}}, {{"l", "a"}}, {"a-b:l"}},
      {"a deletion counts as a write", {{"f", "1"}}, {{}, {{"f", "2"}}}, {{"f", "2"}}, {"a-b:f"}},
      {"a later deletion wins", {{"f", "1"}}, {{{"f", "2"}}, {}}, {}, {"a-b:f"}},
      {"both deleting is no conflict",
       {{"f", "1"}, {"g", "1"}},
       {{{"g", "1"}}, {{"g", "1"}}},
       {{"g", "1"}},
       {}},
      {"removing a directory leaves what others added in it",
       {{"d/f", "1"}},
       {{}, {{"d/f", "1"}, {"d/new", "2"}}},
       {{"d/new", "2"}},
       {}},
      {"the same in the other order",
       {{"d/f", "1"}},
       {{{"d/f", "1"}, {"d/new", "2"}}, {}},
       {{"d/new", "2"}},
       {}},
      {"removing a directory conflicts only where its entries were changed",
       {{"d/f", "1"}, {"d/g", "1"}},
       {{{"d/f", "2"}, {"d/g", "1"}}, {}},
       {},
       {"a-b:d/f"}},
      {"a removed directory does not come back empty", {{"d/f", "1"}}, {{}, {{"d", "/"}}}, {}, {}},
      {"nor the other way round", {{"d/f", "1"}}, {{{"d", "/"}}, {}}, {}, {}},
      {"an empty directory added in a removed one stays",
       {{"d/f", "1"}},
       {{}, {{"d/f", "1"}, {"d/sub", "/"}}},
       {{"d/sub", "/"}},
       {}},
      {"both create a directory", {}, {{{"d/a", "1"}}, {{"d", "/"}}}, {{"d/a", "1"}}, {}},
      {"a file where a directory was conflicts with a change below it",
       {{"d/f", "1"}},
       {{{"d", "file"}}, {{"d/f", "2"}}},
       {{"d/f", "2"}},
       {"a-b:d/f"}},
      {"and with an addition below it",
       {{"d/f", "1"}},
       {{{"d/f", "1"}, {"d/new", "2"}}, {{"d", "file"}}},
       {{"d", "file"}},
       {"a-b:d/new"}},
      {"and with a new empty directory below it",
       {{"d/f", "1"}},
       {{{"d", "->x"}}, {{"d/f", "1"}, {"d/sub", "/"}}},
       {{"d/sub", "/"}},
       {"a-b:d/sub"}},
      {"but not with a deletion below it",
       {{"d/f", "1"}, {"d/g", "1"}},
       {{{"d", "file"}}, {{"d/g", "1"}}},
       {{"d", "file"}},
       {}},
      {"nor in the other order",
       {{"d/f", "1"}, {"d/g", "1"}},
       {{{"d/g", "1"}}, {{"d", "file"}}},
       {{"d", "file"}},
       {}},
      {"new file against new directory is one conflict",
       {},
       {{{"p", "file"}}, {{"p/x", "1"}, {"p/y", "2"}}},
       {{"p/x", "1"}, {"p/y", "2"}},
       {"a-b:p"}},
      {"both put the same file where a directory was",
       {{"d/f", "1"}},
       {{{"d", "file"}}, {{"d", "file"}}},
       {{"d", "file"}},
       {}},
      {"directory removed against file in its place",
       {{"d/f", "1"}},
       {{}, {{"d", "file"}}},
       {{"d", "file"}},
       {"a-b:d"}},
      {"file replaced by directories with different files",
       {{"p", "1"}},
       {{{"p/x", "1"}}, {{"p/y", "1"}}},
       {{"p/x", "1"}, {"p/y", "1"}},
       {}},
      {"file deleted against replaced by a directory",
       {{"p", "1"}},
       {{{"p/x", "1"}}, {}},
       {{"p/x", "1"}},
       {"a-b:p"}},
      {"each pair and path once",
       {{"f", "1"}},
       {{{"f", "2"}}, {{"f", "3"}}, {{"f", "2"}}},
       {{"f", "2"}},
       {"a-b:f", "b-c:f"}},
  };
  for (const JoinCase& c : cases) {
    SCOPED_TRACE(c.name);
    const JoinResult result = JoinParallel(c.base, c.outputs);
    EXPECT_EQ(Read(result.root), c.expected);
    EXPECT_EQ(Text(result.conflicts), c.conflicts);
  }
}

TEST_F(DeltaTest, OrderedStepsDoNotConflict) {
  const Digest base = Tree({{"f", "1"}});
  const Digest after_a = Tree({{"f", "2"}});
  const Digest after_b = Tree({{"f", "3"}});
  const JoinResult result =
      MustJoin(base, {{"a", base, after_a}, {"b", after_a, after_b}}, {{0, 1}});
  EXPECT_EQ(result.root, after_b);
  EXPECT_THAT(result.conflicts, IsEmpty());
  EXPECT_THAT(result.new_directories, IsEmpty());
}

TEST_F(DeltaTest, RemovingADirectoryKeepsWhatTheStepDidNotSee) {
  // c depends on a alone; it removes the directory in which the parallel b put a file.
  const Digest base = Tree({});
  const Digest after_a = Tree({{"out/a", "1"}});
  const Digest after_b = Tree({{"out/b", "1"}});
  const JoinResult result =
      MustJoin(base, {{"a", base, after_a}, {"b", base, after_b}, {"c", after_a, base}}, {{0, 2}});
  EXPECT_EQ(Read(result.root), (Paths{{"out/b", "1"}}));
  EXPECT_THAT(result.conflicts, IsEmpty());
}

TEST_F(DeltaTest, RemovingADirectoryConflictsWithCreatingItEmpty) {
  const Digest base = Tree({});
  const Digest after_a = Tree({{"out/a", "1"}});
  const Digest after_b = Tree({{"out", "/"}});
  const JoinResult result =
      MustJoin(base, {{"a", base, after_a}, {"b", base, after_b}, {"c", after_a, base}}, {{0, 2}});
  EXPECT_EQ(Read(result.root), Paths());
  EXPECT_THAT(Text(result.conflicts), ElementsAre("b-c:out"));
}

TEST_F(DeltaTest, DirectoryMetadataNeverConflictsAndTheLaterWins) {
  const auto with_directory_time = [&](int seconds) {
    Directory child;
    *child.add_files() = MakeFileNode("f", DigestOf("1"), 0644, absl::FromUnixSeconds(1));
    SetDirectoryProperties(seconds == 0 ? 0755 : 0700, absl::FromUnixSeconds(seconds), &child);
    Directory root;
    *root.add_directories() = MakeDirectoryNode("d", store_.Put(Serialise(child)));
    return store_.Put(Serialise(root));
  };
  const Digest base = with_directory_time(0);
  const JoinResult result =
      MustJoin(base, {{"a", base, with_directory_time(5)}, {"b", base, with_directory_time(3)}});
  EXPECT_THAT(result.conflicts, IsEmpty());
  EXPECT_EQ(result.root, with_directory_time(3));
}

TEST_F(DeltaTest, NewDirectoriesAreOnlyThoseOfTheResult) {
  const JoinResult result = JoinParallel({{"d/x/f", "1"}}, {{{"d/x/f", "1"}, {"d/a", "1"}},
                                                            {{"d/x/f", "1"}, {"d/b", "1"}},
                                                            {{"d/x/f", "1"}, {"d/c", "1"}}});
  EXPECT_EQ(Read(result.root), (Paths{{"d/x/f", "1"}, {"d/a", "1"}, {"d/b", "1"}, {"d/c", "1"}}));
  // The root and d; x is as it was, and what was made on the way isn't part of the result.
  EXPECT_EQ(result.new_directories.size(), 2);
  EXPECT_TRUE(result.new_directories.contains(result.root));
}

TEST_F(DeltaTest, ReadsOnlyWhatChanged) {
  Paths base;
  for (int i = 0; i < 200; ++i) base[absl::StrCat("dir", i, "/f")] = "1";
  Paths output = base;
  output["dir7/f"] = "2";
  const Digest base_root = Tree(base);
  const Digest output_root = Tree(output);
  const int64_t before = store_.read_blobs();
  MustJoin(base_root, {{"a", base_root, output_root}, {"b", base_root, Tree({{"z", "1"}})}});
  // b removed 200 directories, of which each is read once; equal ones are shared.
  EXPECT_LE(store_.read_blobs() - before, 8);
}

TEST_F(DeltaTest, WhatIsReadDoesNotGrowWithTheTree) {
  std::vector<int64_t> reads;
  for (const int packages : {10, 300}) {
    Paths base;
    for (int i = 0; i < packages; ++i) {
      for (int j = 0; j < 10; ++j) {
        base[absl::StrCat("p", i, "/d", j, "/f")] = absl::StrCat(packages, " ", i, " ", j);
      }
    }
    Paths one = base, two = base;
    one["p1/d1/f"] = absl::StrCat("one ", packages);
    two["p2/d2/f"] = absl::StrCat("two ", packages);
    two["p3/d3/new"] = absl::StrCat("new ", packages);
    two.erase("p4/d4/f");
    const Digest base_root = Tree(base), one_root = Tree(one), two_root = Tree(two);
    const int64_t before = store_.read_blobs();
    MustJoin(base_root, {{"a", base_root, one_root}, {"b", base_root, two_root}});
    reads.push_back(store_.read_blobs() - before);
  }
  EXPECT_GT(reads[0], 0);
  EXPECT_EQ(reads[0], reads[1]) << "the second tree has 30 times the directories";
}

TEST_F(DeltaTest, MissingDirectoryIsNamedWithItsStep) {
  const Digest base = Tree({{"d/f", "1"}});
  const Digest output = Tree({{"d/f", "2"}});
  const Digest other = Tree({{"d/f", "3"}});
  store_.Remove(output);
  const auto result = Join(reader_, base, {{"a", base, other}, {"b", base, output}},
                           [](int, int) { return false; });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(result.status().message(), ::testing::HasSubstr(output.hash));
  EXPECT_THAT(result.status().message(), ::testing::HasSubstr("step b"));
}

TEST_F(DeltaTest, DiffListsEachEntry) {
  const Digest base = Tree({{"d/f", "1"}, {"d/g", "22"}, {"k", "1"}, {"same/f", "1"}, {"t", "1"}});
  const Digest result =
      Tree({{"d/f", "333"}, {"k/x", "1"}, {"n", "->x"}, {"same/f", "1"}, {"t", "1@9"}});
  const auto diff = Diff(reader_, base, result);
  ASSERT_EQ(diff.status(), absl::OkStatus());
  std::vector<std::string> lines;
  for (const DeltaEntry& entry : *diff) {
    lines.push_back(absl::StrCat(entry.kind == DeltaEntry::Kind::kAdded     ? "+"
                                 : entry.kind == DeltaEntry::Kind::kRemoved ? "-"
                                                                            : "~",
                                 entry.type == DeltaEntry::Type::kFile      ? "f"
                                 : entry.type == DeltaEntry::Type::kSymlink ? "l"
                                                                            : "d",
                                 " ", entry.path, " ", entry.old_size_bytes, " ",
                                 entry.new_size_bytes, entry.only_mtime ? " mtime" : ""));
  }
  EXPECT_THAT(lines, ElementsAre("~f d/f 1 3", "-f d/g 2 0", "~d k 1 0", "+f k/x 0 1", "+l n 0 0",
                                 "~f t 1 1 mtime"));
}

TEST_F(DeltaTest, DiffListsModes) {
  Directory folder;
  *folder.add_files() = MakeFileNode("f", DigestOf("1"), 0644, std::nullopt);
  const auto root_of = [&](uint32_t file_mode, uint32_t folder_mode, uint32_t root_mode) {
    folder.mutable_files(0)->Clear();
    FillFileNode("f", DigestOf("1"), file_mode, std::nullopt, folder.mutable_files(0));
    SetDirectoryProperties(folder_mode, std::nullopt, &folder);
    Directory root;
    *root.add_directories() = MakeDirectoryNode("d", store_.Put(Serialise(folder)));
    SetDirectoryProperties(root_mode, std::nullopt, &root);
    return store_.Put(Serialise(root));
  };
  const auto diff = Diff(reader_, root_of(0644, 0755, 0755), root_of(0600, 0700, 0711));
  ASSERT_EQ(diff.status(), absl::OkStatus());
  ASSERT_EQ(diff->size(), 2);
  const DeltaEntry& directory = (*diff)[0];
  EXPECT_EQ(directory.path, "d");
  EXPECT_EQ(directory.kind, DeltaEntry::Kind::kChanged);
  EXPECT_EQ(directory.type, DeltaEntry::Type::kDirectory);
  EXPECT_TRUE(directory.only_mode);
  EXPECT_EQ(directory.old_mode, 0755);
  EXPECT_EQ(directory.new_mode, 0700);
  const DeltaEntry& file = (*diff)[1];
  EXPECT_EQ(file.path, "d/f");
  EXPECT_TRUE(file.only_mode);
  EXPECT_FALSE(file.only_mtime);
  EXPECT_EQ(file.old_mode, 0644);
  EXPECT_EQ(file.new_mode, 0600);
}

}  // namespace
}  // namespace rally::blob
