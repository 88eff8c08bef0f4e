#include "common/blob/delta.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A tree as text: path -> "content", "x:content" (executable), "->target", or "/" (directory).
// "content@7" has mtime 7, else 1.
using Paths = std::map<std::string, std::string>;

class DeltaTest : public ::testing::Test {
 protected:
  Digest Tree(const Paths& paths) { return Build(paths, ""); }

  // The other way round; directories are listed only when empty.
  Paths Read(const Digest& root, bool with_mtimes = true) {
    Paths paths;
    ReadInto(root, "", with_mtimes, &paths);
    return paths;
  }

  JoinResult MustJoin(const Digest& base, std::vector<StepTrees> deltas,
                      std::set<std::pair<int, int>> ordered = {}) {
    absl::StatusOr<JoinResult> result = Join(reader_, base, deltas, [&](int earlier, int later) {
      return ordered.count({earlier, later}) > 0;
    });
    EXPECT_EQ(result.status(), absl::OkStatus());
    for (const auto& [digest, bytes] : result->new_directories) {
      EXPECT_EQ(DigestOf(bytes), digest);
      store_.Put(bytes);
    }
    return *std::move(result);
  }

  // Steps called a, b, c... that all started from `base`.
  JoinResult JoinParallel(const Paths& base, const std::vector<Paths>& outputs) {
    const Digest base_root = Tree(base);
    std::vector<StepTrees> deltas;
    for (size_t i = 0; i < outputs.size(); ++i) {
      deltas.push_back({std::string(1, static_cast<char>('a' + i)), base_root, Tree(outputs[i])});
    }
    return MustJoin(base_root, deltas);
  }

  static std::vector<std::string> Text(const std::vector<Conflict>& conflicts) {
    std::vector<std::string> lines;
    for (const Conflict& c : conflicts) {
      lines.push_back(absl::StrCat(c.earlier_step, "-", c.later_step, ":", c.path));
    }
    return lines;
  }

  MemoryBlobStore store_;
  CachingDirectoryReader reader_{&store_};

 private:
  Digest Build(const Paths& paths, const std::string& prefix) {
    Directory directory;
    std::set<std::string> children;
    for (const auto& [path, value] : paths) {
      if (!absl::StartsWith(path, prefix)) continue;
      const std::string rest = path.substr(prefix.size());
      if (rest.empty()) continue;
      const size_t slash = rest.find('/');
      if (slash != std::string::npos) {
        children.insert(rest.substr(0, slash));
      } else if (value == "/") {
        children.insert(rest);
      } else if (absl::StartsWith(value, "->")) {
        *directory.add_symlinks() = MakeSymlinkNode(rest, value.substr(2));
      } else {
        const std::vector<std::string> parts = absl::StrSplit(value, '@');
        const absl::Time mtime = absl::FromUnixSeconds(parts.size() > 1 ? std::stoi(parts[1]) : 1);
        const bool executable = absl::StartsWith(parts[0], "x:");
        *directory.add_files() = MakeFileNode(rest, DigestOf(parts[0].substr(executable ? 2 : 0)),
                                              executable ? 0755 : 0644, mtime);
        contents_[DigestOf(parts[0].substr(executable ? 2 : 0))] =
            parts[0].substr(executable ? 2 : 0);
      }
    }
    for (const std::string& child : children) {
      *directory.add_directories() =
          MakeDirectoryNode(child, Build(paths, absl::StrCat(prefix, child, "/")));
    }
    Canonicalise(&directory);
    EXPECT_EQ(Validate(directory), absl::OkStatus());
    return store_.Put(Serialise(directory));
  }

  void ReadInto(const Digest& digest, const std::string& prefix, bool with_mtimes, Paths* paths) {
    absl::StatusOr<std::vector<std::string>> bytes = store_.Read({digest});
    ASSERT_EQ(bytes.status(), absl::OkStatus());
    absl::StatusOr<Directory> directory = ParseDirectory(bytes->front());
    ASSERT_EQ(directory.status(), absl::OkStatus());
    for (const FileNode& file : directory->files()) {
      const int64_t mtime = absl::ToUnixSeconds(*MtimeOf(file));
      (*paths)[prefix + file.name()] =
          absl::StrCat(file.is_executable() ? "x:" : "", contents_[DigestOfNode(file)],
                       with_mtimes && mtime != 1 ? absl::StrCat("@", mtime) : "");
    }
    for (const SymlinkNode& link : directory->symlinks()) {
      (*paths)[prefix + link.name()] = absl::StrCat("->", link.target());
    }
    for (const DirectoryNode& child : directory->directories()) {
      const size_t before = paths->size();
      ReadInto(DigestOfNode(child), absl::StrCat(prefix, child.name(), "/"), with_mtimes, paths);
      if (paths->size() == before) (*paths)[prefix + child.name()] = "/";
    }
  }

  std::map<Digest, std::string> contents_;
};

struct JoinCase {
  const char* name;
  Paths base;
  std::vector<Paths> outputs;
  Paths expected;
  std::vector<std::string> conflicts;
};

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
