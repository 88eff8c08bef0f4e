#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rallyctl/trees/build_trees.h"
#include "rallyctl/trees/change_text.h"
#include "rallyctl/trees/path_history.h"
#include "rallyctl/trees/tree_changes.h"

namespace rally::rallyctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Path -> content; "time:content" for another time. A path that ends in a slash is an empty folder.
using Files = std::map<std::string, std::string>;

class TreesTest : public ::testing::Test {
 protected:
  blob::Digest Tree(const Files& files) {
    blob::Directory directory;
    std::map<std::string, Files> below;
    for (const auto& [path, text] : files) {
      const size_t slash = path.find('/');
      if (slash != std::string::npos) {
        Files& inside = below[path.substr(0, slash)];
        if (slash + 1 < path.size()) inside[path.substr(slash + 1)] = text;
        continue;
      }
      const bool later = text.substr(0, 5) == "time:";
      *directory.add_files() = blob::MakeFileNode(path, store_.Put(later ? text.substr(5) : text),
                                                  0644, absl::FromUnixSeconds(later ? 2000 : 1000));
    }
    for (const auto& [name, inside] : below) {
      *directory.add_directories() = blob::MakeDirectoryNode(name, Tree(inside));
    }
    blob::Canonicalise(&directory);
    return store_.Put(blob::Serialise(directory));
  }

  static void SetDigest(const blob::Digest& from, v1::Digest* to) {
    to->set_hash(from.hash);
    to->set_size_bytes(from.size_bytes);
  }

  v1::Step& AddStep(v1::Build* build, const std::string& id, const Files& input,
                    const Files& output, std::vector<std::string> depends_on = {}) {
    v1::Step& step = *build->add_steps();
    step.set_id(id);
    step.set_status(v1::STEP_STATUS_SUCCEEDED);
    step.set_has_exit_code(true);
    SetDigest(Tree(input), step.mutable_input());
    SetDigest(Tree(output), step.mutable_output());
    for (const std::string& other : depends_on) step.add_depends_on(other);
    return step;
  }

  v1::Build NewBuild(const std::string& id, const Files& context) {
    v1::Build build;
    build.set_id(id);
    SetDigest(Tree(context), build.mutable_context());
    return build;
  }

  std::string HistoryOf(const v1::Build& build, const std::string& path) {
    auto history = FindPathHistory(reader_, build, path);
    EXPECT_EQ(history.status(), absl::OkStatus());
    std::string text = history->in_context ? "context" : "";
    for (const PathWrite& write : history->writes) {
      absl::StrAppend(&text, " ", build.steps(write.step).id(), ":",
                      write.change.only_mtime ? "touched" : Word(write.change.kind),
                      write.overruled ? "!" : "");
    }
    return text;
  }

  // What its steps make together, as the controller puts it together.
  void EndBuild(v1::Build* build) {
    std::vector<blob::StepTrees> deltas;
    for (const v1::Step& step : build->steps()) {
      const StepTrees trees = *TreesOf(step);
      deltas.push_back({step.id(), trees.input, trees.output});
    }
    auto joined = blob::Join(reader_, *ContextOf(*build), deltas, [](int, int) { return false; });
    ASSERT_EQ(joined.status(), absl::OkStatus());
    for (const auto& [digest, bytes] : joined->new_directories) store_.Put(bytes);
    SetDigest(joined->root, build->mutable_workspace());
    build->set_status(v1::BUILD_STATUS_SUCCEEDED);
  }

  std::string Changes(const blob::Digest& before, const blob::Digest& after) {
    std::string text;
    EXPECT_EQ(ForEachChange(reader_, before, after,
                            [&](const blob::DeltaEntry& change) {
                              text += ChangeText(change, /*colour=*/false);
                            }),
              absl::OkStatus());
    return text;
  }

  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
};

TEST_F(TreesTest, ChangesAreLinesWithSizes) {
  EXPECT_EQ(Changes(Tree({{"a", "1"}, {"d/b", "22"}, {"e/f", "x"}, {"t", "t"}, {"z\n", "1"}}),
                    Tree({{"a", "333"}, {"d/b", "22"}, {"n/m", "4"}, {"t", "time:t"}})),
            "~ a  1 B -> 3 B\n"
            "- e/\n"
            "- e/f  1 B\n"
            "+ n/\n"
            "+ n/m  1 B\n"
            "~ t  only its time\n"
            "- z\\x0a  1 B\n");
}

TEST_F(TreesTest, ChangesNameModesAndWhatAPathWas) {
  blob::Directory locked;
  blob::SetDirectoryProperties(0700, std::nullopt, &locked);
  blob::Directory open = locked;
  blob::SetDirectoryProperties(0755, std::nullopt, &open);
  blob::Directory before, after;
  *before.add_directories() = blob::MakeDirectoryNode("d", store_.Put(blob::Serialise(open)));
  *after.add_directories() = blob::MakeDirectoryNode("d", store_.Put(blob::Serialise(locked)));
  *before.add_files() = blob::MakeFileNode("keep.sh", blob::DigestOf("1"), 0644, std::nullopt);
  *after.add_files() = blob::MakeFileNode("keep.sh", blob::DigestOf("1"), 0755, std::nullopt);
  *before.add_directories() = blob::MakeDirectoryNode("x", blob::EmptyTreeDigest());
  *after.add_files() = blob::MakeFileNode("x", blob::DigestOf("12345"), 0644, std::nullopt);
  *before.add_symlinks() = blob::MakeSymlinkNode("y", "d");
  *after.add_directories() = blob::MakeDirectoryNode("y", blob::EmptyTreeDigest());
  EXPECT_EQ(Changes(store_.Put(blob::Serialise(before)), store_.Put(blob::Serialise(after))),
            "~ d/  mode 0755 -> 0700\n"
            "~ keep.sh  mode 0644 -> 0755\n"
            "~ x  5 B, was a directory\n"
            "~ y/, was a symlink\n");
}

TEST_F(TreesTest, TheRootsOwnModeIsAChange) {
  blob::Directory open;
  *open.add_files() = blob::MakeFileNode("a", blob::DigestOf("1"), 0644, std::nullopt);
  blob::Directory locked = open;
  blob::SetDirectoryProperties(0755, std::nullopt, &open);
  blob::SetDirectoryProperties(0700, std::nullopt, &locked);
  EXPECT_EQ(Changes(store_.Put(blob::Serialise(open)), store_.Put(blob::Serialise(locked))),
            "~ ./  mode 0755 -> 0700\n");
}

TEST_F(TreesTest, EqualFoldersAreNotRead) {
  const blob::Digest before = Tree({{"same/a/b/c", "1"}, {"x", "1"}});
  const blob::Digest after = Tree({{"same/a/b/c", "1"}, {"x", "2"}});
  EXPECT_EQ(Changes(before, after), "~ x  1 B -> 1 B\n");
  EXPECT_EQ(store_.read_blobs(), 2);
}

TEST_F(TreesTest, BlameIsTheLastInTheOrderThatWroteIt) {
  v1::Build build = NewBuild("b", {{"src/a", "1"}});
  // In the file before what it waits for.
  AddStep(&build, "late", {{"src/a", "1"}, {"out/x", "1"}}, {{"src/a", "1"}, {"out/x", "2"}},
          {"early"});
  AddStep(&build, "early", {{"src/a", "1"}}, {{"src/a", "1"}, {"out/x", "1"}});
  AddStep(&build, "other", {{"src/a", "1"}}, {{"src/a", "time:1"}, {"y", "1"}});
  AddStep(&build, "nothing", {{"src/a", "1"}}, {{"src/a", "1"}});
  AddStep(&build, "cleaner", {{"src/a", "1"}, {"y", "1"}}, {{"src/a", "1"}}, {"other"});
  EXPECT_EQ(HistoryOf(build, "out/x"), " early:added late:changed");
  EXPECT_EQ(HistoryOf(build, "./out//x/"), " early:added late:changed");
  EXPECT_EQ(HistoryOf(build, "src/a"), "context other:touched");
  EXPECT_EQ(HistoryOf(build, "out"), " early:added");
  EXPECT_EQ(HistoryOf(build, "y"), " other:added cleaner:removed");
  EXPECT_EQ(HistoryOf(build, "src/a/nope"), "");
  EXPECT_EQ(FindPathHistory(reader_, build, "../x").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindPathHistory(reader_, build, ".").status().code(),
            absl::StatusCode::kInvalidArgument);
}

// Each step's own trees don't tell what became of them where it met others.
TEST_F(TreesTest, BlameIsTrueOfTheEndWhereStepsMet) {
  const Files context = {{"d/old", "o"}, {"emptyd/", ""}, {"k", "k"}};
  v1::Build build = NewBuild("b", context);
  AddStep(&build, "a", context, {{"k", "k"}, {"x/1", "1"}});
  AddStep(&build, "b", context, {{"d/old", "o"}, {"d/new", "n"}, {"emptyd/in", "i"}, {"k", "k"}});
  AddStep(&build, "c", context, {{"d/old", "o"}, {"emptyd/", ""}, {"k", "k"}, {"x", "f"}});
  EXPECT_EQ(HistoryOf(build, "d"), "context a:removed") << "there is no end to compare with yet";
  EndBuild(&build);
  const auto history = [&](const std::string& path) {
    return *FindPathHistory(reader_, build, path);
  };
  for (const char* folder : {"d", "emptyd"}) {
    EXPECT_EQ(HistoryOf(build, folder), "context a:removed!");
    EXPECT_TRUE(history(folder).exists);
    EXPECT_EQ(history(folder).maker, PathMaker::kContext);
    EXPECT_EQ(history(folder).LastingWrite(), nullptr);
  }
  EXPECT_EQ(HistoryOf(build, "d/old"), "context a:removed");
  EXPECT_FALSE(history("d/old").exists);
  EXPECT_EQ(HistoryOf(build, "d/new"), " b:added");
  EXPECT_EQ(HistoryOf(build, "x"), " a:added c:added");
  EXPECT_EQ(history("x").LastingWrite()->step, 2);
  EXPECT_EQ(HistoryOf(build, "x/1"), " a:added!");
  EXPECT_EQ(history("x/1").maker, PathMaker::kAbove);
  EXPECT_EQ(history("x/1").above, "x");
  EXPECT_FALSE(history("x/1").exists);
  EXPECT_EQ(HistoryOf(build, "k"), "context");
  EXPECT_EQ(HistoryOf(build, "k/nope"), "");

  // As no step and no context has it.
  SetDigest(Tree({{"d/old", "joined"}}), build.mutable_workspace());
  EXPECT_EQ(HistoryOf(build, "d/old"), "context a:removed!");
  EXPECT_EQ(history("d/old").maker, PathMaker::kJoin);
  EXPECT_EQ(history("d/old").joined.new_size_bytes, 6);
  EXPECT_EQ(history("k").maker, PathMaker::kJoin);
  EXPECT_FALSE(history("k").exists);
}

TEST_F(TreesTest, BuildsPartAtTheFirstStepThatMadeADifference) {
  v1::Build first = NewBuild("first", {{"a", "1"}, {"c", "old"}});
  v1::Build second = NewBuild("second", {{"a", "1"}, {"c", "new"}});
  const auto add = [&](v1::Build* build, const std::string& c, const std::string& made) {
    // Makes the same in both, at different times.
    AddStep(build, "same", {{"a", "1"}, {"c", c}},
            {{"a", "1"}, {"c", c}, {"x", made == "2" ? "time:x" : "x"}});
    AddStep(build, "differs", {{"a", "1"}, {"c", c}, {"x", "x"}},
            {{"a", "1"}, {"c", c}, {"x", "x"}, {"y", made}}, {"same"});
    AddStep(build, "later", {{"y", made}}, {{"y", made}, {"z", made}}, {"differs"});
  };
  add(&first, "old", "1");
  add(&second, "new", "2");
  const auto parting = FindParting(reader_, first, second);
  ASSERT_EQ(parting.status(), absl::OkStatus());
  EXPECT_EQ(parting->step, "differs");
  EXPECT_EQ(parting->outcome, "");
  ASSERT_TRUE(parting->has_trees);
  std::vector<std::string> paths;
  ASSERT_EQ(ForEachNewDifference(reader_, parting->first, parting->second,
                                 [&](const blob::DeltaEntry& change) {
                                   paths.push_back(ChangeText(change, false));
                                 }),
            absl::OkStatus());
  EXPECT_THAT(paths, ElementsAre("~ y  1 B -> 1 B\n"));
  EXPECT_EQ(FindParting(reader_, first, first)->step, "");
}

TEST_F(TreesTest, BuildsPartWhereStepsEndOtherwiseOrAreMissing) {
  v1::Build first = NewBuild("first", {{"a", "1"}});
  v1::Build second = first;
  second.set_id("second");
  AddStep(&first, "s", {{"a", "1"}}, {{"a", "1"}});
  v1::Step& failed = AddStep(&second, "s", {{"a", "1"}}, {{"a", "1"}});
  failed.set_status(v1::STEP_STATUS_FAILED);
  failed.set_exit_code(3);
  EXPECT_EQ(FindParting(reader_, first, second)->outcome,
            "succeeded in first, failed with exit code 3 in second");
  v1::Build third = first;
  third.set_id("third");
  AddStep(&third, "more", {{"a", "1"}}, {{"a", "1"}});
  EXPECT_EQ(FindParting(reader_, first, third)->step, "more");
  EXPECT_THAT(FindParting(reader_, third, first)->outcome, HasSubstr("only build third has it"));
}

TEST_F(TreesTest, AStepWithoutTreesSaysSo) {
  v1::Step step;
  step.set_id("s");
  step.set_status(v1::STEP_STATUS_RUNNING);
  EXPECT_EQ(TreesOf(step).status().message(), "step s is running and has left no files yet");
  step.set_status(v1::STEP_STATUS_SKIPPED);
  EXPECT_EQ(TreesOf(step).status().message(), "step s is skipped and has left no files");
  *step.mutable_input() = NewBuild("b", {{"a", "1"}}).context();
  step.set_status(v1::STEP_STATUS_CANCELLED);
  EXPECT_EQ(TreesOf(step).status().message(), "step s is cancelled and has left no files");
  step.set_status(v1::STEP_STATUS_ERRORED);
  EXPECT_EQ(TreesOf(step).status().message(), "step s is errored and has left no files");
  // These ended by themselves, and changed nothing.
  for (const v1::StepStatus status :
       {v1::STEP_STATUS_SUCCEEDED, v1::STEP_STATUS_FAILED, v1::STEP_STATUS_TIMED_OUT}) {
    step.set_status(status);
    ASSERT_EQ(TreesOf(step).status(), absl::OkStatus());
    EXPECT_EQ(TreesOf(step)->output, TreesOf(step)->input);
  }
}

TEST_F(TreesTest, CountsAreWords) {
  ChangeCounts counts;
  EXPECT_EQ(CountsText(counts), "nothing differs");
  blob::DeltaEntry change;
  change.new_size_bytes = 2048;
  counts.Add(change);
  change.kind = blob::DeltaEntry::Kind::kRemoved;
  change.old_size_bytes = 1024;
  change.new_size_bytes = 0;
  counts.Add(change);
  EXPECT_EQ(CountsText(counts), "1 added, 0 changed, 1 removed; 1.0 KiB more");
}

}  // namespace
}  // namespace rally::rallyctl
