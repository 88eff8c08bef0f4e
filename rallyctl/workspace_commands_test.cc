// fetch, diff and blame: what a finished build left, and who made it.
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "gtest/gtest.h"
#include "rallyctl/command_line_fixture.h"

namespace rally::rallyctl {
namespace {

using WorkspaceCommandsTest = CommandLineTest;

TEST_F(WorkspaceCommandsTest, FetchTakesWhatWasAskedForAndReplacesNothing) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/early"}), 2);
  EXPECT_NE(err_.find("has no final workspace yet"), std::string::npos) << err_;
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  const std::string to = folder_ + "/out";
  EXPECT_EQ(Run({"fetch", "build-1", "sub/file", "--to", to}), 0) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "content\n");
  EXPECT_NE(access((to + "/rally.toml").c_str(), F_OK), 0) << "nobody asked for it";

  WriteFile(to + "/sub/file", "mine\n");
  cas_.store().Remove(blob::DigestOf(kPipeline));  // Nothing is fetched that has no place.
  EXPECT_EQ(Run({"fetch", "build-1", "--to", to}), 2);
  EXPECT_NE(err_.find("sub/file is there already; --force replaces it"), std::string::npos) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "mine\n");
  EXPECT_NE(access((to + "/rally.toml").c_str(), F_OK), 0) << "all or nothing";
  cas_.store().Put(kPipeline);
  EXPECT_EQ(Run({"fetch", "build-1", "--to", to, "--force"}), 0) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "content\n");
  EXPECT_EQ(ReadFile(to + "/rally.toml"), kPipeline);

  EXPECT_EQ(Run({"fetch", "build-1", "sub/nope", "--to", to}), 2);
  EXPECT_NE(err_.find("there is no sub/nope in the workspace"), std::string::npos) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "../x", "--to", to}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "--step", "zz", "--to", to}), 2);
}

TEST_F(WorkspaceCommandsTest, AStepThatLeftNoFilesHasNoneToShow) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  for (const auto& [status, word] : {std::pair(v1::STEP_STATUS_CANCELLED, "cancelled"),
                                     std::pair(v1::STEP_STATUS_ERRORED, "errored")}) {
    EndBuild(v1::BUILD_STATUS_CANCELLED, status, 0);
    service_.Update("build-1", [](v1::Build& build) {
      *build.mutable_steps(0)->mutable_input() = build.context();
    });
    const std::string said = absl::StrCat("step a is ", word, " and has left no files");
    EXPECT_EQ(Run({"fetch", "build-1", "--step", "a", "--to", folder_ + "/out"}), 2);
    EXPECT_NE(err_.find(said), std::string::npos) << err_;
    EXPECT_NE(access((folder_ + "/out").c_str(), F_OK), 0);
    EXPECT_EQ(Run({"diff", "build-1", "a"}), 2);
    EXPECT_NE(err_.find(said), std::string::npos) << err_;
  }
}

TEST_F(WorkspaceCommandsTest, BlamesFirstLineIsTrueOfTheFinalWorkspace) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  service_.Update("build-1", [&](v1::Build& build) {
    *build.mutable_steps(0)->mutable_input() = build.context();
    const blob::Digest none = cas_.store().Put(blob::Serialise(blob::Directory()));
    build.mutable_steps(0)->mutable_output()->set_hash(none.hash);
    build.mutable_steps(0)->mutable_output()->set_size_bytes(none.size_bytes);
  });
  // Others have kept the folder.
  EXPECT_EQ(Run({"blame", "build-1", "sub"}), 0) << err_;
  EXPECT_EQ(out_,
            "MADE BY      WHAT                      TYPE       SIZE\n"
            "the context  added                     directory     -\n"
            "a            removed (not in the end)  directory     -\n");
  EXPECT_EQ(Run({"blame", "build-1", "sub", "-o", "json"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["exists"], true);
  EXPECT_EQ(json["step"], nullptr);
  EXPECT_EQ(json["writes"][0]["overruled"], true);

  // Another has made a file of it.
  blob::Directory file;
  *file.add_files() = blob::MakeFileNode("sub", blob::DigestOf("x"), 0644, std::nullopt);
  const blob::Digest end = cas_.store().Put(blob::Serialise(file));
  service_.Update("build-1", [&](v1::Build& build) {
    build.mutable_workspace()->set_hash(end.hash);
    build.mutable_workspace()->set_size_bytes(end.size_bytes);
    v1::Step& step = *build.add_steps();
    step = build.steps(0);
    step.set_id("b");
    *step.mutable_output() = build.workspace();
  });
  EXPECT_EQ(Run({"blame", "build-1", "sub"}), 0) << err_;
  EXPECT_NE(out_.find("b            changed  file        1 B\n"), std::string::npos) << out_;
  // Both steps' own trees lack it, so the newest is named.
  EXPECT_EQ(Run({"blame", "build-1", "sub/file"}), 0) << err_;
  EXPECT_NE(out_.find("b            removed  file"), std::string::npos) << out_;
}

TEST_F(WorkspaceCommandsTest, FetchPrintsOneFile) {
  WriteFile(folder_ + "/context/empty", "");
  ASSERT_EQ(symlink("file", (folder_ + "/context/sub/link").c_str()), 0);
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  EXPECT_EQ(Run({"fetch", "build-1", "empty", "--to", "-"}), 0) << err_;
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"fetch", "build-1", "--to", "-"}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "sub/file", "empty", "--to", "-"}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "sub/nope", "--to", "-"}), 2);
  EXPECT_NE(err_.find("there is no sub/nope in the workspace"), std::string::npos) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "sub/link", "--to", folder_ + "/link"}), 0) << err_;
  EXPECT_NE(err_.find("fetched 0 files, 1 link, "), std::string::npos) << err_;
  for (const char* path : {"sub", "sub/link", "."}) {
    EXPECT_EQ(Run({"fetch", "build-1", path, "--to", "-"}), 2) << path;
    EXPECT_NE(err_.find("is no file"), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(WorkspaceCommandsTest, FetchDoesNotWriteThroughALink) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  mkdir((folder_ + "/elsewhere").c_str(), 0755);
  mkdir((folder_ + "/out").c_str(), 0755);
  ASSERT_EQ(symlink((folder_ + "/elsewhere").c_str(), (folder_ + "/out/sub").c_str()), 0);
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 2) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out", "--force"}), 0) << err_;
  EXPECT_NE(access((folder_ + "/elsewhere/file").c_str(), F_OK), 0);
  EXPECT_EQ(ReadFile(folder_ + "/out/sub/file"), "content\n") << "the link was replaced";
}

// What an agent reports is its own word: a tree that no step can have made is refused.
TEST_F(WorkspaceCommandsTest, FetchRefusesHostileTreesAndWritesNothing) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  const auto set_workspace = [&](const blob::Digest& root) {
    service_.Update("build-1", [&](v1::Build& build) {
      build.mutable_workspace()->set_hash(root.hash);
      build.mutable_workspace()->set_size_bytes(root.size_bytes);
    });
  };
  const blob::Digest content = cas_.store().Put("owned");
  const auto file = [&](const std::string& name) {
    return blob::MakeFileNode(name, content, 0644, std::nullopt);
  };
  blob::Directory directory;
  *directory.add_files() = file("escaped");
  const blob::Digest child = cas_.store().Put(blob::Serialise(directory));
  std::vector<blob::Directory> hostile(6);
  *hostile[0].add_files() = file("../escaped");
  *hostile[1].add_files() = file(folder_ + "/escaped");
  *hostile[2].add_symlinks() = blob::MakeSymlinkNode("n", folder_ + "/escaped");
  *hostile[2].add_files() = file("n");
  *hostile[3].add_symlinks() = blob::MakeSymlinkNode("n", folder_);
  *hostile[3].add_directories() = blob::MakeDirectoryNode("n", child);
  *hostile[4].add_directories() = blob::MakeDirectoryNode("..", child);
  *hostile[5].add_files() =
      blob::MakeFileNode("n", {content.hash, int64_t{1} << 50}, 0644, std::nullopt);
  for (size_t i = 0; i < hostile.size(); ++i) {
    set_workspace(cas_.store().Put(blob::Serialise(hostile[i])));
    EXPECT_NE(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0) << i;
    EXPECT_NE(err_, "") << i;
    EXPECT_NE(access((folder_ + "/escaped").c_str(), F_OK), 0) << i;
    EXPECT_NE(access((folder_ + "/out/n").c_str(), F_OK), 0) << i;
  }
  blob::Digest bomb = child;
  for (int i = 0; i < 25; ++i) {
    directory.Clear();
    *directory.add_directories() = blob::MakeDirectoryNode("a", bomb);
    *directory.add_directories() = blob::MakeDirectoryNode("b", bomb);
    bomb = cas_.store().Put(blob::Serialise(directory));
  }
  set_workspace(bomb);
  EXPECT_NE(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0);
  EXPECT_NE(err_.find("more than 1000000 entries"), std::string::npos) << err_;

  // Bits that give rights are dropped.
  directory.Clear();
  *directory.add_files() = file("tool");
  directory.mutable_files(0)->mutable_node_properties()->mutable_unix_mode()->set_value(06755);
  set_workspace(cas_.store().Put(blob::Serialise(directory)));
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0) << err_;
  struct stat st;
  ASSERT_EQ(stat((folder_ + "/out/tool").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
}

}  // namespace
}  // namespace rally::rallyctl
