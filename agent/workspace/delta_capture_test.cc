// Upper directories made by hand: limits, marks of overlayfs, and what no overlay of ours makes.

#include "agent/workspace/delta_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/runtime/call_limits.h"
#include "agent/runtime/cancellation.h"
#include "agent/workspace/workspace_fixture.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "common/file_descriptor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class DeltaCaptureTest : public testing::Test {
 protected:
  void SetUp() override {
    RunScript(directory_.path(),
              "mkdir -p base/d/e upper; echo one > base/d/one; echo two > base/d/e/two; "
              "find base upper -exec touch -d 2020-02-03 {} +");
    base_ = UploadDirectory(directory_.Below("base"), store_);
  }

  void Upper(const std::string& script) {
    RunScript(directory_.Below("upper"), script + "; touch -d 2020-02-03 .");
  }
  void Mark(const std::string& path, const char* attribute, const std::string& value) {
    EXPECT_EQ(::setxattr(directory_.Below("upper/" + path).c_str(), attribute, value.data(),
                         value.size(), 0),
              0);
  }
  void Whiteout(const std::string& path) {
    EXPECT_EQ(::mknod(directory_.Below("upper/" + path).c_str(), S_IFCHR, makedev(0, 0)), 0);
  }
  absl::StatusOr<CapturedDelta> Capture(const blob::TreeLimits& limits = {}) {
    return CaptureOver(base_, limits);
  }
  absl::StatusOr<CapturedDelta> CaptureOver(const blob::Digest& base,
                                            const blob::TreeLimits& limits = {}) {
    FileDescriptor upper(::open(directory_.Below("upper").c_str(), O_RDONLY | O_DIRECTORY));
    auto contents = ReadUpper(upper.get(), limits);
    if (!contents.ok()) return contents.status();
    return CaptureDelta(*contents, base, reader_, limits);
  }
  // Why the upper can't be read within `call`, and how long that took to be seen.
  std::pair<absl::Status, absl::Duration> ReadWithin(const runtime::CallLimits& call) {
    FileDescriptor upper(::open(directory_.Below("upper").c_str(), O_RDONLY | O_DIRECTORY));
    const absl::Time begin = absl::Now();
    const absl::Status status = ReadUpper(upper.get(), {}, call).status();
    return {status, absl::Now() - begin};
  }
  // What the tree would be if somebody had changed a copy of the base.
  blob::Digest Expected(const std::string& script) {
    RunScript(directory_.path(), "rm -rf want; cp -a base want");
    RunScript(directory_.Below("want"), script);
    return ScanOf(directory_.Below("want"));
  }

  TestDirectory directory_;
  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
  blob::Digest base_;
};

TEST_F(DeltaCaptureTest, NothingIsTheBase) {
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, base_);
  EXPECT_THAT(delta->directories, IsEmpty());
}

TEST_F(DeltaCaptureTest, CopiedUpButUnchangedIsTheBase) {
  Upper("cp -a ../base/. .");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, base_);
  EXPECT_THAT(delta->directories, IsEmpty());
}

TEST_F(DeltaCaptureTest, OnlyDirectoriesWithAChangeAreMade) {
  Upper("cp -a ../base/. .; echo new > d/e/two; touch -d 2020-02-03 d/e/two");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->directories.size(), 3);
}

TEST_F(DeltaCaptureTest, AllFilesOfTheUpperAreListed) {
  Upper("mkdir -p d/e; echo new > d/e/two; echo new > d/z; echo top > top; ln -s top link");
  FileDescriptor upper(::open(directory_.Below("upper").c_str(), O_RDONLY | O_DIRECTORY));
  auto contents = ReadUpper(upper.get());
  ASSERT_TRUE(contents.ok()) << contents.status();
  const auto is_new = blob::BlobKey::Of(blob::DigestOf("new\n"));
  const auto all = ElementsAre(Pair(is_new, "d/e/two"), Pair(is_new, "d/z"),
                               Pair(blob::BlobKey::Of(blob::DigestOf("top\n")), "top"));
  EXPECT_THAT(contents->files, all);
  ASSERT_EQ(CaptureDelta(*contents, base_, reader_).status(), absl::OkStatus());
  EXPECT_THAT(contents->files, all);
}

TEST_F(DeltaCaptureTest, WhiteoutOfWhatTheBaseLacksIsNothing) {
  Whiteout("ghost");
  Upper("true");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, base_);
}

TEST_F(DeltaCaptureTest, OpaqueDirectoryHidesTheBase) {
  Upper("mkdir d; echo x > d/x; touch -d 2020-02-03 d d/x");
  Mark("d", "trusted.overlay.opaque", "y");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, Expected("rm -r d; mkdir d; echo x > d/x; touch -d 2020-02-03 . d d/x"));
}

// "x" says that whiteouts in it may be extended attributes; it hides nothing.
TEST_F(DeltaCaptureTest, OnlyYIsOpaque) {
  Upper("mkdir d; touch -d 2020-02-03 d");
  Mark("d", "trusted.overlay.opaque", "x");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, base_);
}

TEST_F(DeltaCaptureTest, RedirectsFromTheRootAndWithinADirectory) {
  Upper("mkdir -p top d/f; touch -d 2020-02-03 top d/f d");
  Mark("top", "trusted.overlay.redirect", "/d/e");
  Mark("d/f", "trusted.overlay.redirect", "e");
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, Expected("cp -a d/e top; cp -a d/e d/f; touch -d 2020-02-03 d ."));
}

TEST_F(DeltaCaptureTest, RedirectToNowhereIsRefused) {
  Upper("mkdir top");
  Mark("top", "trusted.overlay.redirect", "/d/missing");
  const auto delta = Capture();
  EXPECT_EQ(delta.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(delta.status().message(), HasSubstr("/d/missing"));
}

TEST_F(DeltaCaptureTest, FileWithoutContentIsRefused) {
  Upper("truncate -s 4 stub");
  Mark("stub", "trusted.overlay.metacopy", "");
  EXPECT_EQ(Capture().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DeltaCaptureTest, EntriesAreLimited) {
  Upper("touch a b c");
  blob::TreeLimits limits;
  limits.max_entries = 3;
  EXPECT_TRUE(Capture(limits).ok());
  limits.max_entries = 2;
  EXPECT_EQ(Capture(limits).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(DeltaCaptureTest, AFileThatIsTooLargeIsRefusedUnreadAndNamed) {
  Upper("mkdir d; echo small > d/a; truncate -s 2000G d/big");
  const auto [status, took] = ReadWithin({});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "'d/big' has 2147483648000 bytes (2.0 TiB), more than the 64.0 GiB that a file may "
            "have; make it smaller, or write it outside of /workspace; a sparse file counts with "
            "its whole length");
  EXPECT_LT(took, absl::Seconds(5));
}

TEST_F(DeltaCaptureTest, FilesThatAreTooLargeTogetherAreRefusedUnread) {
  Upper("for i in $(seq 17); do truncate -s 64G $i; done");
  const auto [status, took] = ReadWithin({});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("which has 68719476736 bytes (64.0 GiB), the files have "
                                          "more than the 1.0 TiB that a workspace may have"));
  EXPECT_LT(took, absl::Seconds(5));
}

// 16 x 64 GiB, as much as a workspace may have: hours of hashing.
TEST_F(DeltaCaptureTest, HashingEndsAtTheDeadline) {
  Upper("for i in $(seq 16); do truncate -s 64G $i; done");
  const auto [status, took] = ReadWithin(absl::Now() + absl::Milliseconds(200));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("hashing what the step wrote: out of time"));
  EXPECT_LT(took, absl::Seconds(5));
}

TEST_F(DeltaCaptureTest, HashingEndsWhenItIsCancelled) {
  Upper("for i in $(seq 16); do truncate -s 64G $i; done");
  runtime::Cancellation cancellation;
  std::thread canceller([&] {
    cancellation.WaitFor(absl::Milliseconds(200));  // By then it hashes; earlier is fine, too.
    cancellation.Cancel();
  });
  const auto [status, took] = ReadWithin({absl::InfiniteFuture(), &cancellation});
  canceller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_LT(took, absl::Seconds(5));
}

TEST_F(DeltaCaptureTest, LargeFilesAreHashedLikeSmallOnes) {
  const std::string script =
      "mkdir -p d/large; touch -d 2020-02-03 d; "
      "for i in $(seq 70); do head -c 1048577 /dev/zero > d/large/$i; echo $i >> d/large/$i; done; "
      "head -c 1048576 /dev/zero > d/large/small; find d -exec touch -d 2020-02-03 {} +; "
      "touch -d 2020-02-03 .";
  Upper(script);
  const auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->root, Expected(script));
}

TEST_F(DeltaCaptureTest, DepthIsLimitedAlsoWhereADirectoryWasMoved) {
  Upper("mkdir -p a/b");
  blob::TreeLimits limits;
  limits.max_depth = 2;
  EXPECT_TRUE(Capture(limits).ok());
  limits.max_depth = 1;
  EXPECT_EQ(Capture(limits).status().code(), absl::StatusCode::kResourceExhausted);
  // d/e/two at a/b/e/two: four levels.
  Mark("a/b", "trusted.overlay.redirect", "/d");
  limits.max_depth = 3;
  EXPECT_EQ(Capture(limits).status().code(), absl::StatusCode::kResourceExhausted);
  limits.max_depth = 4;
  EXPECT_EQ(Capture(limits).status(), absl::OkStatus());
}

// A directory message of somebody else need not carry times; what a step didn't change stays so.
TEST_F(DeltaCaptureTest, EntriesWithoutTimesKeepNone) {
  blob::Directory bare;
  *bare.add_files() = blob::MakeFileNode("f", blob::DigestOf("f"), 0644, std::nullopt);
  const blob::Digest root = store_.Put(blob::Serialise(bare));
  Upper("printf f > f; printf new > g; touch -d 2020-02-03 g");
  const auto delta = CaptureOver(root);
  ASSERT_TRUE(delta.ok()) << delta.status();
  blob::Directory built;
  ASSERT_TRUE(built.ParseFromString(delta->directories.at(delta->root)));
  ASSERT_EQ(built.files_size(), 2);
  EXPECT_FALSE(blob::MtimeOf(built.files(0)).has_value());
  EXPECT_TRUE(blob::MtimeOf(built.files(1)).has_value());
}

TEST_F(DeltaCaptureTest, DifferencesCanBeRemoved) {
  Upper("mkdir d; mkfifo d/one pipe; echo > s; chown 7:7 s d; chmod 6755 s; touch -d 2020-02-03 d");
  auto delta = Capture();
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->warnings.size(), 3);
  FileDescriptor upper(::open(directory_.Below("upper").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(RemoveDifferences(upper.get(), delta->differences), absl::OkStatus());
  struct stat stat;
  EXPECT_LT(::lstat(directory_.Below("upper/pipe").c_str(), &stat), 0);
  ASSERT_EQ(::lstat(directory_.Below("upper/d/one").c_str(), &stat), 0);
  EXPECT_TRUE(S_ISCHR(stat.st_mode));
  const auto again = Capture();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->root, delta->root);
  EXPECT_THAT(again->differences, IsEmpty());
  EXPECT_THAT(again->warnings, IsEmpty());
}

}  // namespace
}  // namespace rally::workspace
