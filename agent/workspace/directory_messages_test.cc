#include "agent/workspace/directory_messages.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;
using ::rally::blob::Digest;
using ::rally::blob::DigestOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

class DirectoryMessagesTest : public ::testing::Test {
 protected:
  DirectoryMessagesTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/messages_XXXXXX");
    scratch_ = mkdtemp(pattern.data());
  }
  ~DirectoryMessagesTest() override { fs::remove_all(scratch_); }

  std::string Folder() const { return (scratch_ / "directories").string(); }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(Folder())) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  fs::path scratch_;
  blob::MemoryBlobStore remote_;
};

const DirectoryMessages::Later kNow = [](const std::function<void()>& work) {
  work();
  return true;
};

TEST_F(DirectoryMessagesTest, WhatIsKeptIsReadAgainAfterARestart) {
  {
    DirectoryMessages messages(Folder(), &remote_, kNow);
    EXPECT_EQ(messages.ReadLocal(DigestOf("one")), std::nullopt);
    EXPECT_EQ(messages.Keep(DigestOf("one"), "one"), absl::OkStatus());
    EXPECT_EQ(messages.Keep(DigestOf("one"), "one"), absl::OkStatus());
  }
  DirectoryMessages messages(Folder(), &remote_, kNow);
  EXPECT_THAT(messages.ReadLocal(DigestOf("one")), Optional(std::string("one")));
  EXPECT_THAT(Files(), SizeIs(1));
}

TEST_F(DirectoryMessagesTest, WhatIsDamagedIsFetchedAndKeptAnew) {
  DirectoryMessages messages(Folder(), &remote_, kNow);
  const Digest digest = remote_.Put("content");
  for (const char* damage : {"", "cont", "c0ntent", "content and more"}) {
    ASSERT_EQ(messages.Keep(digest, "content"), absl::OkStatus());
    std::ofstream(Files().front(), std::ios::trunc) << damage;
    EXPECT_EQ(messages.ReadLocal(digest), std::nullopt) << damage;
    EXPECT_THAT(Files(), IsEmpty()) << damage;
    ASSERT_EQ(messages.Read({digest}).status(), absl::OkStatus());
    EXPECT_THAT(messages.ReadLocal(digest), Optional(std::string("content"))) << damage;
  }
  EXPECT_EQ(remote_.read_blobs(), 4);
}

TEST_F(DirectoryMessagesTest, WhatACrashLeftUnfinishedIsNeitherReadNorInTheWay) {
  DirectoryMessages messages(Folder(), &remote_, kNow);
  const Digest digest = DigestOf("content");
  fs::create_directories(scratch_ / "directories" / digest.hash.substr(0, 2));
  for (int i = 0; i < 3; ++i) {
    std::ofstream(scratch_ / "directories" / digest.hash.substr(0, 2) / absl::StrCat("new-", i))
        << "con";
  }
  EXPECT_EQ(messages.ReadLocal(digest), std::nullopt);
  EXPECT_EQ(messages.Keep(digest, "content"), absl::OkStatus());
  EXPECT_THAT(messages.ReadLocal(digest), Optional(std::string("content")));
  EXPECT_EQ(messages.RemoveAllBut({digest}), absl::OkStatus());
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_THAT(messages.ReadLocal(digest), Optional(std::string("content")));
}

TEST_F(DirectoryMessagesTest, ReadersSeeAllOrNothingWhileItIsKept) {
  DirectoryMessages messages(Folder(), &remote_, kNow);
  const std::string content(200'000, 'x');
  const Digest digest = DigestOf(content);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::thread> writers;
    for (int i = 0; i < 2; ++i) {
      writers.emplace_back([&] { EXPECT_EQ(messages.Keep(digest, content), absl::OkStatus()); });
    }
    messages.ReadLocal(digest);
    for (std::thread& writer : writers) writer.join();
    ASSERT_EQ(messages.ReadLocal(digest), content) << "a reader threw away what was being kept";
    ASSERT_EQ(messages.RemoveAllBut({}), absl::OkStatus());
  }
}

TEST_F(DirectoryMessagesTest, AFolderThatCannotBeOpenedIsNamedWithTheReason) {
  std::ofstream(Folder()) << "a file";
  DirectoryMessages messages(Folder(), &remote_, kNow);
  EXPECT_EQ(messages.ReadLocal(DigestOf("one")), std::nullopt);
  const absl::Status status = messages.Keep(DigestOf("one"), "one");
  EXPECT_THAT(std::string(status.message()), HasSubstr(Folder()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace rally::workspace
