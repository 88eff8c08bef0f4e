#include <stdlib.h>
#include <sys/stat.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rallyctl/command_line_fixture.h"

namespace rally::rallyctl {
namespace {

using nlohmann::json;

constexpr char kTemplated[] =
    "[[step]]\nid = \"a\"\n"
    "args = [\"echo\", \"{{ .Values.app.name }}:{{ .Values.app.tag }}\", \"{{ .Build.Branch "
    "}}\"]\n";

// The commands that read a pipeline, and the parameters that they hand on.
class PipelineCommandsTest : public CommandLineTest {
 protected:
  PipelineCommandsTest() {
    setenv("HOME", folder_.c_str(), 1);
    mkdir((folder_ + "/c").c_str(), 0755);
    pipeline_ = folder_ + "/c/rally.toml";
    values_ = folder_ + "/values.toml";
    WriteFile(pipeline_, kTemplated);
    WriteFile(values_, "[app]\nname = \"shop\"\ntag = \"old\"\n");
  }

  std::string pipeline_, values_;
};

TEST_F(PipelineCommandsTest, RenderFillsInWhatItIsGiven) {
  // Flags that may be repeated leave the file to the command, wherever it stands.
  ASSERT_EQ(Run({"render", "--values", values_, "--set", "app.tag=a=b", "--build", "Branch=main",
                 pipeline_, "-o", "json"}),
            0)
      << err_;
  EXPECT_EQ(json::parse(out_)["steps"]["a"]["args"], json({"echo", "shop:a=b", "main"}));
  EXPECT_EQ(Run({"render", "--values", values_, "--build", "BranchName=x", pipeline_}), 0) << err_;
  EXPECT_NE(out_.find("\"shop:old\""), std::string::npos) << out_;
  EXPECT_NE(out_.find("\"x\""), std::string::npos) << out_;
}

TEST_F(PipelineCommandsTest, WhatIsWrongIsInTheJsonAndTwo) {
  EXPECT_EQ(Run({"render", pipeline_, "-o", "json"}), 2);
  const json refused = json::parse(out_);
  EXPECT_EQ(refused["ok"], false);
  EXPECT_EQ(refused["errors"][0]["line"], 3);
  EXPECT_TRUE(refused["warnings"].empty());
  EXPECT_FALSE(refused["errors"][0].contains("file"));
  EXPECT_EQ(Run({"render", pipeline_}), 2);
  EXPECT_EQ(out_, "");
  EXPECT_NE(err_.find("/c/rally.toml:3:"), std::string::npos) << err_;
  EXPECT_EQ(Run({"render", pipeline_, "-o", "yaml"}), 2);
  EXPECT_NE(err_.find("toml or json"), std::string::npos) << err_;
}

TEST_F(PipelineCommandsTest, AMistakeInTheValuesHasItsOwnFileAndLine) {
  WriteFile(values_, "[app]\nname = \n");
  EXPECT_EQ(Run({"lint", "--values", values_, pipeline_, pipeline_}), 2);
  const std::string place = values_ + ":2:";
  EXPECT_NE(out_.find(place), std::string::npos) << out_;
  EXPECT_EQ(out_.find(place), out_.rfind(place)) << "told twice: " << out_;
  EXPECT_EQ(Run({"render", "-o", "json", "--values", values_, pipeline_}), 2);
  EXPECT_EQ(json::parse(out_)["errors"][0]["file"], values_);
  EXPECT_EQ(Run({"lint", "--values", folder_ + "/none", pipeline_}), 2);
  EXPECT_NE(err_.find("/none: No such file"), std::string::npos) << err_;
  EXPECT_EQ(Run({"lint", "--set", "novalue", pipeline_}), 2);
  EXPECT_NE(out_.find("--set \"novalue\": no \"=\" found"), std::string::npos) << out_;
}

TEST_F(PipelineCommandsTest, BuildParametersHaveNames) {
  EXPECT_EQ(Run({"lint", "--build", "Branhc=x", pipeline_}), 2);
  EXPECT_NE(err_.find("there is no .Build.Branhc; did you mean Branch?"), std::string::npos)
      << err_;
  EXPECT_EQ(Run({"lint", "--build", "Branch", pipeline_}), 2);
  EXPECT_NE(err_.find("must be NAME=VALUE"), std::string::npos) << err_;
}

TEST_F(PipelineCommandsTest, LintGoesOnAfterAFileThatCannotBeRead) {
  WriteFile(folder_ + "/good.toml", "[[step]]\nid = \"a\"\nargs = [\"echo\"]\n");
  EXPECT_EQ(Run({"lint", folder_ + "/none.toml", folder_ + "/good.toml"}), 2);
  EXPECT_NE(out_.find("/none.toml: error: cannot read the pipeline"), std::string::npos) << out_;
  EXPECT_NE(err_.find("/good.toml is valid: 1 step"), std::string::npos) << err_;
  EXPECT_EQ(Run({"lint", folder_ + "/good.toml", folder_ + "/good.toml", "-o", "json"}), 0);
  EXPECT_EQ(json::parse(out_)["files"].size(), 2u);
  EXPECT_EQ(Run({"lint", "-", "-"}), 2);
  EXPECT_EQ(Run({"lint", "-o", "xml", folder_ + "/good.toml"}), 2);
  EXPECT_NE(err_.find("text, json or sarif"), std::string::npos) << err_;
}

TEST_F(PipelineCommandsTest, WarningsFailOnlyWhenAskedTo) {
  WriteFile(pipeline_, "[[step]]\nid = \"a\"\nargs = [\"echo\"]\nworkingDir = \"x\"\n");
  EXPECT_EQ(Run({"lint", pipeline_}), 0);
  EXPECT_NE(out_.find(":4:14: warning: "), std::string::npos) << out_;
  EXPECT_EQ(Run({"lint", "--werror", pipeline_}), 2);
  EXPECT_EQ(Run({"lint", "--werror", "-o", "json", pipeline_}), 2);
  EXPECT_EQ(json::parse(out_)["ok"], false);
}

TEST_F(PipelineCommandsTest, VerbsOfAServerAreKnownWithItsTable) {
  WriteFile(pipeline_, "[[step]]\nid = \"a\"\nargs = [\"deploy\", \"x\"]\n");
  const std::string verbs = folder_ + "/verbs.toml";
  WriteFile(verbs, "[verbs.deploy]\nimage = \"corp/deployer:1\"\nprefix = [\"deployer\"]\n");
  EXPECT_EQ(Run({"lint", pipeline_}), 2);
  EXPECT_EQ(Run({"lint", "--verbs", verbs, pipeline_}), 0) << out_;
  EXPECT_EQ(Run({"render", "-o", "json", "--verbs", verbs, pipeline_}), 0);
  EXPECT_EQ(json::parse(out_)["steps"]["a"]["verb"], "deploy");
  WriteFile(verbs, "[verbs.deploy]\nimage = 3\n");
  EXPECT_EQ(Run({"lint", "--verbs", verbs, pipeline_}), 2);
  EXPECT_NE(err_.find("/verbs.toml"), std::string::npos) << err_;
}

TEST_F(PipelineCommandsTest, TheControllerJudgesVerbsAndTimesThatAreItsOwn) {
  WriteFile(
      pipeline_,
      "totalTimeout = \"20h\"\n[[step]]\nid = \"a\"\nargs = [\"deploy\"]\ntimeout = \"9h\"\n");
  EXPECT_EQ(Run({"lint", pipeline_}), 2);
  EXPECT_EQ(Run({"submit", "-f", pipeline_, "--detach"}), 0) << err_;
  EXPECT_EQ(service_.Submissions().size(), 1u);
  WriteFile(pipeline_, "[[step]]\nid = \"a\"\nargs = [\"deploy\"]\nwhenAll = [\"b\"]\n");
  EXPECT_EQ(Run({"submit", "-f", pipeline_, "--detach"}), 2) << "that is wrong with any verb";
  EXPECT_EQ(service_.Submissions().size(), 1u);
}

TEST_F(PipelineCommandsTest, SubmitHandsTheParametersOn) {
  const std::string git = absl::StrCat("git -C ", folder_, "/c -c user.name=n -c user.email=e ");
  ASSERT_EQ(std::system(absl::StrCat(git, "init -q -b trunk && ", git,
                                     "commit -q --allow-empty -m x && ", git, "tag v1")
                            .c_str()),
            0);
  ASSERT_EQ(Run({"submit", "-f", pipeline_, "--detach", "--values", values_, "--set", "app.tag=1",
                 "--set", "more=2", "--build", "Tag=mine", "--build", "ID=7", "--fail-fast"}),
            0)
      << err_;
  const v1::SubmitRequest request = service_.Submissions().at(0);
  EXPECT_EQ(request.pipeline(), kTemplated);
  ASSERT_EQ(request.values_files_size(), 1);
  EXPECT_EQ(request.values_files(0).name(), values_);
  EXPECT_EQ(request.values_files(0).text(), "[app]\nname = \"shop\"\ntag = \"old\"\n");
  ASSERT_EQ(request.set_size(), 2);
  EXPECT_EQ(request.set(1), "more=2");
  EXPECT_TRUE(request.fail_fast());
  const auto& build = request.build_parameters();
  EXPECT_EQ(build.at("Branch"), "trunk");
  EXPECT_EQ(build.at("Commit").size(), 40u);
  EXPECT_EQ(build.at("Tag"), "mine") << "what is given stands";
  EXPECT_EQ(build.count("Repository"), 0u);
  EXPECT_EQ(build.count("ID"), 0u) << "that is the controller's to give";
  EXPECT_NE(err_.find("--build ID is left out"), std::string::npos) << err_;

  WriteFile(pipeline_, "[[step]]\nid = \"a\"\nargs = [\"echo\"]\n");
  ASSERT_EQ(Run({"submit", "-f", pipeline_, "--detach"}), 0) << err_;
  EXPECT_TRUE(service_.Submissions().at(1).build_parameters().empty()) << "no template asks";
  EXPECT_FALSE(service_.Submissions().at(1).fail_fast());
}

TEST_F(PipelineCommandsTest, TheSchemaIsJson) {
  EXPECT_EQ(Run({"schema"}), 0);
  const json schema = json::parse(out_);
  EXPECT_TRUE(schema["properties"].contains("step"));
  EXPECT_EQ(Run({"graph", "--values", values_, pipeline_, "-o", "json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["order"], json({"a"}));
}

}  // namespace
}  // namespace rally::rallyctl
