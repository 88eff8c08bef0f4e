#include "agent/logs/step_for_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/keeper/embedded.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::logs {
namespace {

constexpr char kKey[] = "b1-0-1";
constexpr absl::Duration kPatience = absl::Seconds(20);

KeeperClient::Options KeeperOptions(const std::string& directory, absl::Duration idle_exit) {
  KeeperClient::Options options;
  options.directory = absl::StrCat(directory, "/keeper");
  options.executable = keeper::EmbeddedKeeper();
  options.idle_exit = idle_exit;
  return options;
}

}  // namespace

StepForTest::StepForTest(absl::Duration idle_exit) {
  std::string directory = absl::StrCat(::testing::TempDir(), "/step.XXXXXX");
  if (mkdtemp(&directory[0]) == nullptr) std::abort();
  directory_ = directory;
  auto keeper = KeeperClient::Start(KeeperOptions(directory_, idle_exit));
  EXPECT_EQ(keeper.status(), absl::OkStatus());
  keeper_ = *std::move(keeper);
}

StepForTest::~StepForTest() {
  CloseWriters();
  EXPECT_EQ(AttemptLog::Remove(keeper_.get(), kKey, options().stdout_fifo, options().stderr_fifo),
            absl::OkStatus());
  EXPECT_EQ(keeper_->ExitIfIdle(), absl::OkStatus());
  EXPECT_TRUE(testing::Eventually(kPatience, [this] { return KeeperPid() < 0; }))
      << "the keeper stays";
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

AttemptLog::Options StepForTest::options() const {
  AttemptLog::Options options;
  options.key = kKey;
  options.stdout_fifo = absl::StrCat(directory_, "/", kKey, ".stdout");
  options.stderr_fifo = absl::StrCat(directory_, "/", kKey, ".stderr");
  options.spool_path = absl::StrCat(directory_, "/", kKey, ".log");
  return options;
}

void StepForTest::OpenWriters() {
  const AttemptLog::Options names = options();
  writers_[0] = FileDescriptor(open(names.stdout_fifo.c_str(), O_WRONLY | O_CLOEXEC));
  writers_[1] = FileDescriptor(open(names.stderr_fifo.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_TRUE(writers_[0].valid() && writers_[1].valid());
}

void StepForTest::CloseWriters() {
  for (FileDescriptor& writer : writers_) writer.Close();
}

void StepForTest::Write(log::Stream stream, absl::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = write(writer(stream), bytes.data(), bytes.size());
    ASSERT_GT(written, 0);
    bytes.remove_prefix(written);
  }
}

size_t StepForTest::WriteUntilFull(log::Stream stream) const {
  const int flags = fcntl(writer(stream), F_GETFL);
  EXPECT_EQ(fcntl(writer(stream), F_SETFL, flags | O_NONBLOCK), 0);
  const std::string bytes(4096, 'x');
  size_t total = 0;
  // Full for a moment isn't full: the keeper may be about to read.
  const auto full = [&] {
    bool accepted = false;
    ssize_t written;
    while ((written = write(writer(stream), bytes.data(), bytes.size())) > 0) {
      total += written;
      accepted = true;
    }
    return !accepted;
  };
  int calm = 0;
  EXPECT_TRUE(testing::Eventually(kPatience, [&] { return (calm = full() ? calm + 1 : 0) == 10; }));
  EXPECT_EQ(fcntl(writer(stream), F_SETFL, flags), 0);
  return total;
}

int StepForTest::KeeperPid() const {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return -1;
  int found = -1;
  const std::string wanted = absl::StrCat(directory_, "/keeper/keeper.sock");
  while (const dirent* entry = readdir(proc)) {
    int pid;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    // Not by a stream: it throws when the process ends in between.
    const FileDescriptor file(
        open(absl::StrCat("/proc/", pid, "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
    std::string command(4096, '\0');
    command.resize(std::max<ssize_t>(0, read(file.get(), &command[0], command.size())));
    if (command.find(wanted) != std::string::npos) found = pid;
  }
  closedir(proc);
  return found;
}

void StepForTest::KillKeeper() {
  const int pid = KeeperPid();
  ASSERT_GT(pid, 0);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(testing::Eventually(kPatience, [this] { return KeeperPid() < 0; }));
}

std::string StreamOf(const log::RecordFile& log, log::Stream stream) {
  std::string bytes;
  int64_t offset = 0;
  while (true) {
    const auto records = log.Read(offset, 1 << 20);
    EXPECT_EQ(records.status(), absl::OkStatus());
    if (!records.ok() || records->empty()) return bytes;
    for (const log::Record& record : *records) {
      EXPECT_EQ(record.offset, offset);
      offset += record.bytes.size();
      if (record.stream == stream) bytes += record.bytes;
    }
  }
}

}  // namespace rally::logs
