#include "agent/logs/keeper_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/keeper/embedded.h"
#include "agent/keeper/protocol.h"
#include "agent/keeper/socket_address.h"
#include "agent/logs/step_for_test.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::logs {
namespace {

using keeper::FrameType;
using keeper::FrameWriter;
using log::Stream;
using testing::Eventually;

constexpr absl::Duration kPatience = absl::Seconds(20);

// A step whose FIFOs are made and held by the keeper.
class KeeperClientTest : public ::testing::Test {
 protected:
  KeeperClientTest() : connection_(*step_.keeper()->Connect()) {
    const AttemptLog::Options options = step_.options();
    key_ = options.key;
    fifos_ = {options.stdout_fifo, options.stderr_fifo};
    for (const std::string& fifo : fifos_) EXPECT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  }

  std::unique_ptr<KeeperConnection> Connect() { return *step_.keeper()->Connect(); }

  void OpenAttempt() {
    ASSERT_EQ(*connection_->Open(key_, fifos_, {0, 0}), keeper::OpenResult::kNew);
    step_.OpenWriters();
  }

  // The frames that come until `wanted` of them are there, as "out@0:abc out.end@3".
  std::string Frames(KeeperConnection* connection, int wanted) {
    std::string shown;
    const bool arrived = Eventually(kPatience, [&] {
      if (!connection->Receive().ok()) return true;
      keeper::Frame frame;
      while (wanted > 0 && connection->Next(&frame) == keeper::FrameParser::Result::kFrame) {
        --wanted;
        if (!shown.empty()) shown += " ";
        if (frame.type == FrameType::kDisplaced) {
          shown += "displaced";
          continue;
        }
        keeper::PayloadReader payload(frame.payload);
        shown += payload.U8() == 1 ? "out" : "err";
        if (frame.type == FrameType::kEof) shown += ".end";
        absl::StrAppend(&shown, "@", payload.U64());
        if (frame.type != FrameType::kData) continue;
        payload.U64();
        const std::string_view bytes = payload.Rest();
        absl::StrAppend(&shown, ":", absl::string_view(bytes.data(), bytes.size()));
      }
      return wanted == 0;
    });
    return arrived ? shown : shown + " ...";
  }

  StepForTest step_;
  std::unique_ptr<KeeperConnection> connection_;
  std::string key_;
  StreamPaths fifos_;
};

std::string Ack(Stream stream, uint64_t offset) {
  return FrameWriter(FrameType::kAck).U8(static_cast<uint8_t>(stream)).U64(offset).Take();
}

TEST_F(KeeperClientTest, UnacknowledgedBytesAreSentAgainToTheNextReaderAndNoOthers) {
  OpenAttempt();
  ASSERT_TRUE(connection_->Attach(key_, {0, 0}).ok());
  step_.Write(Stream::kStdout, "abc");
  EXPECT_EQ(Frames(connection_.get(), 1), "out@0:abc");
  step_.Write(Stream::kStderr, "E");
  EXPECT_EQ(Frames(connection_.get(), 1), "err@0:E");
  step_.Write(Stream::kStdout, "def");
  EXPECT_EQ(Frames(connection_.get(), 1), "out@3:def");

  auto next = Connect();
  ASSERT_TRUE(next->Attach(key_, {2, 0}).ok());
  EXPECT_EQ(Frames(next.get(), 3), "out@2:c err@0:E out@3:def") << "in the order read";
  EXPECT_EQ(Frames(connection_.get(), 1), "displaced");

  ASSERT_TRUE(next->Send(Ack(Stream::kStdout, 6)).ok());
  ASSERT_TRUE(Eventually(kPatience, [&] {
    return absl::IsDataLoss(Connect()->Attach(key_, {5, 0}));
  })) << "what is acknowledged is gone";
  EXPECT_TRUE(absl::IsDataLoss(Connect()->Attach(key_, {7, 0}))) << "what doesn't exist";
  auto last = Connect();
  ASSERT_TRUE(last->Attach(key_, {6, 0}).ok());
  EXPECT_EQ(Frames(last.get(), 1), "err@0:E");
}

TEST_F(KeeperClientTest, TheEndComesAfterTheLastByteAndToEveryReader) {
  OpenAttempt();
  step_.Write(Stream::kStdout, "abc");
  step_.CloseWriters();
  ASSERT_TRUE(connection_->Finish(key_).ok());
  for (int round = 0; round < 2; ++round) {
    auto reader = Connect();
    ASSERT_TRUE(reader->Attach(key_, {0, 0}).ok());
    const std::string frames = Frames(reader.get(), 3);
    EXPECT_TRUE(frames == "out@0:abc out.end@3 err.end@0" ||
                frames == "out@0:abc err.end@0 out.end@3" ||
                frames == "err.end@0 out@0:abc out.end@3")
        << frames;
  }
}

TEST_F(KeeperClientTest, NothingEndsBeforeFinish) {
  OpenAttempt();
  ASSERT_TRUE(connection_->Attach(key_, {0, 0}).ok());
  step_.Write(Stream::kStdout, "a");
  step_.CloseWriters();
  EXPECT_EQ(Frames(connection_.get(), 1), "out@0:a");
  step_.OpenWriters();
  step_.Write(Stream::kStdout, "b");
  EXPECT_EQ(Frames(connection_.get(), 1), "out@1:b") << "another writer may come";
}

TEST_F(KeeperClientTest, OpeningTwiceIsTheSameAttemptUnlessThePathsDiffer) {
  OpenAttempt();
  EXPECT_EQ(*connection_->Open(key_, fifos_, {5, 5}), keeper::OpenResult::kHeld);
  EXPECT_TRUE(
      absl::IsAlreadyExists(connection_->Open(key_, {fifos_[1], fifos_[0]}, {0, 0}).status()));
  EXPECT_EQ(*connection_->List(), std::vector<std::string>({key_}));
  ASSERT_TRUE(connection_->Forget(key_).ok());
  EXPECT_TRUE(connection_->List()->empty());
  EXPECT_TRUE(absl::IsNotFound(connection_->Attach(key_, {0, 0})));
  EXPECT_TRUE(absl::IsNotFound(connection_->Finish(key_)));
  EXPECT_EQ(*connection_->Open(key_, fifos_, {0, 0}), keeper::OpenResult::kNew);
}

TEST_F(KeeperClientTest, WrongNamesAndPathsAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(connection_->Open("", fifos_, {0, 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(connection_->Open("a/b", fifos_, {0, 0}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(connection_->Open(key_, {"relative", fifos_[1]}, {0, 0}).status()));
  const auto missing = connection_->Open(key_, {fifos_[0] + ".none", fifos_[1]}, {0, 0});
  EXPECT_TRUE(absl::IsFailedPrecondition(missing.status()));
  EXPECT_TRUE(absl::StrContains(missing.status().message(), ".none: No such file"))
      << missing.status();
  EXPECT_TRUE(absl::StrContains(
      connection_->Open(key_, {"/dev/null", fifos_[1]}, {0, 0}).status().message(),
      "isn't a FIFO"));
}

TEST_F(KeeperClientTest, GarbageClosesItsConnectionAndHarmsNothingElse) {
  OpenAttempt();
  step_.Write(Stream::kStdout, "kept");
  const int pid = step_.KeeperPid();
  std::mt19937 random(5);
  const std::string hello =
      FrameWriter(FrameType::kHello).U32(keeper::kMagic).U32(keeper::kVersion).Take();
  std::vector<std::string> inputs = {
      "GET / HTTP/1.1\r\n\r\n",
      FrameWriter(FrameType::kList).Take(),  // Before the greeting.
      hello + hello,
      hello + FrameWriter(FrameType::kData).Take(),
      hello + FrameWriter(FrameType::kAttach).String(key_).Take(),
      hello + FrameWriter(FrameType::kOpen).U16(60000).Bytes("short").Take(),
      hello + FrameWriter(FrameType::kAck).U8(9).U64(0).Take(),
      FrameWriter(FrameType::kHello).U32(1).U32(1).Take(),
  };
  for (int i = 0; i < 200; ++i) {
    std::string bytes(1 + random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : 0);
    // Its first frame breaks the rules whatever follows.
    bytes[3] = '\x7f';
    inputs.push_back(i % 2 == 0 ? hello + bytes + std::string(8, '\xff') : bytes + "12345678");
  }
  for (const std::string& input : inputs) {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const keeper::SocketAddress address(step_.keeper()->socket_path());
    ASSERT_EQ(connect(socket.get(), address.get(), address.size()), 0);
    ASSERT_EQ(send(socket.get(), input.data(), input.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(input.size()));
    pollfd polled{socket.get(), POLLRDHUP, 0};
    ASSERT_EQ(poll(&polled, 1, 20000), 1) << "the keeper goes on listening to garbage";
  }
  EXPECT_EQ(step_.KeeperPid(), pid);
  ASSERT_TRUE(connection_->Attach(key_, {0, 0}).ok());
  EXPECT_EQ(Frames(connection_.get(), 1), "out@0:kept");
}

TEST_F(KeeperClientTest, AcknowledgingWhatWasNotSentClosesTheConnection) {
  OpenAttempt();
  ASSERT_TRUE(connection_->Attach(key_, {0, 0}).ok());
  ASSERT_TRUE(connection_->Send(Ack(Stream::kStdout, 1)).ok());
  EXPECT_TRUE(Eventually(kPatience, [&] { return !connection_->Receive().ok(); }));
  EXPECT_TRUE(Connect()->Attach(key_, {0, 0}).ok()) << "the attempt is as it was";
}

TEST_F(KeeperClientTest, AClientThatNeverReadsIsCutOff) {
  std::string lists;
  for (int i = 0; i < 1000; ++i) lists += FrameWriter(FrameType::kList).Take();
  bool cut_off = false;
  for (int i = 0; i < 1000 && !cut_off; ++i) cut_off = !connection_->Send(lists).ok();
  EXPECT_TRUE(cut_off);
  EXPECT_TRUE(Connect()->List()->empty());
}

TEST_F(KeeperClientTest, ExitIfIdleIsRefusedWhileAnAttemptIsHeld) {
  OpenAttempt();
  EXPECT_TRUE(absl::IsFailedPrecondition(step_.keeper()->ExitIfIdle()));
  EXPECT_GT(step_.KeeperPid(), 0);
  step_.CloseWriters();
  ASSERT_TRUE(connection_->Forget(key_).ok());
  connection_.reset();
  EXPECT_TRUE(step_.keeper()->ExitIfIdle().ok());
  EXPECT_TRUE(Eventually(kPatience, [&] { return step_.KeeperPid() < 0; }));
  EXPECT_NE(access(step_.keeper()->socket_path().c_str(), F_OK), 0) << "it removes its socket";
  EXPECT_TRUE(Connect()->List()->empty()) << "the next Connect() starts another";
}

TEST_F(KeeperClientTest, TheKeeperHasNothingOfItsStarter) {
  const std::string fds = absl::StrCat("/proc/", step_.KeeperPid(), "/fd");
  int others = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fds)) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error);
    const bool own = target == "/dev/null" || absl::StartsWith(target, "socket:") ||
                     absl::EndsWith(target, "/keeper.sock.lock");
    if (!own) ++others;
    EXPECT_TRUE(own) << target;
  }
  EXPECT_EQ(others, 0);
  struct stat status;
  ASSERT_EQ(stat(step_.keeper()->socket_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(std::filesystem::read_symlink(absl::StrCat("/proc/", step_.KeeperPid(), "/cwd")), "/");
}

TEST_F(KeeperClientTest, ASecondKeeperOnTheSocketRefusesToStart) {
  OpenAttempt();
  const int first = step_.KeeperPid();
  const std::string command =
      absl::StrCat("'", step_.directory(), "/keeper/rally-keeper' --socket '",
                   step_.keeper()->socket_path(), "' 2>/dev/null");
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), keeper::kExitAlreadyAlive);
  EXPECT_EQ(step_.KeeperPid(), first);
  EXPECT_EQ(*Connect()->List(), std::vector<std::string>({key_})) << "the first is still reached";
}

TEST_F(KeeperClientTest, AStaleSocketOfAKilledKeeperIsReplaced) {
  step_.KillKeeper();
  ASSERT_EQ(access(step_.keeper()->socket_path().c_str(), F_OK), 0);
  EXPECT_TRUE(Connect()->List()->empty());
}

TEST(KeeperLifeTest, ItLeavesByItselfWhenNobodyNeedsIt) {
  StepForTest step(/*idle_exit=*/absl::Milliseconds(30));
  const int pid = step.KeeperPid();
  ASSERT_GT(pid, 0) << "the client's presence keeps it";
  KeeperClient::Options options;
  options.directory = absl::StrCat(step.directory(), "/other");
  options.executable = keeper::EmbeddedKeeper();
  options.idle_exit = absl::Milliseconds(30);
  auto client = *KeeperClient::Start(options);
  const std::string socket_path = client->socket_path();
  EXPECT_EQ(access(socket_path.c_str(), F_OK), 0);
  client.reset();
  EXPECT_TRUE(Eventually(kPatience, [&] { return access(socket_path.c_str(), F_OK) != 0; }));
  EXPECT_NE(access((socket_path + ".lock").c_str(), F_OK), 0);
  EXPECT_EQ(step.KeeperPid(), pid);
}

TEST(KeeperLifeTest, ItLeavesWhenItsDirectoryIsGone) {
  StepForTest step;
  const AttemptLog::Options options = step.options();
  ASSERT_EQ(AttemptLog::Start(step.keeper(), options).status(), absl::OkStatus());
  // As an agent that is killed and whose data is removed: nobody can find the keeper any more.
  ASSERT_EQ(unlink(step.keeper()->socket_path().c_str()), 0);
  EXPECT_TRUE(absl::IsUnavailable(
      KeeperConnection::Connect(step.keeper()->socket_path(), absl::Seconds(1)).status()));
  EXPECT_EQ(step.keeper()->ExitIfIdle(), absl::OkStatus()) << "gives up the client's presence";
  EXPECT_TRUE(Eventually(kPatience, [&] { return step.KeeperPid() < 0; }));
}

TEST(KeeperLifeTest, ALongPathIsNoObstacle) {
  StepForTest step;
  KeeperClient::Options options;
  options.directory = absl::StrCat(step.directory(), "/", std::string(150, 'd'));
  options.executable = keeper::EmbeddedKeeper();
  auto client = KeeperClient::Start(options);
  ASSERT_EQ(client.status(), absl::OkStatus());
  EXPECT_TRUE((*client)->List()->empty());
  EXPECT_EQ((*client)->ExitIfIdle(), absl::OkStatus());
}

TEST(KeeperLifeTest, AnExecutableThatFailsIsReportedWithWhatItSaid) {
  StepForTest step;
  KeeperClient::Options options;
  options.directory = absl::StrCat(step.directory(), "/failing");
  options.executable = "#!/bin/sh\necho out of luck >&2\nexit 1\n";
  const absl::Status failed = KeeperClient::Start(options).status();
  EXPECT_TRUE(absl::IsUnavailable(failed));
  EXPECT_TRUE(absl::StrContains(failed.message(), "out of luck")) << failed;
}

}  // namespace
}  // namespace rally::logs
