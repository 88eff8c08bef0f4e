#include "agent/workspace/workspace_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/workspace/overlay_mount.h"
#include "common/blob/capture_directory.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

constexpr char kTmpfs[] = "/dev/shm";

// Mounts must not be seen outside: Bazel's sandbox of an action that runs meanwhile can't bind a
// directory below which something is mounted, and a killed test leaves nothing behind.
bool EnterOwnMountNamespace() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

TestDirectory::TestDirectory(bool on_disk) {
  // By the main thread, which all others descend from.
  static const bool own_namespace = EnterOwnMountNamespace();
  EXPECT_TRUE(own_namespace) << "these tests need root";
  const char* const disk = ::getenv("TEST_TMPDIR");
  const bool use_disk = on_disk || ::access(kTmpfs, W_OK) != 0;
  path_ = absl::StrCat(use_disk ? (disk == nullptr ? "/var/tmp" : disk) : kTmpfs,
                       "/rally-workspace-XXXXXX");
  if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "can't create " << path_;
}

TestDirectory::~TestDirectory() {
  std::vector<std::string> mounts = MountsBelow(path_);
  std::reverse(mounts.begin(), mounts.end());
  for (const std::string& mount : mounts) ::umount2(mount.c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestDirectory::Below(const std::string& name) const {
  return absl::StrCat(path_, "/", name);
}

std::vector<std::string> MountsBelow(const std::string& directory) {
  std::vector<std::string> result;
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    fields >> id >> parent >> device >> root >> point;
    point = absl::StrReplaceAll(point, {{"\\040", " "}});
    if (point == directory || absl::StartsWith(point, directory + "/")) result.push_back(point);
  }
  return result;
}

void RunScript(const std::string& directory, const std::string& script) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::umask(022);
    if (::chdir(directory.c_str()) != 0) ::_exit(126);
    ::execl("/bin/bash", "bash", "-euc", script.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "script: " << script;
}

std::vector<std::string> FilesThatAreOne(const std::string& directory) {
  std::vector<std::string> result;
  std::set<std::pair<dev_t, ino_t>> seen;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat stat;
    if (::lstat(entry.path().c_str(), &stat) != 0 || !S_ISREG(stat.st_mode)) continue;
    if (!seen.emplace(stat.st_dev, stat.st_ino).second) result.push_back(entry.path());
  }
  return result;
}

blob::Digest ScanOf(const std::string& directory) {
  const auto tree = blob::CaptureDirectory(directory);
  EXPECT_TRUE(tree.ok()) << tree.status();
  return tree.ok() ? tree->root : blob::Digest();
}

blob::Digest UploadDirectory(const std::string& directory, blob::BlobStore& store) {
  const auto tree = blob::CaptureDirectory(directory);
  EXPECT_TRUE(tree.ok()) << tree.status();
  if (!tree.ok()) return blob::Digest();
  const auto uploaded = blob::UploadTree(store, *tree);
  EXPECT_TRUE(uploaded.ok()) << uploaded.status();
  return tree->root;
}

std::unique_ptr<WorkspaceStore> OpenStore(const std::string& directory, blob::BlobStore* remote,
                                          int max_layers) {
  auto store = WorkspaceStore::Open({directory, max_layers}, remote);
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    return nullptr;
  }
  return *std::move(store);
}

}  // namespace rally::workspace
