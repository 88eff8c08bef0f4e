#include "common/blob/ignore_rules.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Decision = IgnoreWalk::Decision;

// A tree: path -> whether it is a directory.
using Tree = std::map<std::string, bool>;

Tree TreeOf(const std::vector<std::string>& files) {
  Tree tree;
  for (const std::string& file : files) {
    for (size_t slash = file.find('/'); slash != std::string::npos;
         slash = file.find('/', slash + 1)) {
      tree[file.substr(0, slash)] = true;
    }
    if (file.back() != '/') tree[file] = false;
  }
  return tree;
}

// Walks the tree as a capture would. What is below a directory that is left out counts as left
// out, and so does a directory that is kept only for what is below, which isn't there.
class Walker {
 public:
  Walker(const Tree& tree, IgnoreSyntax syntax, std::map<std::string, std::string> files)
      : tree_(tree), syntax_(syntax), files_(std::move(files)) {}

  std::set<std::string> Ignored() {
    Visit("", IgnoreWalk(syntax_), false);
    return std::move(ignored_);
  }
  int entered() const { return entered_; }

 private:
  void Visit(const std::string& directory, IgnoreWalk walk, bool left_out) {
    const auto file = files_.find(directory);
    if (!left_out) {
      ++entered_;
      auto rules = ParseIgnoreRules(file == files_.end() ? "" : file->second, syntax_);
      ASSERT_EQ(rules.status(), absl::OkStatus());
      auto inside = walk.Enter(directory, *std::move(rules));
      ASSERT_EQ(inside.status(), absl::OkStatus());
      walk = *std::move(inside);
    }
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (auto it = tree_.lower_bound(prefix); it != tree_.end(); ++it) {
      const auto& [path, is_directory] = *it;
      if (path.compare(0, prefix.size(), prefix) != 0) break;
      if (path.find('/', prefix.size()) != std::string::npos) continue;
      const Decision decision = left_out ? Decision::kLeaveOut : walk.Decide(path, is_directory);
      if (decision != Decision::kKeep) ignored_.insert(path);
      if (is_directory) Visit(path, walk, decision == Decision::kLeaveOut);
    }
  }

  const Tree& tree_;
  const IgnoreSyntax syntax_;
  const std::map<std::string, std::string> files_;
  std::set<std::string> ignored_;
  int entered_ = 0;
};

std::set<std::string> Ignored(const std::vector<std::string>& files, const std::string& rules,
                              IgnoreSyntax syntax) {
  const Tree tree = TreeOf(files);
  return Walker(tree, syntax, {{"", rules}}).Ignored();
}

std::set<std::string> ByGit(const std::vector<std::string>& files, const std::string& rules) {
  return Ignored(files, rules, IgnoreSyntax::kGit);
}

std::set<std::string> ByDocker(const std::vector<std::string>& files, const std::string& rules) {
  return Ignored(files, rules, IgnoreSyntax::kDocker);
}

TEST(GitIgnoreTest, NamesAnchorsAndDirectories) {
  EXPECT_THAT(ByGit({"a.o", "d/b.o", "d/c"}, "*.o"), ElementsAre("a.o", "d/b.o"));
  EXPECT_THAT(ByGit({"out", "d/out"}, "/out"), ElementsAre("out"));
  EXPECT_THAT(ByGit({"out", "d/out/f"}, "out/"), ElementsAre("d/out", "d/out/f"));
  EXPECT_THAT(ByGit({"d/e/f", "e/f"}, "e/f"), ElementsAre("e/f"));
  EXPECT_THAT(ByGit({"d/e/f", "e/f"}, "**/e/f"), ElementsAre("d/e/f", "e/f"));
  EXPECT_THAT(ByGit({"a/b", "a/x/b", "a/x/y/b", "ab"}, "a/**/b"),
              ElementsAre("a/b", "a/x/b", "a/x/y/b"));
  EXPECT_THAT(ByGit({"a/b", "a/c/d", "b"}, "a/**"), ElementsAre("a/b", "a/c", "a/c/d"));
  EXPECT_THAT(ByGit({"a/b/c"}, "a/*"), ElementsAre("a/b", "a/b/c"));
}

TEST(GitIgnoreTest, CommentsBlanksEscapesAndLineEnds) {
  EXPECT_THAT(ByGit({"#a", "b ", "b", "!c", "d"}, "#a\n\nb\\ \n\\!c\r\n  \nd   \n"),
              ElementsAre("!c", "b ", "d"));
  EXPECT_THAT(ByGit({"#a"}, "\\#a"), ElementsAre("#a"));
  EXPECT_THAT(ByGit({"a"},
                    "\xEF\xBB\xBF"
                    "a"),
              ElementsAre("a"));
  EXPECT_THAT(ByGit({"a*", "ab"}, "a\\*"), ElementsAre("a*"));
  EXPECT_THAT(ByGit({"a", "a\\", "["}, "a\\\n[a\n/\n!\n"), IsEmpty());
}

TEST(GitIgnoreTest, NegationDoesNotReachBelowAnIgnoredDirectory) {
  EXPECT_THAT(ByGit({"a.log", "keep.log"}, "*.log\n!keep.log"), ElementsAre("a.log"));
  EXPECT_THAT(ByGit({"keep.log"}, "!keep.log\n*.log"), ElementsAre("keep.log"));
  EXPECT_THAT(ByGit({"d/keep"}, "d\n!d/keep"), ElementsAre("d", "d/keep"));
  EXPECT_THAT(ByGit({"d/keep", "d/not"}, "d/*\n!d/keep"), ElementsAre("d/not"));
}

TEST(GitIgnoreTest, DeeperFilesComeFirst) {
  const Tree tree = TreeOf({"a/x", "a/y", "x", "y", "a/b/x"});
  EXPECT_THAT(Walker(tree, IgnoreSyntax::kGit, {{"", "x\n"}, {"a", "!x\n/y\n"}}).Ignored(),
              ElementsAre("a/y", "x"));
}

TEST(DockerIgnoreTest, RulesAreAnchoredAndMeanAllBelow) {
  const std::vector<std::string> files = {"temp",     "tempa", "a/temp",    "a/tempb/c",
                                          "a/b/temp", "x.md",  "README.md", "d/x.md"};
  EXPECT_THAT(ByDocker(files, "# comment\n*/temp*"), ElementsAre("a/temp", "a/tempb", "a/tempb/c"));
  EXPECT_THAT(ByDocker(files, "*/*/temp*"), ElementsAre("a/b/temp"));
  EXPECT_THAT(ByDocker(files, "temp?"), ElementsAre("tempa"));
  EXPECT_THAT(ByDocker(files, " /temp/ \n"), ElementsAre("temp"));
  EXPECT_THAT(ByDocker(files, "*.md\n!README.md"), ElementsAre("x.md"));
  EXPECT_THAT(ByDocker(files, "!README.md\n*.md"), ElementsAre("README.md", "x.md"));
  EXPECT_THAT(ByDocker(files, "**/*.md"), ElementsAre("README.md", "d/x.md", "x.md"));
  EXPECT_THAT(ByDocker(files, "./a/../temp"), ElementsAre("temp"));
  EXPECT_THAT(ByDocker(files, "a/**"),
              ElementsAre("a/b", "a/b/temp", "a/temp", "a/tempb", "a/tempb/c"));
  EXPECT_THAT(ByDocker({"a!", "ab"}, "a[!b]"), ElementsAre("a!", "ab"));
  EXPECT_THAT(ByDocker({".", "a"}, ".\n/\n"), IsEmpty());
}

// As moby's patternmatcher has it: the end of the path, unless something special follows.
TEST(DockerIgnoreTest, StarsInFrontOfPlainTextAreAnyEndOfAPath) {
  const std::vector<std::string> files = {"a.o",   ".o",   "d/b.o", "d/.o",
                                          "d.o/c", "xfoo", "foo",   "e/yfoo"};
  EXPECT_THAT(ByDocker(files, "**.o"), ElementsAre(".o", "a.o", "d.o", "d.o/c", "d/.o", "d/b.o"));
  EXPECT_THAT(ByDocker(files, "**foo"), ElementsAre("e/yfoo", "foo", "xfoo"));
  EXPECT_THAT(ByDocker(files, "**/foo"), ElementsAre("foo"));
  EXPECT_THAT(ByDocker(files, "**/.o"), ElementsAre(".o", "d/.o"));
  EXPECT_THAT(ByDocker(files, "***.o"), ElementsAre(".o", "a.o", "d.o", "d.o/c", "d/.o", "d/b.o"));
  EXPECT_THAT(ByDocker(files, "****.o"), ElementsAre(".o", "d/.o"));
  EXPECT_THAT(ByDocker(files, "**.[o]"), ElementsAre(".o", "d/.o")) << "a set makes it whole names";
  EXPECT_THAT(ByDocker(files, "**fo?"), ElementsAre("foo"));
  EXPECT_THAT(ByDocker(files, "d**.o"), ElementsAre("d.o", "d.o/c", "d/.o"));
  EXPECT_THAT(ByDocker(files, "*\n!**.o"), ElementsAre("d", "e", "e/yfoo", "foo", "xfoo"));
  EXPECT_THAT(ByDocker({"a", "b/c"}, "**"), ElementsAre("a", "b", "b/c"));
  // What git's say is another matter.
  EXPECT_THAT(ByGit(files, "**.o"), ElementsAre(".o", "a.o", "d.o", "d.o/c", "d/.o", "d/b.o"));
}

TEST(DockerIgnoreTest, NegationBringsBackWhatIsBelow) {
  EXPECT_THAT(ByDocker({"d/keep", "d/not", "d/e/f"}, "d\n!d/keep"),
              ElementsAre("d", "d/e", "d/e/f", "d/not"));
  EXPECT_THAT(ByDocker({"a/b", "c"}, "*\n!a"), ElementsAre("c"));
  EXPECT_THAT(ByDocker({"a/b.go", "c", "d/e/f.go"}, "*\n!**/*.go"),
              ElementsAre("a", "c", "d", "d/e"));
}

TEST(DockerIgnoreTest, EntersIgnoredDirectoriesOnlyWhereNegationCanApply) {
  const Tree tree = TreeOf({"a/b/c", "a/x/c", "node_modules/p/q/r", "z/1/2/3"});
  Walker literal(tree, IgnoreSyntax::kDocker, {{"", "*\n!a/b/c\n"}});
  EXPECT_EQ(literal.Ignored().count("a/b/c"), 0u);
  EXPECT_EQ(literal.entered(), 3);  // The root, a, a/b.
  Walker earlier(tree, IgnoreSyntax::kDocker, {{"", "!a/b/c\n*\n"}});
  EXPECT_EQ(earlier.Ignored().count("a/b/c"), 1u);
  EXPECT_EQ(earlier.entered(), 1);
  Walker git(tree, IgnoreSyntax::kGit, {{"", "*\n!a/b/c\n"}});
  EXPECT_EQ(git.Ignored().size(), tree.size());
  EXPECT_EQ(git.entered(), 1);
}

TEST(IgnoreRulesTest, ErrorsNameTheLine) {
  const auto message = [](const std::string& text, IgnoreSyntax syntax) {
    const auto rules = ParseIgnoreRules(text, syntax);
    EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(rules.status().message());
  };
  EXPECT_EQ(message("a\n[b\n", IgnoreSyntax::kDocker), "line 2: malformed pattern: [b");
  EXPECT_EQ(message("!\n", IgnoreSyntax::kDocker), "line 1: malformed pattern: !");
  EXPECT_THAT(message(std::string(5000, 'a'), IgnoreSyntax::kGit), HasSubstr("line 1: longer"));
  std::string many;
  for (int i = 0; i < 10'001; ++i) absl::StrAppend(&many, "a", i, "\n");
  EXPECT_THAT(message(many, IgnoreSyntax::kGit), HasSubstr("line 10001: more than 10000 rules"));
  EXPECT_THAT(message(std::string((1 << 20) + 1, '\n'), IgnoreSyntax::kGit), HasSubstr("bytes"));
}

// Patterns that take exponential time when each star is tried at each place.
TEST(IgnoreRulesTest, HostilePatternsTakeNoLongerThanTheyAre) {
  std::string stars, directories, path;
  for (int i = 0; i < 2000; ++i) stars += "*a";
  for (int i = 0; i < 1300; ++i) directories += "**/";
  for (int i = 0; i < 1000; ++i) path += "aaa/";
  path += "b";
  const absl::Time begin = absl::Now();
  for (const std::string& pattern :
       {stars + "c", directories + "c", "**/" + stars, directories + stars.substr(0, 100) + "c"}) {
    for (const auto syntax : {GlobPattern::Syntax::kGit, GlobPattern::Syntax::kDocker}) {
      const auto compiled = GlobPattern::Compile(pattern, syntax);
      ASSERT_TRUE(compiled.has_value());
      EXPECT_FALSE(compiled->Matches(path));
    }
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

class GitComparisonTest : public ::testing::Test {
 protected:
  GitComparisonTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/ignore_XXXXXX");
    folder_ = mkdtemp(pattern.data());
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("HOME", folder_.c_str(), 1);
    EXPECT_EQ(std::system(absl::StrCat("git init -q ", repository()).c_str()), 0);
  }
  ~GitComparisonTest() override { fs::remove_all(folder_); }

  std::string repository() const { return (folder_ / "r").string(); }

  void Write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  std::set<std::string> GitSays(const Tree& tree) const {
    std::string paths;
    for (const auto& [path, is_directory] : tree) absl::StrAppend(&paths, path, "\n");
    Write((folder_ / "paths").string(), paths);
    const std::string command =
        absl::StrCat("cd ", repository(), " && git -c core.quotePath=false check-ignore --no-index",
                     " --stdin <", (folder_ / "paths").string());
    FILE* pipe = popen(command.c_str(), "r");
    std::string out(1 << 20, '\0');
    out.resize(fread(out.data(), 1, out.size(), pipe));
    EXPECT_LT(pclose(pipe) >> 8, 2);
    std::set<std::string> ignored;
    for (absl::string_view line : absl::StrSplit(out, '\n', absl::SkipEmpty())) {
      std::string unquoted(line);
      if (line.front() == '"') {
        EXPECT_TRUE(absl::CUnescape(line.substr(1, line.size() - 2), &unquoted));
      }
      ignored.insert(unquoted);
    }
    return ignored;
  }

  fs::path folder_;
};

// What git itself says about random files, with random rules in the root and in a folder.
TEST_F(GitComparisonTest, RandomRulesOnRandomTrees) {
  std::mt19937 random(20'240'229);
  const auto any = [&](const auto& list) { return list[random() % std::size(list)]; };
  static constexpr const char* kNames[] = {"a",   "b",   "ab", "a.o", "b.o", "abc",  "a b",
                                           "-",   "]",   "A",  "a1",  "*",   "a\\b", "\xC3\xA9",
                                           "b.c", "aaa", "!a", "#b",  "[",   "a "};
  static constexpr const char* kPieces[] = {
      "a",     "b",          "c",    "ab",    ".o",    "*",     "*",           "?",
      "**",    "***",        "[ab]", "[!a]",  "[^b]",  "[a-c]", "[]a]",        "[a-]",
      "[!]]",  "\\a",        "\\*",  "\\",    "[",     "[a",    "[[:alpha:]]", "[[:digit:]]",
      "[[:x]", "[[:nope:]]", "1",    " ",     "\\ ",   "!",     "#",           "-",
      "[\\]]", "A",          "/",    "[a/b]", "[--b]", "[b-a]", "\xC3",        "\\/",
      "/**/",  "**/",        "/**",  ".",
  };
  std::vector<std::string> files;
  for (int i = 0; i < 250; ++i) {
    std::string path = any(kNames);
    for (int depth = random() % 4; depth > 0; --depth) absl::StrAppend(&path, "/", any(kNames));
    files.push_back(path);
  }
  Tree tree;
  for (const std::string& file : files) {
    // What is a file in one path and a folder in another stays what it was first.
    std::error_code error;
    fs::create_directories(fs::path(repository() + "/" + file).parent_path(), error);
    if (error) continue;
    std::ofstream(repository() + "/" + file) << "x";
  }
  for (const auto& entry : fs::recursive_directory_iterator(repository())) {
    const std::string path = entry.path().lexically_relative(repository()).string();
    if (path.substr(0, 4) != ".git") tree[path] = entry.is_directory();
  }
  ASSERT_GT(tree.size(), 200u);
  std::vector<std::string> folders;
  for (const auto& [path, is_directory] : tree) {
    if (is_directory) folders.push_back(path);
  }

  const auto rules = [&] {
    std::string text;
    for (int line = 1 + random() % 6; line > 0; --line) {
      if (random() % 4 == 0) text += "!";
      if (random() % 5 == 0) text += "/";
      for (int piece = 1 + random() % 4; piece > 0; --piece) {
        text += any(kPieces);
        if (random() % 5 == 0) text += "/";
      }
      text += random() % 10 == 0 ? "\r\n" : "\n";
    }
    return text;
  };
  size_t ignored = 0;
  for (int round = 0; round < 400; ++round) {
    std::map<std::string, std::string> ignore_files = {{"", rules()}};
    if (random() % 2 == 0) ignore_files[any(folders)] = rules();
    for (const auto& [folder, text] : ignore_files) {
      Write(absl::StrCat(repository(), "/", folder, "/.gitignore"), text);
    }
    const std::set<std::string> ours = Walker(tree, IgnoreSyntax::kGit, ignore_files).Ignored();
    const std::set<std::string> theirs = GitSays(tree);
    ignored += theirs.size();
    std::vector<std::string> difference;
    std::set_symmetric_difference(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                                  std::back_inserter(difference));
    std::string shown;
    for (const auto& [folder, text] : ignore_files) {
      absl::StrAppend(&shown, "in '", folder, "': ", absl::CHexEscape(text), "\n");
    }
    ASSERT_THAT(difference, IsEmpty()) << "round " << round << "\n" << shown;
    for (const auto& [folder, text] : ignore_files) {
      fs::remove(absl::StrCat(repository(), "/", folder, "/.gitignore"));
    }
  }
  EXPECT_GT(ignored, 1000u) << "the rules hardly matched anything";
}

}  // namespace
}  // namespace rally::blob
