#ifndef RALLY_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_
#define RALLY_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "controller/controller.h"
#include "controller/options.h"
#include "controller/testing/scripted_agent.h"
#include "gtest/gtest.h"
#include "rally/v1/agent.grpc.pb.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::controller {

// For tests: a controller with its journal, logs and blobs in a folder of the test, on a port of
// loopback, and stubs for it.
class ControllerFixture : public ::testing::Test {
 protected:
  // Each stream and call of a test ends by then.
  static constexpr absl::Duration kPatience = absl::Seconds(20);
  static constexpr char kImage[] =
      "docker.io/library/busybox@sha256:"
      "0000000000000000000000000000000000000000000000000000000000000000";

  ControllerFixture();
  void SetUp() override { StartController(); }

  // As a restart: what ran before is gone.
  void StartController();
  void StopController();

  // A context whose deadline is the test's patience.
  static std::unique_ptr<grpc::ClientContext> Context();

  // One step, "s", that needs no other.
  static std::string OneStep();
  grpc::Status Submit(const v1::SubmitRequest& request, v1::SubmitResponse* response);
  // Submits OneStep and returns the build's id.
  std::string SubmitOneStep(const std::string& key = "key");
  v1::Build Get(const std::string& build_id);
  v1::Agent GetAgent(const std::string& name);
  // Waits for the state of the build's first step.
  void AwaitStep(const std::string& build_id, v1::StepStatus status);

  Options options_;
  std::unique_ptr<Controller> controller_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> builds_;
  std::unique_ptr<v1::LogService::Stub> logs_;
};

// One stream of LogService.
class LogWriter {
 public:
  explicit LogWriter(v1::LogService::Stub* stub);
  ~LogWriter();

  // Sends bytes and returns the answer.
  v1::LogAck Append(const v1::AttemptKey& key, int64_t offset, const std::string& bytes,
                    bool complete = false);

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::LogAppend, v1::LogAck>> stream_;
};

// One ReadLog call.
class LogFollower {
 public:
  LogFollower(v1::BuildService::Stub* stub, const v1::ReadLogRequest& request);
  ~LogFollower();

  // Reads until `bytes` bytes came, or the end.
  std::string Read(size_t bytes);
  // Reads all that comes until the last chunk, then the status.
  std::string ReadToEnd(grpc::Status* status = nullptr);
  int attempt() const { return attempt_; }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Finish();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::LogChunk>> stream_;
  int attempt_ = 0;
  bool complete_ = false;
  bool finished_ = false;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_
