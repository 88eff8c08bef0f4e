#include "common/pipeline/build_arguments.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using Arguments = std::vector<std::string>;

std::vector<std::string> Texts(const Arguments& args, const std::vector<ArgumentPart>& parts) {
  std::vector<std::string> texts;
  for (const ArgumentPart& part : parts) texts.push_back(args.at(part.index).substr(part.begin));
  return texts;
}

TEST(ParseBuildArgumentsTest, TellsOptionsValuesAndWordsApart) {
  const struct {
    Arguments args;
    std::string tags;
    std::string cache_from;
    std::string words;
  } cases[] = {
      {{}, "", "", ""},
      {{"."}, "", "", "."},
      {{"-"}, "", "", "-"},
      {{"-t", "eric:1", "-t", "latest", "-f", "Dockerfile", "."}, "eric:1 latest", "", "."},
      {{"-f", "src/Dockerfile", "."}, "", "", "."},
      {{".", "-f", "src/Dockerfile"}, "", "", "."},
      {{"--file=src/Dockerfile", "src"}, "", "", "src"},
      {{"https://x/a.git", "--cache-from=ubuntu"}, "", "ubuntu", "https://x/a.git"},
      {{"--cache-from", "ubuntu", "--cache-from", "a,b", "."}, "", "ubuntu a,b", "."},
      {{"--tag=a:1", "--tag", "b:1", "."}, "a:1 b:1", "", "."},
      {{"-ta:1", "-t=b:1", "-qt", "c:1", "-qtd:1", "."}, "a:1 b:1 c:1 d:1", "", "."},
      {{"-q=true", "."}, "", "", "."},
      // A value that looks like an option, or like a context.
      {{"-t", "-f", "."}, "-f", "", "."},
      {{"--label", "--tag", "."}, "", "", "."},
      {{"--build-arg", "A=--tag=x", "."}, "", "", "."},
      {{"--build-arg", ".", "src"}, "", "", "src"},
      {{"--target", "build", "--network", "host", "--platform", "linux/amd64", "."}, "", "", "."},
      // Options without a value.
      {{"--no-cache", ".", "--pull", "--rm=false"}, "", "", "."},
      {{"--unknown", "."}, "", "", "."},
      {{"-D", "-q", "."}, "", "", "."},
      // Nothing follows.
      {{".", "-t"}, "", "", "."},
      {{".", "--tag"}, "", "", "."},
      {{".", "-qt"}, "", "", "."},
      {{".", "--tag="}, "", "", "."},
      {{".", "-t", ""}, "", "", "."},
      {{"--", "-t", "x"}, "", "", "-t x"},
      {{"a", "b"}, "", "", "a b"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(absl::StrJoin(c.args, " "));
    const BuildArguments parsed = ParseBuildArguments(c.args);
    EXPECT_EQ(absl::StrJoin(Texts(c.args, parsed.tags), " "), c.tags);
    EXPECT_EQ(absl::StrJoin(Texts(c.args, parsed.cache_from), " "), c.cache_from);
    std::vector<std::string> words;
    for (const size_t word : parsed.words) words.push_back(c.args.at(word));
    EXPECT_EQ(absl::StrJoin(words, " "), c.words);
  }
}

TEST(ParseBuildArgumentsTest, TellsAnEmptyValueFromNone) {
  EXPECT_EQ(ParseBuildArguments({"--tag=", "."}).tags.size(), 1u);
  EXPECT_EQ(ParseBuildArguments({"-t", "", "."}).tags.size(), 1u);
  EXPECT_EQ(ParseBuildArguments({".", "-t"}).tags.size(), 0u);
  EXPECT_EQ(ParseBuildArguments({""}).words.size(), 1u);
}

TEST(ClassifyContextTest, KnowsTheKindsOfUrls) {
  constexpr ContextKind kLocal = ContextKind::kLocal, kGit = ContextKind::kGit,
                        kArchive = ContextKind::kArchive, kDownload = ContextKind::kDownload;
  const struct {
    std::string context;
    ContextKind kind;
    bool by_host_only = false;
  } cases[] = {
      {".", kLocal},
      {"", kLocal},
      {"-", kLocal},
      {"src/app", kLocal},
      {"/workspace/x.git", kLocal},
      {"a.tar.gz", kLocal},
      {"://x", kLocal},
      {"ftp://x/a.git", kLocal},
      {"github.com/a/b", kLocal},
      {"git://host/a", kGit},
      {"ssh://git@host/a", kGit},
      {"git@github.com:a/b", kGit},
      {"git@host:a.tar", kGit},
      {"GIT://host/a", kGit},
      {"https://example.org/a.git", kGit},
      {"https://example.org/a.git#main", kGit},
      {"https://example.org/a.git#main:sub/dir", kGit},
      {"http://user:word@example.org:8080/a/b/c.git", kGit},
      {"https://github.com/a/b.git#x", kGit},
      {"https://github.com/ehotinger/foo", kGit, true},
      {"HTTPS://GitHub.com/ehotinger/foo", kGit, true},
      {"https://github.com/ehotinger/foo/", kGit, true},
      {"https://github.com/ehotinger/foo#main:dir", kGit, true},
      {"https://token@github.com:443/a/b", kGit, true},
      {"http://gitlab.com/a/b", kGit, true},
      {"https://bitbucket.org/a/b", kGit, true},
      {"https://dev.azure.com/org/project/_git/repo", kGit, true},
      {"https://org.visualstudio.com/project/_git/repo?version=GBmain", kGit, true},
      {"https://dev.azure.com/org/project", kDownload},
      {"https://visualstudio.com/x/_git/repo", kDownload},
      {"https://github.com/", kDownload},
      {"https://github.com", kDownload},
      {"https://github.com/ehotinger", kDownload},
      {"https://github.com//foo", kDownload},
      {"https://github.com/a/b/raw/main/Dockerfile", kDownload},
      {"https://github.com/a/b?x=1", kDownload},
      {"https://github.com.evil.org/a/b", kDownload},
      {"https://evilgithub.com/a/b", kDownload},
      {"https://github.com@evil.org/a/b", kDownload},
      {"https://evil.org/#github.com/a/b", kDownload},
      {"https://evil.org#@github.com/a/b", kDownload},
      {"https://example.org/a#x.git", kDownload},
      {"https://example.org/a.gitx", kDownload},
      {"https://example.org/a/b", kDownload},
      {"https://github.com/a/b/archive/main.tar.gz", kArchive},
      {"https://example.org/a.tar", kArchive},
      {"https://example.org/a.tgz", kArchive},
      {"https://example.org/a.ZIP", kArchive},
      {"https://example.org/a.tar.gz?token=x", kArchive},
      {"https://example.org/a.tar.gz#x", kArchive},
      {"https://example.org/?a.tar", kDownload},
      {"https://example.org/a.tar.xz", kDownload},
      {"https://", kDownload},
      {"https://#", kDownload},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(static_cast<int>(ClassifyContext(c.context)), static_cast<int>(c.kind)) << c.context;
    EXPECT_EQ(IsGitByHostOnly(c.context), c.by_host_only) << c.context;
  }
}

}  // namespace
}  // namespace rally::pipeline
