// Each kind of change, by table: what the delta says must be what a full scan of the merged mount
// says, and the step's upper, used as a layer, must show the same tree again.

#include <ostream>
#include <string>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

constexpr char kBaseScript[] = R"(
  mkdir -p src/deep/er empty dir/sub moved/inner target
  echo one > src/a.c; echo two > src/b.c; echo three > src/deep/er/c.c
  printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh
  echo secret > private; chmod 600 private
  echo x > dir/x; echo y > dir/sub/y; chmod 700 dir/sub
  echo m > moved/m; echo i > moved/inner/i; echo other > moved/other
  : > nothing
  ln -s src/a.c link; ln -s /etc/passwd outside; ln -s nowhere/at/all dangling
  find . -exec touch -h -d '2020-02-03 04:05:06.789' {} +
)";

struct ChangeCase {
  std::string name;
  std::string script;
  int64_t added;
  int64_t changed;
  int64_t removed;
  // A part of the only warning; "" for none.
  std::string warning = "";
};

std::ostream& operator<<(std::ostream& out, const ChangeCase& change) { return out << change.name; }

class CaptureKindsTest : public testing::TestWithParam<ChangeCase> {};

TEST_P(CaptureKindsTest, EqualsFullScan) {
  const ChangeCase& change = GetParam();
  TestDirectory directory(/*on_disk=*/true);
  blob::MemoryBlobStore remote;
  RunScript(directory.path(), "mkdir base");
  RunScript(directory.Below("base"), kBaseScript);
  const blob::Digest base = UploadDirectory(directory.Below("base"), remote);

  auto store = OpenStore(directory.Below("store"), &remote);
  ASSERT_NE(store, nullptr);
  const auto mount_point = store->CreateMountPoint("b-1-1");
  ASSERT_TRUE(mount_point.ok()) << mount_point.status();
  ASSERT_EQ(store->Mount("b-1-1", base, 0, 0), absl::OkStatus());
  ASSERT_EQ(ScanOf(*mount_point), base);
  RunScript(*mount_point, change.script);
  const blob::Digest scanned = ScanOf(*mount_point);

  const auto captured = store->Capture("b-1-1", absl::Now() + absl::Minutes(1));
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
  EXPECT_EQ(captured->added, change.added);
  EXPECT_EQ(captured->changed, change.changed);
  EXPECT_EQ(captured->removed, change.removed);
  if (change.warning.empty()) {
    EXPECT_THAT(captured->warnings, testing::IsEmpty());
  } else {
    EXPECT_THAT(captured->warnings, testing::ElementsAre(testing::HasSubstr(change.warning)));
  }

  // The next step on this host.
  ASSERT_TRUE(store->HasTree(captured->output_root));
  ASSERT_EQ(store->Discard("b-1-1"), absl::OkStatus());
  const auto next = store->CreateMountPoint("b-2-1");
  ASSERT_TRUE(next.ok()) << next.status();
  const int64_t read_before = remote.read_blobs();
  ASSERT_EQ(store->Mount("b-2-1", captured->output_root, 0, 0), absl::OkStatus());
  EXPECT_EQ(ScanOf(*next), scanned);
  EXPECT_THAT(FilesThatAreOne(*next), testing::IsEmpty());
  EXPECT_EQ(remote.read_blobs(), read_before);
  ASSERT_EQ(store->Discard("b-2-1"), absl::OkStatus());

  // The next step on another host.
  auto elsewhere = OpenStore(directory.Below("elsewhere"), &remote);
  ASSERT_NE(elsewhere, nullptr);
  const auto there = elsewhere->CreateMountPoint("b-2-2");
  ASSERT_TRUE(there.ok()) << there.status();
  ASSERT_EQ(elsewhere->Mount("b-2-2", captured->output_root, 0, 0), absl::OkStatus());
  EXPECT_EQ(ScanOf(*there), scanned);
  EXPECT_THAT(FilesThatAreOne(*there), testing::IsEmpty());
  ASSERT_EQ(elsewhere->Discard("b-2-2"), absl::OkStatus());
  EXPECT_THAT(MountsBelow(directory.path()), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, CaptureKindsTest,
    testing::ValuesIn(std::vector<ChangeCase>{
        {"Nothing", "true", 0, 0, 0},
        {"ReadOnly", "cat src/a.c > /dev/null; ls -lR > /dev/null", 0, 0, 0},
        {"NewFile", "echo new > new", 1, 0, 0},
        {"NewDirectories", "mkdir -p p/q/r; echo new > p/q/file", 4, 0, 0},
        {"NewEmptyFile", "touch -d 2001-01-01 fresh", 1, 0, 0},
        {"Modified", "echo more >> src/deep/er/c.c", 0, 1, 0},
        {"ModifiedInPlace", "printf O | dd of=src/a.c conv=notrunc status=none", 0, 1, 0},
        {"Chmod", "chmod 755 src/a.c", 0, 1, 0},
        {"ChmodOddMode", "chmod 640 src/a.c", 0, 1, 0},
        {"ChmodDirectory", "chmod 711 src", 0, 1, 0},
        {"TouchOnly", "touch -d '2021-01-01 00:00:00.5' src/a.c", 0, 1, 0},
        {"TouchUndone", "touch src/a.c; touch -r src/b.c src/a.c", 0, 0, 0},
        {"WrittenBackTheSame",
         "cp -p src/a.c /tmp/rally-same.$$; echo > src/a.c; cat /tmp/rally-same.$$ > src/a.c; "
         "touch -r src/b.c src/a.c; rm /tmp/rally-same.$$",
         0, 0, 0},
        {"TouchDirectory", "touch -d 2021-01-01 src/deep", 0, 0, 0},
        {"TouchRoot", "touch -d 2021-01-01 .", 0, 0, 0},
        {"ChmodRoot", "chmod 700 .", 0, 0, 0},
        {"Chown", "chown 1234:5678 src/a.c src/deep; chown -h 7 link", 0, 0, 0},
        {"Removed", "rm src/a.c", 0, 0, 1},
        {"RemovedAndTimeRestored", "rm src/a.c; touch -d '2020-02-03 04:05:06.789' src", 0, 0, 1},
        {"RemovedHidden", "echo > .hidden; rm run.sh", 1, 0, 1},
        {"RemovedDirectory", "rm -r src", 0, 0, 6},
        {"RemovedEverything", "rm -r *", 0, 0, 23},
        {"CreatedAndRemoved", "mkdir t; echo > t/x; rm -r t; touch -d '2020-02-03 04:05:06.789' .",
         0, 0, 0},
        {"ReplacedFile", "rm src/a.c; echo new > src/a.c", 0, 1, 0},
        {"ReplacedDirectory", "rm -r dir; mkdir dir; echo z > dir/z; echo x2 > dir/x", 1, 1, 2},
        {"FileBecomesDirectory", "rm src/a.c; mkdir src/a.c; echo > src/a.c/in", 1, 1, 0},
        {"DirectoryBecomesFile", "rm -r dir; echo file > dir", 0, 1, 3},
        {"FileBecomesSymlink", "ln -sf b.c src/a.c", 0, 1, 0},
        {"SymlinkBecomesFile", "rm link; echo > link", 0, 1, 0},
        {"SymlinkBecomesDirectory", "rm link; mkdir link; echo > link/f", 1, 1, 0},
        {"SymlinkRetargeted", "ln -sfn elsewhere link", 0, 1, 0},
        {"NewSymlinks", "ln -s . loop; ln -s ../../../.. up; mkdir n; ln -s x n/l", 4, 0, 0},
        {"RenamedFile", "mv src/a.c src/z.c", 1, 0, 1},
        {"FileMovedOver", "mv src/a.c src/b.c", 0, 1, 1},
        {"DirectoryRenamed", "mv moved renamed", 5, 0, 5},
        {"DirectoryRenamedAndChanged",
         "mv moved renamed; echo more >> renamed/m; rm renamed/other; echo n > renamed/inner/n", 5,
         0, 5},
        {"DirectoryMovedElsewhere", "mv moved target/here; echo n > target/here/inner/i", 5, 0, 5},
        {"DirectoryMovedTwice", "mv moved one; mv one/inner two; mv two one/three; mv one target",
         5, 0, 5},
        {"DirectoriesSwapped", "mv moved t; mv dir moved; mv t dir", 7, 0, 7},
        {"DirectoryMovedAndReplaced", "mv moved gone; mkdir moved; echo new > moved/m", 5, 1, 3},
        {"DirectoryMovedIntoItsReplacement", "mv moved t; mkdir moved; mv t moved/old", 5, 0, 4},
        {"DirectoryMovedAndBack", "mv moved t; mv t moved; touch -d '2020-02-03 04:05:06.789' .", 0,
         0, 0},
        {"DirectoryMovedThenRemoved", "mv moved t; rm -r t", 0, 0, 5},
        {"NestedMovedOut", "mv src/deep/er top; rmdir src/deep; mv src deeper", 5, 0, 6},
        {"RemovedInsideMoved", "mv src s; mv s/deep s/d; rm s/d/er/c.c; mv s/d .", 5, 0, 6},
        {"Hardlinks", "ln src/a.c src/hard; ln src/a.c top; echo x > n1; ln n1 n2", 4, 0, 0},
        {"HardlinkWritten", "ln src/a.c src/hard; echo both >> src/hard", 1, 1, 0},
        {"HardlinksOfOddModes", "mkdir p; cp run.sh p/1; chmod 711 p/1; ln p/1 p/2; ln p/1 3", 4, 0,
         0},
        {"EmptyDirectories", "mkdir -p e/f; rmdir empty", 2, 0, 1},
        {"Sparse", "truncate -s 3M sparse; printf x >> sparse", 1, 0, 0},
        {"LargeFile", "head -c 6000000 /dev/zero | tr '\\0' z > large", 1, 0, 0},
        {"OddNames",
         "echo > ' spaces  '; echo > $'new\\nline'; echo > 'umläut'; echo > '-rf'; "
         "echo > 'comma,colon:equals=\\back'; echo > '*'",
         6, 0, 0},
        {"NoPermissions",
         "echo > none; chmod 0 none; mkdir closed; echo > closed/f; chmod 0 closed", 3, 0, 0},
        {"Fifo", "mkfifo src/pipe", 0, 0, 0, "src/pipe: a socket, fifo or device"},
        {"FifoInstead", "rm src/a.c; mkfifo src/a.c", 0, 0, 1, "src/a.c: a socket"},
        {"FifoInNewDirectory", "mkdir -p n/m; mkfifo n/m/pipe; echo > n/f", 3, 0, 0, "n/m/pipe"},
        {"Device", "mknod null c 1 3", 0, 0, 0, "null: a socket, fifo or device"},
        {"Setuid", "cp run.sh su; chmod 4755 su", 1, 0, 0, "su: setuid and setgid bits"},
        {"SetgidOnly", "chmod 2755 run.sh", 0, 0, 0, "run.sh: setuid"},
        {"Sticky", "mkdir shared; chmod 1777 shared; chmod 2755 src", 1, 0, 0},
    }),
    [](const testing::TestParamInfo<ChangeCase>& info) { return info.param.name; });

}  // namespace
}  // namespace rally::workspace
