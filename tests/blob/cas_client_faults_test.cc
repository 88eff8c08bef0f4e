// What a CasClient promises when its server misbehaves.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/blob/faulty_cas_server.h"

namespace rally::blob {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FaultyCasServer;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using DigestFunction = build::bazel::remote::execution::v2::DigestFunction;

class CasClientFaultsTest : public ::testing::Test {
 protected:
  CasClientFaultsTest() : fd_(memfd_create("blob", MFD_CLOEXEC)) {}
  ~CasClientFaultsTest() override { close(fd_); }

  static CasClient::Options Options() {
    CasClient::Options options;
    options.name = "the store on the hill";
    options.first_pause = absl::Milliseconds(1);
    options.max_batched_blob_bytes = 10'000;
    return options;
  }

  std::string FileContent() const {
    std::string content(lseek(fd_, 0, SEEK_END), '\0');
    EXPECT_EQ(pread(fd_, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return content;
  }

  static std::string Large() {
    std::string bytes(3'000'000, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 253);
    return bytes;
  }

  const int fd_;
  FaultyCasServer server_;
  CasClient client_{server_.NewChannel(), Options()};
};

TEST_F(CasClientFaultsTest, AServerThatIsAwayIsTriedAgain) {
  FaultyCasServer::Faults faults;
  faults.failing_attempts = 4;
  server_.SetFaults(faults);
  const std::string large = Large();
  const std::vector<Digest> digests = {DigestOf("small"), DigestOf(large)};
  EXPECT_EQ(client_.FindMissing(digests).value(), digests);
  EXPECT_EQ(client_.Upload({{digests[0], "small"}, {digests[1], large}}), absl::OkStatus());
  EXPECT_TRUE(client_.Read(digests).value() == (std::vector<std::string>{"small", large}));
  EXPECT_EQ(client_.ReadToFile(digests[1], fd_), absl::OkStatus());
  EXPECT_TRUE(FileContent() == large);
  EXPECT_EQ(server_.seen().update_calls, 5);
  EXPECT_EQ(server_.seen().write_calls, 5);
  EXPECT_EQ(server_.seen().batch_read_calls, 5);
}

TEST_F(CasClientFaultsTest, OneThatStaysAwayIsNamed) {
  FaultyCasServer::Faults faults;
  faults.failing_attempts = 1'000;
  server_.SetFaults(faults);
  const Digest digest = server_.Put("something");
  for (const absl::Status& status :
       {client_.FindMissing({digest}).status(), client_.Upload({{digest, "something"}}),
        client_.Read({digest}).status(), client_.ReadToFile(digest, fd_)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("the store on the hill"), HasSubstr("gave up after 5 attempts"),
                      HasSubstr("not now")));
  }
  EXPECT_EQ(server_.seen().find_calls, 5);
}

TEST_F(CasClientFaultsTest, APatientClientTriesMoreOften) {
  FaultyCasServer::Faults faults;
  faults.failing_attempts = 8;
  server_.SetFaults(faults);
  CasClient::Options options = Options();
  options.patience = absl::Minutes(10);
  CasClient patient(server_.NewChannel(), options);
  const Digest digest = server_.Put("something");
  EXPECT_THAT(patient.FindMissing({digest}).value(), IsEmpty());
  EXPECT_EQ(server_.seen().find_calls, 9);
}

TEST_F(CasClientFaultsTest, AFullOneGetsAShortWhileToMakeRoom) {
  FaultyCasServer::Faults faults;
  faults.failing_blob_attempts = 2;
  faults.blob_status = grpc::StatusCode::RESOURCE_EXHAUSTED;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{DigestOf("a"), "a"}}), absl::OkStatus());
  faults.failing_blob_attempts = 1'000;
  server_.SetFaults(faults);
  const Digest digest = DigestOf("b");
  const int64_t before = server_.seen().update_calls;
  const absl::Status status = client_.Upload({{digest, "b"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr(digest.hash));
  EXPECT_EQ(server_.seen().update_calls - before, 3);
}

TEST_F(CasClientFaultsTest, WhatIsFinalIsNotTriedAgain) {
  const std::string large = Large();
  const Digest small = server_.Put("small");
  EXPECT_THAT(client_.Read({small}).value(), ElementsAre("small"));  // Now it knows the limits.
  for (grpc::StatusCode code : {grpc::StatusCode::PERMISSION_DENIED, grpc::StatusCode::INTERNAL,
                                grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::UNKNOWN}) {
    FaultyCasServer::Faults faults;
    faults.failing_attempts = 1'000;
    faults.status = code;
    server_.SetFaults(faults);
    const FaultyCasServer::Seen before = server_.seen();
    const auto expected = static_cast<absl::StatusCode>(code);
    EXPECT_EQ(client_.FindMissing({small}).status().code(), expected);
    EXPECT_EQ(client_.Upload({{small, "small"}}).code(), expected);
    EXPECT_EQ(client_.Upload({{DigestOf(large), large}}).code(), expected);
    EXPECT_EQ(client_.Read({small}).status().code(), expected);
    const FaultyCasServer::Seen after = server_.seen();
    EXPECT_EQ(after.find_calls - before.find_calls, 1);
    EXPECT_EQ(after.update_calls - before.update_calls, 1);
    EXPECT_EQ(after.write_calls - before.write_calls, 1);
    EXPECT_EQ(after.batch_read_calls - before.batch_read_calls, 1);
  }
}

TEST_F(CasClientFaultsTest, ASlowServerIsWaitedForUntilTheDeadline) {
  const Digest digest = server_.Put("something");
  FaultyCasServer::Faults faults;
  faults.delay = absl::Milliseconds(50);
  server_.SetFaults(faults);
  EXPECT_THAT(client_.FindMissing({digest}).value(), IsEmpty());
  EXPECT_THAT(client_.Read({digest}).value(), ElementsAre("something"));
  faults.delay = absl::Minutes(10);
  server_.SetFaults(faults);
  CasClient::Options options = Options();
  options.call_deadline = absl::Milliseconds(100);
  CasClient hasty(server_.NewChannel(), options);
  for (const absl::Status& status :
       {hasty.FindMissing({digest}).status(), hasty.Upload({{digest, "something"}}),
        hasty.Read({digest}).status(), hasty.ReadToFile(digest, fd_)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(status.message(), HasSubstr("the store on the hill"));
  }
}

TEST_F(CasClientFaultsTest, WrongBytesReachNobody) {
  const Digest small = server_.Put("small");
  const Digest large = server_.Put(Large());
  FaultyCasServer::Faults faults;
  faults.wrong_bytes = true;
  server_.SetFaults(faults);
  for (const Digest& digest : {small, large}) {
    for (const absl::Status& status :
         {client_.Read({digest}).status(), client_.ReadToFile(digest, fd_)}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(status.message(),
                  AllOf(HasSubstr(digest.hash), HasSubstr("the store on the hill")));
    }
  }
  faults.wrong_bytes = false;
  faults.surplus_byte = true;
  server_.SetFaults(faults);
  const absl::Status status = client_.ReadToFile(large, fd_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(large.hash), HasSubstr("too many bytes")));
}

TEST_F(CasClientFaultsTest, WhatIsLostAfterAllIsNotFoundByName) {
  const Digest small = server_.Put("small");
  const Digest large = server_.Put(Large());
  FaultyCasServer::Faults faults;
  faults.lost = true;
  server_.SetFaults(faults);
  EXPECT_THAT(client_.FindMissing({small, large}).value(), IsEmpty());
  for (const Digest& digest : {small, large}) {
    for (const absl::Status& status :
         {client_.Read({digest}).status(), client_.ReadToFile(digest, fd_)}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
      EXPECT_THAT(status.message(), AllOf(HasSubstr(digest.ToString()),
                                          HasSubstr("the store on the hill does not have it")));
    }
  }
}

TEST_F(CasClientFaultsTest, ACutStreamGoesOnWhereItWasCut) {
  const std::string large = Large();
  const Digest digest = server_.Put(large);
  // With OK as well: what lies between may cut streams and not know it.
  for (grpc::StatusCode code : {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::OK}) {
    FaultyCasServer::Faults faults;
    faults.cut_streams = 2;
    faults.cut_status = code;
    server_.SetFaults(faults);
    const size_t before = server_.seen().read_offsets.size();
    ASSERT_EQ(ftruncate(fd_, 0), 0);
    ASSERT_EQ(lseek(fd_, 0, SEEK_SET), 0);
    EXPECT_EQ(client_.ReadToFile(digest, fd_), absl::OkStatus());
    EXPECT_TRUE(FileContent() == large);
    const std::vector<int64_t> offsets = server_.seen().read_offsets;
    EXPECT_THAT(std::vector<int64_t>(offsets.begin() + before, offsets.end()),
                ElementsAre(0, 1'500'000, 2'250'000));
  }
}

TEST_F(CasClientFaultsTest, WhatCannotBeWrittenHereIsNotTheServersFault) {
  const Digest digest = server_.Put(Large());
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  const absl::Status status = client_.ReadToFile(digest, full);
  close(full);
  EXPECT_EQ(status, absl::ResourceExhaustedError("writing: No space left on device"));
  EXPECT_EQ(server_.seen().read_calls, 1);
}

// Larger than what is worth it.
std::string Huge() { return std::string(20 << 20, 'h') + "uge"; }

TEST_F(CasClientFaultsTest, AnUploadEndsWhenItsCallerSaysSo) {
  const std::string large = Large();
  ASSERT_EQ(write(fd_, large.data(), large.size()), static_cast<ssize_t>(large.size()));
  const auto open_file = [this]() -> absl::StatusOr<int> {
    return open(absl::StrCat("/proc/self/fd/", fd_).c_str(), O_RDONLY | O_CLOEXEC);
  };
  int pieces = 0;
  const auto keep_going = [&] {
    return ++pieces <= 1 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  EXPECT_EQ(client_.Upload({{DigestOf(large), open_file, keep_going}}).code(),
            absl::StatusCode::kCancelled);
  // The last one is of looking whether it was the content's fault.
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(client_.FindMissing({DigestOf(large)})->size(), 1u);
  // And so does one by batches.
  EXPECT_EQ(client_.Upload({{DigestOf("small"), open_file, keep_going}}).code(),
            absl::StatusCode::kCancelled);
}

TEST_F(CasClientFaultsTest, AnUploadThatBrokeOffGoesOnWhereItWas) {
  const std::string huge = Huge();
  const Digest digest = blob::DigestOf(huge);
  FaultyCasServer::Faults faults;
  faults.knows_write_status = true;
  faults.cut_uploads = 1;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{digest, huge}}), absl::OkStatus());
  const std::vector<int64_t> offsets = server_.seen().write_offsets;
  ASSERT_EQ(offsets.size(), 2);
  EXPECT_EQ(offsets[0], 0);
  EXPECT_GE(offsets[1], static_cast<int64_t>(huge.size() / 2));
}

TEST_F(CasClientFaultsTest, AnotherProcessGoesOnAsWell) {
  const std::string huge = Huge();
  const Digest digest = blob::DigestOf(huge);
  FaultyCasServer::Faults faults;
  faults.knows_write_status = true;
  faults.cut_uploads = 1;
  server_.SetFaults(faults);
  CasClient::Options options = Options();
  options.max_attempts = 1;
  CasClient first(server_.NewChannel(), options);
  EXPECT_TRUE(absl::IsUnavailable(first.Upload({{digest, huge}})));
  CasClient second(server_.NewChannel(), options);
  EXPECT_EQ(second.Upload({{digest, huge}}), absl::OkStatus());
  EXPECT_GT(server_.seen().write_offsets.back(), 0);
}

TEST_F(CasClientFaultsTest, WhatTheServerHasDamagedIsSentFromItsStart) {
  const std::string huge = Huge();
  FaultyCasServer::Faults faults;
  faults.knows_write_status = true;
  faults.cut_uploads = 1;
  faults.damages_uploads = true;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{blob::DigestOf(huge), huge}}), absl::OkStatus());
  const std::vector<int64_t> offsets = server_.seen().write_offsets;
  ASSERT_EQ(offsets.size(), 3);
  EXPECT_GT(offsets[1], 0);
  EXPECT_EQ(offsets[2], 0);
}

TEST_F(CasClientFaultsTest, WithoutAWriteStatusAnUploadBeginsAgain) {
  const std::string huge = Huge();
  FaultyCasServer::Faults faults;
  faults.cut_uploads = 1;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{blob::DigestOf(huge), huge}}), absl::OkStatus());
  EXPECT_THAT(server_.seen().write_offsets, ElementsAre(0, 0));
}

TEST_F(CasClientFaultsTest, AStreamThatGivesNothingMoreIsDataLoss) {
  // Each attempt gets half of what the one before left, and so at last nothing.
  const Digest digest = server_.Put("sixteen bytes ..");
  FaultyCasServer::Faults faults;
  faults.cut_streams = 1'000;
  faults.cut_status = grpc::StatusCode::OK;
  server_.SetFaults(faults);
  CasClient::Options options = Options();
  options.max_attempts = 10;
  CasClient patient(server_.NewChannel(), options);
  const absl::Status status = patient.ReadToFile(digest, fd_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(digest.hash), HasSubstr("15 of 16 bytes")));
  EXPECT_EQ(server_.seen().read_calls, 5);
}

TEST_F(CasClientFaultsTest, OfABatchOnlyWhatFailedIsSentAgain) {
  std::vector<BlobUpload> uploads;
  for (int i = 0; i < 10; ++i) {
    const std::string bytes = absl::StrCat("blob ", i);
    uploads.push_back({DigestOf(bytes), bytes});
  }
  ASSERT_EQ(client_.Upload({uploads.begin(), uploads.begin() + 7}), absl::OkStatus());
  FaultyCasServer::Faults faults;
  faults.failing_blob_attempts = 1;
  server_.SetFaults(faults);
  const FaultyCasServer::Seen before = server_.seen();
  ASSERT_EQ(client_.Upload({uploads.begin() + 7, uploads.end()}), absl::OkStatus());
  EXPECT_EQ(server_.seen().update_calls - before.update_calls, 2);
  EXPECT_EQ(server_.seen().updated_blobs - before.updated_blobs, 6);
  std::vector<Digest> digests;
  for (const BlobUpload& upload : uploads) digests.push_back(upload.digest);
  EXPECT_THAT(client_.Read(digests).value(), SizeIs(10));
}

TEST_F(CasClientFaultsTest, AlreadyThereIsAsGoodAsStored) {
  const std::string large = Large();
  FaultyCasServer::Faults faults;
  faults.failing_attempts = 1;
  faults.failing_blob_attempts = 1;
  faults.status = faults.blob_status = grpc::StatusCode::ALREADY_EXISTS;
  ASSERT_EQ(client_.Upload({{DigestOf("first"), "first"}}), absl::OkStatus());
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{DigestOf(large), large}}), absl::OkStatus());
  faults.failing_attempts = 0;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{DigestOf("small"), "small"}}), absl::OkStatus());
}

TEST_F(CasClientFaultsTest, AnswersThatMakeNoSenseAreRefused) {
  const Digest one = server_.Put("one");
  const Digest two = server_.Put("two");
  FaultyCasServer::Faults faults;
  faults.forgetful = true;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{one, "one"}, {two, "two"}}).code(), absl::StatusCode::kInternal);
  const absl::Status status = client_.Read({one, two}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("did not answer"), HasSubstr(two.hash)));
  faults.forgetful = false;
  faults.nonsense = true;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.FindMissing({one}).status().code(), absl::StatusCode::kInternal);
}

TEST_F(CasClientFaultsTest, TheServersBatchLimitHolds) {
  for (const auto& [limit, largest] : std::vector<std::pair<int64_t, int64_t>>{
           {30'000, 30'000}, {1, 1}, {0, Options().batch_limit_bytes}}) {
    FaultyCasServer::Faults faults;
    faults.max_batch_bytes = limit;
    FaultyCasServer server(faults);
    CasClient client(server.NewChannel(), Options());
    std::vector<BlobUpload> uploads;
    std::vector<Digest> digests;
    std::vector<std::string> blobs;
    for (int i = 0; i < 1'000; ++i) {
      blobs.push_back(absl::StrCat(std::string(8'000, 'x'), i));
      digests.push_back(DigestOf(blobs.back()));
      uploads.push_back({digests.back(), blobs.back()});
    }
    EXPECT_EQ(client.Upload(std::move(uploads)), absl::OkStatus());
    EXPECT_TRUE(client.Read(digests).value() == blobs);
    const FaultyCasServer::Seen seen = server.seen();
    EXPECT_LE(seen.largest_batch_bytes, largest);
    EXPECT_EQ(seen.capabilities_calls, 1);
    EXPECT_FALSE(seen.compression_wanted);
  }
}

TEST_F(CasClientFaultsTest, AServerWithoutCapabilitiesHasNoLimits) {
  FaultyCasServer::Faults faults;
  faults.without_capabilities = true;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.Upload({{DigestOf("a"), "a"}}), absl::OkStatus());
  EXPECT_THAT(client_.Read({DigestOf("a")}).value(), ElementsAre("a"));
  EXPECT_EQ(server_.seen().capabilities_calls, 1);
}

TEST_F(CasClientFaultsTest, ManyDigestsAreAskedForInParts) {
  std::vector<Digest> digests;
  for (int i = 0; i < 25'000; ++i) digests.push_back(DigestOf(absl::StrCat(i)));
  EXPECT_TRUE(client_.FindMissing(digests).value() == digests);
  EXPECT_EQ(server_.seen().find_calls, 4);
  EXPECT_EQ(server_.seen().largest_find, 6'250);
}

TEST_F(CasClientFaultsTest, ACheckTellsWhatIsWrongWithAServer) {
  constexpr absl::Duration kPatience = absl::Seconds(20);
  EXPECT_EQ(client_.CheckServer(kPatience), absl::OkStatus());

  FaultyCasServer::Faults faults;
  faults.failing_attempts = 3;
  server_.SetFaults(faults);
  EXPECT_EQ(client_.CheckServer(kPatience), absl::OkStatus()) << "it was only late";

  faults = FaultyCasServer::Faults();
  faults.digest_functions = {DigestFunction::SHA1, DigestFunction::MD5};
  server_.SetFaults(faults);
  absl::Status status = client_.CheckServer(kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the store on the hill"), HasSubstr("SHA-256")));

  faults = FaultyCasServer::Faults();
  faults.low_version = faults.high_version = 3;
  server_.SetFaults(faults);
  status = client_.CheckServer(kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("version 3 to 3"));

  faults = FaultyCasServer::Faults();
  faults.without_capabilities = true;
  server_.SetFaults(faults);
  status = client_.CheckServer(kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("no store of the Remote Execution API"));

  faults = FaultyCasServer::Faults();
  faults.failing_attempts = 1'000;
  faults.status = grpc::StatusCode::UNAUTHENTICATED;
  server_.SetFaults(faults);
  status = client_.CheckServer(kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("not now"));
}

TEST_F(CasClientFaultsTest, ACheckOfNobodyEnds) {
  std::string address;
  {
    FaultyCasServer gone;
    address = gone.address();
  }
  CasClient client(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), Options());
  const absl::Status status = client.CheckServer(absl::Milliseconds(200));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the store on the hill could not be reached"),
                                      HasSubstr("within 200ms")));
}

}  // namespace
}  // namespace rally::blob
