// What the workspaces of a host know about blobs that the remote store has lost.
#include "agent/workspace/lost_blobs.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

// Two hosts with one remote store; what the first one's step made is known to it alone.
class LostBlobsTest : public testing::Test {
 protected:
  void SetUp() override {
    RunScript(directory_.path(), "mkdir -p base/src; echo one > base/src/a; echo two > base/b");
    base_ = UploadDirectory(directory_.Below("base"), remote_);
    maker_ = OpenStore(directory_.Below("maker"), &remote_);
    other_ = OpenStore(directory_.Below("other"), &remote_);
    ASSERT_NE(maker_, nullptr);
    ASSERT_NE(other_, nullptr);
    const auto mount_point = maker_->CreateMountPoint("b-1-1");
    ASSERT_TRUE(mount_point.ok()) << mount_point.status();
    ASSERT_EQ(maker_->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
    RunScript(*mount_point,
              "mkdir out; echo made > out/made; head -c 3000000 /dev/zero > out/large");
    const auto captured = maker_->Capture("b-1-1", Soon());
    ASSERT_TRUE(captured.ok()) << captured.status();
    output_ = captured->output_root;
    EXPECT_EQ(maker_->Discard("b-1-1"), absl::OkStatus());
  }

  std::vector<blob::Digest> FindLost(WorkspaceStore& store, const blob::Digest& root) {
    auto lost = store.FindLost(root, Soon());
    EXPECT_TRUE(lost.ok()) << lost.status();
    return lost.ok() ? *lost : std::vector<blob::Digest>();
  }

  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  blob::Digest base_;
  blob::Digest output_;
  std::unique_ptr<WorkspaceStore> maker_;
  std::unique_ptr<WorkspaceStore> other_;
  const blob::Digest made_ = blob::DigestOf("made\n");
  const blob::Digest large_ = blob::DigestOf(std::string(3000000, '\0'));
};

TEST_F(LostBlobsTest, ATreeThatCanBeFetchedHasLostNothing) {
  EXPECT_THAT(FindLost(*other_, output_), IsEmpty());
}

TEST_F(LostBlobsTest, AllThatIsMissingOrDamagedIsFound) {
  remote_.Remove(made_);
  remote_.Corrupt(large_, "wrong");
  remote_.Corrupt(blob::DigestOf("two\n"), "wrong, too");
  EXPECT_THAT(FindLost(*other_, output_),
              UnorderedElementsAre(made_, large_, blob::DigestOf("two\n")))
      << "also what the store says to have";
  EXPECT_THAT(FindLost(*maker_, output_), IsEmpty()) << "it has them";
}

TEST_F(LostBlobsTest, ADirectoryThatIsLostHidesWhatIsBelow) {
  remote_.Remove(output_);
  remote_.Remove(made_);
  EXPECT_THAT(FindLost(*other_, output_), ElementsAre(output_));
}

TEST_F(LostBlobsTest, AStoreThatDoesNotAnswerHasLostNothing) {
  remote_.FailWith(absl::UnavailableError("away"));
  EXPECT_EQ(other_->FindLost(output_, Soon()).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LostBlobsTest, WhoeverMadeThemSendsThemAgain) {
  maker_->FinishBackgroundWork();  // Its directory messages are kept.
  const std::vector<blob::Digest> lost = {made_, large_, output_, blob::DigestOf("one\n"),
                                          blob::DigestOf("nobody's")};
  for (const blob::Digest& digest : lost) remote_.Remove(digest);
  EXPECT_THAT(other_->SendAgain(lost, Soon()), IsEmpty());
  EXPECT_THAT(maker_->SendAgain(lost, Soon()),
              UnorderedElementsAre(made_, large_, output_, blob::DigestOf("one\n")));
  EXPECT_THAT(FindLost(*other_, output_), IsEmpty());
  EXPECT_EQ(other_->EnsureTree(output_, Soon()), absl::OkStatus());
}

TEST_F(LostBlobsTest, ADamagedFileIsNotSent) {
  RunScript(directory_.Below("maker"), "for f in layers/*/out/made; do echo edam > $f; done");
  remote_.Remove(made_);
  EXPECT_THAT(maker_->SendAgain({made_}, Soon()), IsEmpty());
  EXPECT_THAT(FindLost(*other_, output_), ElementsAre(made_));
}

TEST_F(LostBlobsTest, AfterARestartTheyAreStillThere) {
  maker_.reset();
  maker_ = OpenStore(directory_.Below("maker"), &remote_);
  remote_.Remove(made_);
  EXPECT_THAT(maker_->SendAgain({made_}, Soon()), ElementsAre(made_));
}

TEST_F(LostBlobsTest, TheListIsBounded) {
  RunScript(directory_.path(),
            "mkdir many; i=0; while [ $i -lt 1200 ]; do echo $i > many/$i; i=$((i+1)); done");
  const blob::Digest many = UploadDirectory(directory_.Below("many"), remote_);
  for (int i = 0; i < 1200; ++i) remote_.Remove(blob::DigestOf(std::to_string(i) + "\n"));
  EXPECT_THAT(FindLost(*other_, many), SizeIs(kMaxLostBlobs));
}

}  // namespace
}  // namespace rally::workspace
