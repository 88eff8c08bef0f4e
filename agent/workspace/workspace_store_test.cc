#include "agent/workspace/workspace_store.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/overlay_mount.h"
#include "agent/workspace/workspace_fixture.h"
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

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class WorkspaceStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    RunScript(directory_.path(),
              "mkdir -p base/src; echo one > base/src/a; echo two > base/b; : > base/empty; "
              "find base -exec touch -d '2020-02-03 04:05:06.7' {} +");
    base_ = UploadDirectory(directory_.Below("base"), remote_);
    store_ = OpenStore(StoreDirectory(), &remote_);
    ASSERT_NE(store_, nullptr);
  }
  void TearDown() override {
    if (store_ == nullptr) return;
    for (const std::string& attempt : store_->Attempts()) {
      EXPECT_EQ(store_->Discard(attempt), absl::OkStatus());
    }
    store_.reset();
    EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
  }

  std::string StoreDirectory() const { return directory_.Below("store"); }

  // As after a restart of the agent.
  void Reopen() {
    store_.reset();
    store_ = OpenStore(StoreDirectory(), &remote_);
    ASSERT_NE(store_, nullptr);
  }

  // Returns the mount point.
  std::string MountFor(const std::string& attempt, const blob::Digest& root, uint32_t uid = 0,
                       uint32_t gid = 0) {
    const auto mount_point = store_->CreateMountPoint(attempt);
    EXPECT_TRUE(mount_point.ok()) << mount_point.status();
    EXPECT_EQ(store_->Mount(attempt, root, uid, gid), absl::OkStatus());
    return mount_point.ok() ? *mount_point : "";
  }

  // One step: mounts, runs the script, captures, discards, and returns the root.
  blob::Digest Step(const std::string& attempt, const blob::Digest& root,
                    const std::string& script) {
    RunScript(MountFor(attempt, root), script);
    const auto captured = store_->Capture(attempt, Soon());
    EXPECT_TRUE(captured.ok()) << captured.status();
    EXPECT_EQ(store_->Discard(attempt), absl::OkStatus());
    return captured.ok() ? captured->output_root : blob::Digest();
  }

  std::vector<std::string> Layers() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(StoreDirectory() + "/layers")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  blob::Digest base_;
  std::unique_ptr<WorkspaceStore> store_;
};

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

TEST_F(WorkspaceStoreTest, CaptureUploadsOnlyWhatIsNew) {
  RunScript(MountFor("b-1-1", base_), "echo three > c; cp src/a copy; mv b moved");
  const int64_t uploads_before = remote_.uploaded_blobs();
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  // The content of c, and the root's message.
  EXPECT_EQ(remote_.uploaded_blobs() - uploads_before, 2);
  EXPECT_EQ(captured->added, 3);
  EXPECT_EQ(captured->removed, 1);
  EXPECT_EQ(captured->uploaded_bytes, 6 + captured->output_root.size_bytes);
}

TEST_F(WorkspaceStoreTest, CaptureAgainAnswersTheSame) {
  RunScript(MountFor("b-1-1", base_), "echo three > c; mkfifo pipe");
  const auto first = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(first.ok()) << first.status();
  Reopen();
  const auto second = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->output_root, first->output_root);
  EXPECT_EQ(second->added, 1);
  EXPECT_EQ(second->uploaded_bytes, first->uploaded_bytes);
  EXPECT_THAT(second->warnings, ElementsAre(HasSubstr("pipe")));
  EXPECT_EQ(store_->Mount("b-1-1", base_, 0, 0).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WorkspaceStoreTest, CaptureSurvivesAFailingStore) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo three > c; chmod 4755 c; mkfifo pipe");
  const blob::Digest scanned = ScanOf(path);
  remote_.FailWith(absl::UnavailableError("the network is down"));
  EXPECT_EQ(store_->Capture("b-1-1", Soon()).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(store_->HasTree(scanned));
  remote_.FailWith(absl::OkStatus());
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
  EXPECT_EQ(captured->warnings.size(), 2);
  EXPECT_TRUE(store_->HasTree(scanned));
}

TEST_F(WorkspaceStoreTest, CaptureAfterItsDeadlineUploadsNothing) {
  RunScript(MountFor("b-1-1", base_), "echo three > c");
  const int64_t uploads_before = remote_.uploaded_blobs();
  EXPECT_EQ(store_->Capture("b-1-1", absl::Now() - absl::Seconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(remote_.uploaded_blobs(), uploads_before);
  EXPECT_TRUE(store_->Capture("b-1-1", Soon()).ok());
}

TEST_F(WorkspaceStoreTest, CaptureWhileInUseIsRefused) {
  const std::string path = MountFor("b-1-1", base_);
  const int fd = ::open((path + "/src/a").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  const auto captured = store_->Capture("b-1-1", absl::Now());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(captured.status().message(), HasSubstr("still in use"));
  ::close(fd);
  EXPECT_TRUE(store_->Capture("b-1-1", Soon()).ok());
}

TEST_F(WorkspaceStoreTest, NameThatIsNotUtf8FailsTheCaptureAndIsNamed) {
  RunScript(MountFor("b-1-1", base_), "mkdir d; echo > d/$'caf\\xe9'");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(captured.status().message(), HasSubstr("d/caf\\351"));
}

TEST_F(WorkspaceStoreTest, SymlinkTargetThatIsNotUtf8FailsTheCapture) {
  RunScript(MountFor("b-1-1", base_), "ln -s $'caf\\xe9' src/link");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(captured.status().message(), HasSubstr("'/src'"));
}

TEST_F(WorkspaceStoreTest, TooDeepATreeIsRefusedAndCanBeDiscarded) {
  RunScript(MountFor("b-1-1", base_), "for i in {1..520}; do mkdir d; cd d; done");
  EXPECT_EQ(store_->Capture("b-1-1", Soon()).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
}

TEST_F(WorkspaceStoreTest, PathsBeyondPathMaxAreCaptured) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(
      path,
      "n=$(printf 'x%.0s' {1..200}); for i in {1..40}; do mkdir $n; cd $n; done; echo deep > f");
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->added, 41);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_EQ(ScanOf(MountFor("b-2-1", captured->output_root)), captured->output_root);
}

TEST_F(WorkspaceStoreTest, AttributesAreDroppedWithAWarning) {
  const blob::Digest root = [&] {
    const std::string path = MountFor("b-1-1", base_);
    RunScript(path, "echo x > tagged");
    const int fd = ::open((path + "/tagged").c_str(), O_RDONLY);
    EXPECT_EQ(::fsetxattr(fd, "trusted.rally", "v", 1, 0), 0);
    ::close(fd);
    const auto captured = store_->Capture("b-1-1", Soon());
    EXPECT_TRUE(captured.ok()) << captured.status();
    EXPECT_THAT(captured->warnings, ElementsAre(HasSubstr("tagged: extended attributes")));
    return captured->output_root;
  }();
  const std::string path = MountFor("b-2-1", root);
  char value[8];
  EXPECT_LT(::getxattr((path + "/tagged").c_str(), "trusted.rally", value, sizeof(value)), 0);
}

// What a layer hides must stay hidden, whoever owned it and whatever lay there.
TEST_F(WorkspaceStoreTest, LayerShowsNoTraceOfWhatWasDropped) {
  const blob::Digest root =
      Step("b-1-1", base_, "rm b; mkfifo b; cp src/a s; chmod 4711 s; chown 1234:1234 s src");
  const std::string path = MountFor("b-2-1", root);
  struct stat stat;
  EXPECT_LT(::lstat((path + "/b").c_str(), &stat), 0);
  ASSERT_EQ(::lstat((path + "/s").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0711);
  EXPECT_EQ(stat.st_uid, 0);
  ASSERT_EQ(::lstat((path + "/src").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_gid, 0);
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

TEST_F(WorkspaceStoreTest, RestartKeepsTheMountAndCaptures) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo before > before");
  Reopen();
  EXPECT_THAT(store_->Attempts(), ElementsAre("b-1-1"));
  RunScript(path, "echo after > after");
  const blob::Digest scanned = ScanOf(path);
  EXPECT_EQ(store_->CreateMountPoint("b-1-1").value(), path);
  EXPECT_EQ(store_->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
}

TEST_F(WorkspaceStoreTest, RestartThenDiscard) {
  const std::string path = MountFor("b-1-1", base_);
  ASSERT_TRUE(store_->CreateMountPoint("b-2-1").ok());
  Reopen();
  EXPECT_THAT(store_->Attempts(), ElementsAre("b-1-1", "b-2-1"));
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("b-2-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("b-2-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("never-seen"), absl::OkStatus());
  EXPECT_THAT(store_->Attempts(), IsEmpty());
  EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
  store_->FinishBackgroundWork();
  EXPECT_TRUE(fs::is_empty(StoreDirectory() + "/trash"));
}

TEST_F(WorkspaceStoreTest, DiscardOfAMountInUseDetachesIt) {
  const std::string path = MountFor("b-1-1", base_);
  const int fd = ::open((path + "/src/a").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_THAT(MountsBelow(path), IsEmpty());
  ::close(fd);
}

// The upper of an earlier boot may lack what was never written to the disk.
TEST_F(WorkspaceStoreTest, AttemptOfAnEarlierBootIsNotCaptured) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo lost > lost");
  const std::string record_path = StoreDirectory() + "/attempts/b-1-1/record";
  const std::string record = Contents(record_path);
  const size_t boot = record.find("boot ");
  ASSERT_NE(boot, std::string::npos);
  std::ofstream(record_path) << std::string(record).replace(boot + 5, 4, "0000");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(captured.status().message(), HasSubstr("restarted"));
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
}

TEST_F(WorkspaceStoreTest, AfterARebootOnlySyncedTreesAreTrusted) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_.reset();  // An orderly end syncs.
  store_ = OpenStore(StoreDirectory(), &remote_);
  const blob::Digest unsynced = Step("b-1-1", base_, "echo three > c");
  // What the disk would look like, had the host crashed now: only that the boot is another one.
  RunScript(directory_.path(), "cp -r store crashed; printf 'other\\nend\\n' > crashed/boot");
  auto crashed = OpenStore(directory_.Below("crashed"), &remote_);
  ASSERT_NE(crashed, nullptr);
  EXPECT_TRUE(crashed->HasTree(base_));
  EXPECT_FALSE(crashed->HasTree(unsynced));
}

TEST_F(WorkspaceStoreTest, DamagedRecordsAreNotTrusted) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_.reset();
  const std::string manifest =
      absl::StrCat(StoreDirectory(), "/trees/", base_.hash, "-", base_.size_bytes);
  fs::resize_file(manifest, fs::file_size(manifest) - 3);
  RunScript(StoreDirectory(), "mkdir -p staging/layer-9/x; mkdir layers/77; echo > layers/77/f");
  store_ = OpenStore(StoreDirectory(), &remote_);
  ASSERT_NE(store_, nullptr);
  EXPECT_FALSE(store_->HasTree(base_));
  EXPECT_THAT(Layers(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(StoreDirectory() + "/staging"));
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  EXPECT_EQ(ScanOf(MountFor("b-1-1", base_)), base_);
}

// A container that was created early has bound the mount point already.
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
