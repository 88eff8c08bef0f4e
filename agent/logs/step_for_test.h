#ifndef RALLY_AGENT_LOGS_STEP_FOR_TEST_H_
#define RALLY_AGENT_LOGS_STEP_FOR_TEST_H_

#include <array>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/logs/attempt_log.h"
#include "agent/logs/keeper_client.h"
#include "common/file_descriptor.h"
#include "common/log/record_file.h"

namespace rally::logs {

// What a test of the log path stands on: a directory with a keeper, and one attempt whose FIFOs the
// test writes as containerd's shim does. Its destructor leaves no keeper behind.
class StepForTest {
 public:
  explicit StepForTest(absl::Duration idle_exit = absl::Seconds(5));
  ~StepForTest();

  KeeperClient* keeper() { return keeper_.get(); }
  const std::string& directory() const { return directory_; }
  AttemptLog::Options options() const;

  // The write ends, opened as the shim opens them: they block until somebody reads.
  void OpenWriters();
  void CloseWriters();
  int writer(log::Stream stream) const { return writers_[static_cast<int>(stream) - 1].get(); }
  // Writes all of `bytes`, blocking as long as the pipe is full.
  void Write(log::Stream stream, absl::string_view bytes) const;
  // Makes the write ends non-blocking and writes until nothing more goes in; returns how much did.
  size_t WriteUntilFull(log::Stream stream) const;

  // The pid of the keeper that has this directory; -1 for none.
  int KeeperPid() const;
  // Ends it as a crash would, and waits until it's gone.
  void KillKeeper();

 private:
  std::string directory_;
  std::unique_ptr<KeeperClient> keeper_;
  std::array<FileDescriptor, log::kStreams> writers_;
};

// All bytes of one stream in a log, after checking that its records follow each other.
std::string StreamOf(const log::RecordFile& log, log::Stream stream);

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_STEP_FOR_TEST_H_
