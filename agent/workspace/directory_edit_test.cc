#include "agent/workspace/directory_edit.h"

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/blob/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Directory;

const absl::Time kThen = absl::FromUnixSeconds(1'600'000'000);

void AddFile(const std::string& name, const std::string& content, Directory* directory) {
  blob::FillFileNode(name, blob::DigestOf(content), 0644, kThen, directory->add_files());
}

Directory Old() {
  Directory old;
  for (const char* name : {"b", "d", "f"}) AddFile(name, "old", &old);
  *old.add_directories() = blob::MakeDirectoryNode("c", blob::DigestOf("tree"));
  *old.add_symlinks() = blob::MakeSymlinkNode("l", "b");
  return old;
}

TEST(DirectoryEditTest, IsTheCanonicalMessageOfWhatStaysAndWhatIsNew) {
  const Directory old = Old();
  const std::string old_bytes = blob::Serialise(old);
  DirectoryEdit edit(&old);
  for (const char* name : {"a", "c", "d", "l", "z"}) edit.Replace(name);
  for (const char* name : {"a", "d", "z"}) AddFile(name, "new", &edit.added());
  *edit.added().add_symlinks() = blob::MakeSymlinkNode("c", "a");
  const auto built = edit.Finish(0700, kThen);
  ASSERT_TRUE(built.ok()) << built.status();

  Directory wanted;
  for (const char* name : {"z", "a", "d"}) AddFile(name, "new", &wanted);
  for (const char* name : {"f", "b"}) AddFile(name, "old", &wanted);
  *wanted.add_symlinks() = blob::MakeSymlinkNode("c", "a");
  blob::SetDirectoryProperties(0700, kThen, &wanted);
  blob::Canonicalise(&wanted);
  EXPECT_EQ(blob::Serialise(**built), blob::Serialise(wanted));
  EXPECT_EQ(blob::Serialise(old), old_bytes);
}

TEST(DirectoryEditTest, LeavesTheOldDirectoryWhole) {
  auto old = std::make_unique<Directory>(Old());
  const std::string bytes = blob::Serialise(*old);
  {
    DirectoryEdit edit(old.get());
    edit.Replace("b");
    ASSERT_TRUE(edit.Finish(0755, kThen).ok());
  }
  EXPECT_EQ(blob::Serialise(*old), bytes);
}

TEST(DirectoryEditTest, WithoutAnOldDirectoryOnlyTheNewIsThere) {
  DirectoryEdit edit(nullptr);
  edit.Replace("a");
  AddFile("a", "new", &edit.added());
  const auto built = edit.Finish(0755, kThen);
  ASSERT_TRUE(built.ok()) << built.status();
  ASSERT_EQ((*built)->files_size(), 1);
  EXPECT_EQ(blob::MtimeOf(**built), kThen);
}

TEST(DirectoryEditTest, RefusesWhatATreeCannotKeep) {
  DirectoryEdit names(nullptr);
  blob::FillFileNode("..", blob::DigestOf(""), 0644, kThen, names.added().add_files());
  EXPECT_TRUE(absl::IsInvalidArgument(names.Finish(0755, kThen).status()));

  DirectoryEdit targets(nullptr);
  *targets.added().add_symlinks() = blob::MakeSymlinkNode("a", "\xFF");
  EXPECT_TRUE(absl::IsInvalidArgument(targets.Finish(0755, kThen).status()));
}

}  // namespace
}  // namespace rally::workspace
