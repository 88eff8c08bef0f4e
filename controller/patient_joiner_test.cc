#include "controller/patient_joiner.h"

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::controller {
namespace {

using ::testing::HasSubstr;

class PatientJoinerTest : public ::testing::Test {
 protected:
  core::Digest PutTree(const std::string& name) {
    blob::Directory directory;
    *directory.add_files() =
        blob::MakeFileNode(name, store_.Put(absl::StrCat("content of ", name)), 0644, std::nullopt);
    const blob::Digest digest = store_.Put(blob::Serialise(directory));
    return {digest.hash, digest.size_bytes};
  }

  // Two steps that each added a file to the empty tree.
  core::JoinTrees TwoSteps() {
    const blob::Digest empty = blob::EmptyTreeDigest();
    core::JoinTrees command;
    command.build_id = "b";
    command.step = 2;
    command.base = {empty.hash, empty.size_bytes};
    command.deltas = {{0, "one", command.base, PutTree("a")},
                      {1, "two", command.base, PutTree("b")}};
    command.before = {{}, {}};
    return command;
  }

  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_};
  std::atomic<int> synced_{0};
  PatientJoiner joiner_{&reader_, &store_, [this] {
                          ++synced_;
                          return absl::OkStatus();
                        }};
};

TEST_F(PatientJoinerTest, StoresWhatItJoined) {
  const auto joined = joiner_.Join(TwoSteps());
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->error, "");
  EXPECT_EQ(joined->step, 2);
  const auto root = reader_.Read({joined->root.hash, joined->root.size_bytes});
  ASSERT_EQ(root.status(), absl::OkStatus());
  EXPECT_EQ((*root)->files_size(), 2);
  EXPECT_EQ(synced_, 1);
}

TEST_F(PatientJoinerTest, AMissingBlobIsFinal) {
  core::JoinTrees command = TwoSteps();
  store_.Remove({command.deltas[1].output.hash, command.deltas[1].output.size_bytes});
  const auto joined = joiner_.Join(command);
  ASSERT_TRUE(joined.has_value());
  EXPECT_THAT(joined->error, HasSubstr(command.deltas[1].output.hash));
  EXPECT_EQ(synced_, 0);
}

TEST_F(PatientJoinerTest, AStoreThatIsAwayIsWaitedFor) {
  for (const absl::Status& away :
       {absl::UnavailableError("gone fishing"), absl::DeadlineExceededError("asleep")}) {
    const core::JoinTrees command = TwoSteps();
    store_.FailWith(away);
    std::optional<core::TreeJoined> joined;
    std::atomic<bool> ended{false};
    std::thread joining([&] {
      joined = joiner_.Join(command);
      ended = true;
    });
    EXPECT_FALSE(testing::Eventually(absl::Milliseconds(300), [&] { return ended.load(); }));
    store_.FailWith(absl::OkStatus());
    joining.join();
    ASSERT_TRUE(joined.has_value());
    EXPECT_EQ(joined->error, "");
  }
}

TEST_F(PatientJoinerTest, StopEndsTheWait) {
  const core::JoinTrees command = TwoSteps();
  store_.FailWith(absl::UnavailableError("gone for good"));
  std::optional<core::TreeJoined> joined = core::TreeJoined();
  std::thread joining([&] { joined = joiner_.Join(command); });
  joiner_.Stop();
  joining.join();
  EXPECT_FALSE(joined.has_value());
}

}  // namespace
}  // namespace rally::controller
