#include "agent/workspace/workspace_store.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/workspace/overlay_mount.h"
#include "agent/workspace/workspace_store_fixture.h"
#include "common/blob/directory.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(WorkspaceStoreTest, MountIsPrivateToItsAttempt) {
  const std::string first = MountFor("b-1-1", base_);
  const std::string second = MountFor("b-2-1", base_);
  RunScript(first, "echo changed > src/a; rm b");
  EXPECT_EQ(Contents(second + "/src/a"), "one\n");
  EXPECT_EQ(Contents(second + "/b"), "two\n");
  EXPECT_THAT(store_->Attempts(), ElementsAre("b-1-1", "b-2-1"));
}

TEST_F(WorkspaceStoreTest, MountIsNosuidNodev) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "mknod mem c 1 1");
  EXPECT_LT(::open((path + "/mem").c_str(), O_RDONLY), 0);
  EXPECT_EQ(errno, EACCES);
}

TEST_F(WorkspaceStoreTest, MountAgainIsTheSameMount) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo kept > kept");
  ASSERT_EQ(store_->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
  EXPECT_EQ(Contents(path + "/kept"), "kept\n");
  EXPECT_EQ(store_->Mount("b-1-1", base_, 1000, 1000).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(MountsBelow(path).size(), 2);
}

TEST_F(WorkspaceStoreTest, ChainOfAHundredSteps) {
  store_.reset();
  store_ = OpenStore(StoreDirectory(), &remote_, /*max_layers=*/8);
  blob::Digest root = base_;
  for (int i = 0; i < 100; ++i) {
    root = Step(absl::StrCat("b-", i, "-1"), root,
                absl::StrCat("echo ", i, " >> src/a; mkdir d", i, "; echo > d", i, "/f", i,
                             i % 3 == 2 ? absl::StrCat("; rm -r d", i - 1) : "",
                             i % 7 == 6 ? "; mv src t; mv t src" : ""));
    ASSERT_TRUE(store_->HasTree(root));
  }
  store_->FinishBackgroundWork();
  const std::string path = MountFor("b-100-1", root);
  EXPECT_EQ(ScanOf(path), root);
  EXPECT_FALSE(fs::exists(path + "/d97"));
  EXPECT_TRUE(fs::exists(path + "/d98/f98"));
  std::string manifest =
      Contents(absl::StrCat(StoreDirectory(), "/trees/", root.hash, "-", root.size_bytes));
  const size_t layers = manifest.find("layers ");
  ASSERT_NE(layers, std::string::npos) << manifest;
  manifest = manifest.substr(layers, manifest.find('\n', layers) - layers);
  EXPECT_LE(std::count(manifest.begin(), manifest.end(), ' '), 8) << manifest;
}

TEST_F(WorkspaceStoreTest, SimilarTreeFetchesOnlyWhatIsMissing) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_->FinishBackgroundWork();
  // Another host's step.
  auto elsewhere = OpenStore(directory_.Below("elsewhere"), &remote_);
  ASSERT_NE(elsewhere, nullptr);
  const auto path = elsewhere->CreateMountPoint("b-1-1");
  ASSERT_TRUE(path.ok());
  ASSERT_EQ(elsewhere->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
  RunScript(*path, "echo three > c; touch -d 2021-01-01 b");
  const auto captured = elsewhere->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  ASSERT_EQ(elsewhere->Discard("b-1-1"), absl::OkStatus());

  for (const bool restarted : {false, true}) {
    if (restarted) Reopen();
    const int64_t reads_before = remote_.read_blobs();
    ASSERT_EQ(store_->EnsureTree(captured->output_root, Soon()), absl::OkStatus());
    // The root's message and c, which was never here; after the restart nothing.
    EXPECT_EQ(remote_.read_blobs() - reads_before, restarted ? 0 : 2);
  }
  const std::string here = MountFor("b-2-1", captured->output_root);
  EXPECT_EQ(ScanOf(here), captured->output_root);
  // src/a is the same inode in both trees, b has another time and isn't.
  std::vector<nlink_t> links;
  for (const char* name : {"src/a", "b", "empty"}) {
    for (const std::string& layer : Layers()) {
      struct stat stat;
      const std::string file = absl::StrCat(StoreDirectory(), "/layers/", layer, "/", name);
      if (::lstat(file.c_str(), &stat) == 0) links.push_back(stat.st_nlink);
    }
  }
  EXPECT_THAT(links, ElementsAre(2, 2, 1, 1, 1, 1));
}

TEST_F(WorkspaceStoreTest, FilesOfOneContentStayFilesOfTheirOwn) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_->FinishBackgroundWork();
  RunScript(directory_.path(),
            "cp -a base twins; mkdir twins/x; for i in 1 2 3; do cp -p twins/b twins/x/$i; done; "
            "mkdir many; for i in 1 2 3 4 5 6 7 8; do cp -p base/b many/$i; done");
  // One is made as a layer over the base, the other whole.
  for (const char* name : {"twins", "many"}) {
    const blob::Digest root = UploadDirectory(directory_.Below(name), remote_);
    const std::string path = MountFor(absl::StrCat(name, "-1-1"), root);
    EXPECT_EQ(ScanOf(path), root);
    EXPECT_THAT(FilesThatAreOne(path), IsEmpty());
  }
}

TEST_F(WorkspaceStoreTest, DamagedLocalFileIsFetchedAgain) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_->FinishBackgroundWork();
  RunScript(StoreDirectory(),
            "for file in layers/*/b; do printf x | dd of=$file conv=notrunc status=none; done");
  RunScript(directory_.path(), "mkdir other; cp -a base/b other/elsewhere; mkdir other/new");
  const blob::Digest other = UploadDirectory(directory_.Below("other"), remote_);
  const std::string path = MountFor("b-1-1", other);
  EXPECT_EQ(Contents(path + "/elsewhere"), "two\n");
  EXPECT_EQ(ScanOf(path), other);
}

TEST_F(WorkspaceStoreTest, LocalFilesAreFoundAgainAfterARestart) {
  const blob::Digest stepped = Step("b-1-1", base_, "mkdir n; echo three > n/c");
  // A tree with the content of the base and of the step's layer, which this host doesn't have.
  RunScript(directory_.path(),
            "mkdir other; cp -r base/src other/x; mkdir other/y; echo three > other/y/c");
  const blob::Digest other = UploadDirectory(directory_.Below("other"), remote_);
  Reopen();
  EXPECT_TRUE(store_->HasTree(stepped));
  const int64_t reads_before = remote_.read_blobs();
  ASSERT_EQ(store_->EnsureTree(other, Soon()), absl::OkStatus());
  // Three directories' messages, no file.
  EXPECT_EQ(remote_.read_blobs() - reads_before, 3);
}

TEST_F(WorkspaceStoreTest, EnsureTreeIsSharedByConcurrentCallers) {
  const int64_t reads_before = remote_.read_blobs();
  std::vector<std::thread> callers;
  std::vector<absl::Status> statuses(8);
  for (absl::Status& status : statuses) {
    callers.emplace_back([&] { status = store_->EnsureTree(base_, Soon()); });
  }
  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& status : statuses) EXPECT_EQ(status, absl::OkStatus());
  // Two directories, two files that aren't empty.
  EXPECT_EQ(remote_.read_blobs() - reads_before, 4);
  EXPECT_EQ(Layers().size(), 1);
}

TEST_F(WorkspaceStoreTest, TreeThatIsNowhereIsNotFound) {
  const absl::Status status = store_->EnsureTree(blob::DigestOf("absent"), Soon());
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr(blob::DigestOf("absent").hash));
  EXPECT_THAT(Layers(), IsEmpty());
}

TEST_F(WorkspaceStoreTest, EmptyTree) {
  const std::string path = MountFor("b-1-1", blob::EmptyTreeDigest());
  EXPECT_TRUE(fs::is_empty(path));
  const auto unchanged = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(unchanged.ok()) << unchanged.status();
  EXPECT_EQ(unchanged->output_root, blob::EmptyTreeDigest());
  const blob::Digest root = Step("b-2-1", blob::EmptyTreeDigest(), "echo first > f");
  EXPECT_EQ(Contents(MountFor("b-3-1", root) + "/f"), "first\n");
}

TEST_F(WorkspaceStoreTest, MountAppearsInAnEarlierSlaveBind) {
  const auto source = store_->CreateMountPoint("b-1-1");
  ASSERT_TRUE(source.ok()) << source.status();
  const std::string target = directory_.Below("target");
  ASSERT_EQ(::mkdir(target.c_str(), 0755), 0);
  int ready[2];
  int go[2];
  int gone[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(gone), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte = 0;
    const bool bound =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
        ::mount(source->c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
        ::mount(nullptr, target.c_str(), nullptr, MS_REC | MS_SLAVE, nullptr) == 0;
    if (!bound || ::write(ready[1], "r", 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
    const int fd = ::open((target + "/new").c_str(), O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || ::access((target + "/src/a").c_str(), F_OK) != 0) ::_exit(2);
    ::close(fd);
    // Stays while the host unmounts: the copy here must go with it.
    if (::write(ready[1], "w", 1) != 1 || ::read(gone[0], &byte, 1) != 1) ::_exit(3);
    ::_exit(::access((target + "/src/a").c_str(), F_OK) == 0 ? 4 : 0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(store_->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
  ASSERT_EQ(::write(go[1], "g", 1), 1);
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(fs::exists(*source + "/new"));
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_TRUE(captured.ok() && captured->added == 1) << captured.status();
  ASSERT_EQ(::write(gone[1], "g", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1], gone[0], gone[1]}) ::close(fd);
}

TEST_F(WorkspaceStoreTest, UserOwnsItsWorkspaceAndRootTheDisk) {
  constexpr uint32_t kUser = 1234;
  constexpr uint32_t kGroup = 4321;
  const std::string path = MountFor("b-1-1", base_, kUser, kGroup);
  struct stat stat;
  ASSERT_EQ(::lstat((path + "/src/a").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_uid, kUser);
  EXPECT_EQ(stat.st_gid, kGroup);
  const int root = ::open(path.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_GE(root, 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::fchdir(root) != 0 || ::setgid(kGroup) != 0 || ::setuid(kUser) != 0) ::_exit(1);
    const int made = ::open("made", O_CREAT | O_WRONLY, 0644);
    const int changed = ::open("src/a", O_WRONLY | O_APPEND);
    if (made < 0 || changed < 0 || ::write(changed, "more\n", 5) != 5) ::_exit(2);
    if (::mkdir("directory", 0755) != 0 || ::rename("b", "directory/b") != 0) ::_exit(3);
    if (::chmod("empty", 0600) != 0 || ::symlink("made", "link") != 0) ::_exit(4);
    if (::rename("src", "moved") != 0) ::_exit(5);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ::close(root);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const std::string upper = StoreDirectory() + "/attempts/b-1-1/upper";
  for (const char* name : {"/made", "/moved/a", "/directory", "/directory/b", "/empty", "/link"}) {
    ASSERT_EQ(::lstat((upper + name).c_str(), &stat), 0) << name;
    EXPECT_EQ(stat.st_uid, 0) << name;
    EXPECT_EQ(stat.st_gid, 0) << name;
  }
  EXPECT_THAT(MountsBelow(StoreDirectory() + "/views"), IsEmpty());
  const blob::Digest scanned = ScanOf(path);
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
  // The next step may be another user's.
  const std::string next = MountFor("b-2-1", captured->output_root);
  EXPECT_EQ(Contents(next + "/moved/a"), "one\nmore\n");
  ASSERT_EQ(::lstat((next + "/made").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_uid, 0);
}

TEST_F(WorkspaceStoreTest, NamesOfAttemptsCannotLeaveTheirDirectory) {
  for (const char* name : {"", ".", "..", "a/b", "../x", ".hidden", "a b", "a\nb"}) {
    EXPECT_EQ(store_->CreateMountPoint(name).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store_->Discard(name).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(WorkspaceStoreTest, OneProcessAtATime) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto second = WorkspaceStore::Open({StoreDirectory(), 32}, &remote_);
    ::_exit(absl::IsFailedPrecondition(second.status()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(WorkspaceStoreTest, StoreIsForRootOnly) {
  struct stat stat;
  ASSERT_EQ(::stat(StoreDirectory().c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0700);
}

// As systemd mounts it. A bind below a shared mount joins its peer group unless one takes care, and
// the overlay would then be there twice.
TEST(WorkspaceStoreOpenTest, WorksBelowASharedRoot) {
  TestDirectory directory;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) != 0) {
      ::_exit(1);
    }
    blob::MemoryBlobStore remote;
    auto store = OpenStore(directory.Below("store"), &remote);
    const auto path = store->CreateMountPoint("b-1-1");
    if (!path.ok() || !store->Mount("b-1-1", blob::EmptyTreeDigest(), 1000, 1000).ok()) ::_exit(2);
    if (MountsBelow(directory.path()).size() != 2) ::_exit(3);
    RunScript(*path, "echo > f");
    const auto captured = store->Capture("b-1-1", Soon());
    if (!captured.ok() || captured->added != 1) ::_exit(4);
    if (MountsBelow(directory.path()).size() != 1) ::_exit(5);
    if (!store->Discard("b-1-1").ok() || !MountsBelow(directory.path()).empty()) ::_exit(6);
    store.reset();
    ::_exit(testing::Test::HasFailure() ? 7 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(WorkspaceStoreOpenTest, RefusesADirectoryOnAnOverlay) {
  TestDirectory directory;
  RunScript(directory.path(), "mkdir lower upper work merged");
  const auto features = ProbeOverlay(directory.path());
  ASSERT_TRUE(features.ok()) << features.status();
  ASSERT_EQ(MountOverlay(*features, {directory.path(), {"lower"}, "upper", "work"},
                         directory.Below("merged")),
            absl::OkStatus());
  blob::MemoryBlobStore remote;
  const auto store = WorkspaceStore::Open({directory.Below("merged/store"), 32}, &remote);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(), HasSubstr("overlay filesystem"));
  EXPECT_EQ(DetachAll(directory.Below("merged")), absl::OkStatus());
}

// Kernels before 6.7 take all layers in one string, which must never be cut off.
TEST(OverlayMountTest, OptionStringThatIsTooLongIsRefused) {
  TestDirectory directory;
  RunScript(directory.path(),
            "mkdir upper work merged; for i in {1..100}; do "
            "mkdir lower-with-a-rather-long-name-so-that-it-adds-up-$i; done");
  OverlayFeatures features;
  OverlayLayers layers{directory.path(), {}, "upper", "work"};
  for (int i = 1; i <= 100; ++i) {
    layers.lowers.push_back(absl::StrCat("lower-with-a-rather-long-name-so-that-it-adds-up-", i));
  }
  EXPECT_EQ(MountOverlay(features, layers, directory.Below("merged")).code(),
            absl::StatusCode::kFailedPrecondition);
  layers.lowers.resize(60);
  ASSERT_EQ(MountOverlay(features, layers, directory.Below("merged")), absl::OkStatus());
  RunScript(directory.Below("merged"), "echo writable > f");
  EXPECT_TRUE(fs::exists(directory.Below("upper/f")));
  EXPECT_EQ(DetachAll(directory.Below("merged")), absl::OkStatus());
}

}  // namespace
}  // namespace rally::workspace
