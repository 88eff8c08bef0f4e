#include "common/pipeline/kubectl_arguments.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

std::string Texts(const std::vector<std::string>& args, const std::vector<size_t>& indices) {
  std::vector<std::string> texts;
  for (const size_t index : indices) texts.push_back(args.at(index));
  return absl::StrJoin(texts, " ");
}

TEST(ParseSetImageArgumentsTest, TellsResourcesAndImagesApart) {
  const struct {
    std::string args;
    std::string resources;
    std::string images;
  } cases[] = {
      {"image deployment/my-deployment eric:1", "deployment/my-deployment", "eric:1"},
      {"image deployment/d web=eric:1", "deployment/d", "web=eric:1"},
      {"image deployment/d a:1 web=b:1 c", "deployment/d", "a:1 web=b:1 c"},
      {"image deployment/d octo/app", "deployment/d", "octo/app"},
      {"image deployment/d", "deployment/d", ""},
      {"image", "", ""},
      // Options, and their values.
      {"-n prod image -l app=x deployment/d eric:1 --record", "deployment/d", "eric:1"},
      {"--namespace prod image deployment/d --dry-run=server eric", "deployment/d", "eric"},
      {"image deployment/d eric -o yaml", "deployment/d", "eric"},
      {"image deployment/d eric -oyaml --all", "deployment/d", "eric"},
      {"image -f d.yaml eric:1", "", "eric:1"},
      {"image --filename=d.yaml web=eric:1 b", "", "web=eric:1 b"},
      {"image -- deployment/d -x", "deployment/d", "-x"},
      // The other ways of kubectl to name resources.
      {"image deployment web eric:1", "deployment web", "eric:1"},
      {"image deployment web web=eric:1", "deployment web", "web=eric:1"},
      {"image deployment eric", "deployment", "eric"},
      {"image deployment eric:1 b", "deployment", "eric:1 b"},
      {"image deployment/a sts/b deployment.apps/c x=y", "deployment/a sts/b deployment.apps/c",
       "x=y"},
      {"image x=y deployment/a", "deployment/a", "x=y"},
      {"image deployment/a deployment/b:1", "deployment/a", "deployment/b:1"},
      {"image ds,sts x=y --all", "ds,sts", "x=y"},
      // Something else.
      {"env deployment/d A=b", "", ""},
      {"images deployment/d a", "", ""},
      {"-n image deployment/d a", "", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.args);
    const std::vector<std::string> args = absl::StrSplit(c.args, ' ');
    const SetImageArguments parsed = ParseSetImageArguments(args);
    EXPECT_EQ(Texts(args, parsed.resources), c.resources);
    EXPECT_EQ(Texts(args, parsed.images), c.images);
  }
}

TEST(ParseSetImageArgumentsTest, SkipsEmptyWords) {
  const SetImageArguments parsed = ParseSetImageArguments({"", "image", "", "deployment/d", ""});
  EXPECT_EQ(parsed.resources, std::vector<size_t>{3});
  EXPECT_TRUE(parsed.images.empty());
}

}  // namespace
}  // namespace rally::pipeline
