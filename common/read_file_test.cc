#include "common/read_file.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rally {
namespace {

TEST(ReadFileTest, GivesAllBytes) {
  const std::string path = absl::StrCat(testing::TempDir(), "/bytes");
  const std::string bytes = std::string(100000, 'x') + std::string("\0\n", 2);
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(*ReadFile(path), bytes);
  EXPECT_EQ(ReadFile(path, bytes.size() - 1).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ReadFileTest, SaysWhatIsWrong) {
  EXPECT_EQ(ReadFile("/nowhere").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadFile("/").ok()) << "a directory opens, but can't be read";
}

// What a process that has ended leaves of its files in /proc opens, and then can't be read.
TEST(ReadFileTest, AProcessThatEndsMeanwhileIsAnError) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(ReadFile(absl::StrCat("/proc/", child, "/auxv")).value_or("").size() > 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(ReadFile(absl::StrCat("/proc/", child, "/cmdline")).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rally
