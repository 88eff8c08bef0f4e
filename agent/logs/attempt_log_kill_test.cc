// The promise that this folder exists for: however often and whenever the agent is killed, the log
// ends up byte for byte what the step wrote.

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "agent/logs/attempt_log.h"
#include "agent/logs/step_for_test.h"
#include "common/log/record_file.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::logs {
namespace {

using log::RecordFile;
using log::Stream;
using testing::Eventually;

constexpr char kReader[] = "agent/logs/log_reader_for_test";
constexpr absl::Duration kPatience = absl::Seconds(60);

int64_t SizeOf(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

pid_t SpawnReader(const StepForTest& step, const char* mode) {
  const char* root = std::getenv("TEST_SRCDIR");
  const std::string reader =
      root == nullptr ? kReader
                      : absl::StrCat(root, "/", std::getenv("TEST_WORKSPACE"), "/", kReader);
  const std::string key = step.options().key;
  const char* arguments[] = {reader.c_str(), step.directory().c_str(), key.c_str(), mode, nullptr};
  pid_t pid = -1;
  EXPECT_EQ(
      posix_spawn(&pid, reader.c_str(), nullptr, nullptr, const_cast<char**>(arguments), environ),
      0);
  return pid;
}

int Reap(pid_t pid) {
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

void Kill(pid_t pid) {
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  const int status = Reap(pid);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the reader ended by itself, with " << status;
}

// Writes pieces of every kind, short and long, with line ends and without, until told to stop;
// returns what it wrote to each stream.
class Writer {
 public:
  Writer(const StepForTest& step, uint32_t seed, int64_t limit)
      : thread_([this, &step, seed, limit] {
          std::mt19937 random(seed);
          while (!stop_ && static_cast<int64_t>(written_[0].size() + written_[1].size()) < limit) {
            std::string piece;
            switch (random() % 4) {
              case 0:
                piece = absl::StrCat("line ", random(), "\n");
                break;
              case 1:
                piece = absl::StrCat("part ", random());
                break;
              case 2:
                piece = std::string(random() % 300, static_cast<char>(random())) + "\n";
                break;
              case 3:
                piece.resize(1 + random() % 20000);
                for (char& byte : piece) byte = static_cast<char>(random());
                break;
            }
            const int stream = random() % 3 == 0;
            step.Write(static_cast<Stream>(stream + 1), piece);
            written_[stream] += piece;
          }
        }) {}

  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  void Stop() {
    stop_ = true;
    Join();
  }
  const std::string& written(Stream stream) const { return written_[static_cast<int>(stream) - 1]; }

 private:
  std::atomic<bool> stop_{false};
  std::string written_[2];
  std::thread thread_;
};

void ExpectExactLog(const StepForTest& step, const Writer& writer) {
  RecordFile::Options options;
  options.access = RecordFile::Access::kReadOnly;
  const auto log = RecordFile::Open(step.options().spool_path, options);
  ASSERT_EQ(log.status(), absl::OkStatus());
  EXPECT_TRUE((*log)->complete());
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    const std::string logged = StreamOf(**log, stream);
    const std::string& written = writer.written(stream);
    EXPECT_EQ(logged.size(), written.size());
    EXPECT_TRUE(logged == written)
        << "differs from byte "
        << std::mismatch(logged.begin(), logged.end(), written.begin(), written.end()).first -
               logged.begin();
  }
}

class AttemptLogKillTest : public ::testing::TestWithParam<int> {};

TEST_P(AttemptLogKillTest, TheLogIsExactHoweverOftenTheAgentIsKilled) {
  constexpr int kKills = 25;
  const std::string seed_note = absl::StrCat("seed ", GetParam());
  SCOPED_TRACE(seed_note);
  std::mt19937 random(GetParam());
  StepForTest step;
  const std::string spool = step.options().spool_path;
  pid_t reader = SpawnReader(step, "read");
  ASSERT_TRUE(Eventually(kPatience, [&] { return step.keeper()->List()->size() == 1; }));
  step.OpenWriters();
  Writer writer(step, GetParam() * 7919, int64_t{1} << 40);

  for (int kills = 0; kills < kKills; ++kills) {
    // Now at once, even before it began to read, now after it has got somewhere.
    const int64_t growth = random() % 3 == 0 ? 0 : random() % 400'000;
    const int64_t target = SizeOf(spool) + growth;
    ASSERT_TRUE(Eventually(kPatience, [&] { return SizeOf(spool) >= target; }));
    Kill(reader);
    reader = SpawnReader(step, "read");
  }
  Kill(reader);
  // One more reads what the writer waits to get rid of; the last comes when the step has ended.
  reader = SpawnReader(step, "read");
  writer.Stop();
  step.CloseWriters();
  Kill(reader);
  ASSERT_EQ(Reap(SpawnReader(step, "finish")), 0);
  ExpectExactLog(step, writer);
  EXPECT_GT(writer.written(Stream::kStdout).size(), 500'000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AttemptLogKillTest, ::testing::Range(1, 5));

TEST(AttemptLogAwayTest, AStepThatEndsWhileNoAgentLivesLosesNothing) {
  StepForTest step;
  const pid_t reader = SpawnReader(step, "read");
  ASSERT_TRUE(Eventually(kPatience, [&] { return step.keeper()->List()->size() == 1; }));
  step.OpenWriters();
  Kill(reader);
  // What fits into the keeper and the pipes, so that the step can end without a reader.
  Writer writer(step, 3, 60'000);
  writer.Join();
  step.CloseWriters();
  ASSERT_EQ(Reap(SpawnReader(step, "finish")), 0);
  ExpectExactLog(step, writer);
}

TEST(AttemptLogAwayTest, AnAgentKilledWhileItFinishesFinishesAgain) {
  StepForTest step;
  pid_t reader = SpawnReader(step, "read");
  ASSERT_TRUE(Eventually(kPatience, [&] { return step.keeper()->List()->size() == 1; }));
  step.OpenWriters();
  Kill(reader);
  Writer writer(step, 4, 200'000);
  writer.Join();
  step.CloseWriters();
  std::mt19937 random(4);
  const std::string spool = step.options().spool_path;
  for (int i = 0; i < 20; ++i) {
    reader = SpawnReader(step, "finish");
    const int64_t target = std::min<int64_t>(SizeOf(spool) + random() % 40'000, 150'000);
    Eventually(absl::Milliseconds(20), [&] { return SizeOf(spool) >= target; });
    kill(reader, SIGKILL);  // It may have finished already.
    Reap(reader);
  }
  ASSERT_EQ(Reap(SpawnReader(step, "finish")), 0);
  ExpectExactLog(step, writer);
}

}  // namespace
}  // namespace rally::logs
