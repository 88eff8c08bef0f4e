// The blob service when blobs are damaged and servers come and go.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/file_digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"
#include "tests/support/eventually.h"

namespace rally::testing {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using grpc::StatusCode;
using ::testing::HasSubstr;

TEST_F(RemoteApiTest, DamagedBlobNeverReachesAClient) {
  const std::string bytes(3'000'000, 'd');
  const Digest digest = Put(bytes);
  const fs::path file = server_.directory() / "cas" / digest.hash.substr(0, 2) /
                        absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
  fs::permissions(file, fs::perms::owner_all);
  std::string flipped = bytes;
  flipped[1'234'567] = 'D';
  std::ofstream(file, std::ios::binary) << flipped;
  std::string data;
  EXPECT_EQ(ReadStream(BlobName(digest), 0, 0, &data).error_code(), StatusCode::DATA_LOSS);
  EXPECT_LT(data.size(), bytes.size());
  EXPECT_EQ(ReadStream(BlobName(digest), 0, 0, &data).error_code(), StatusCode::NOT_FOUND);

  blob::CasClient client(channel_, {});
  EXPECT_EQ(client.FindMissing({digest})->size(), 1);
  EXPECT_EQ(client.Upload({{digest, bytes}}), absl::OkStatus());
  EXPECT_TRUE(client.Read({digest})->front() == bytes);
}

// Our client checks what it gets, so the server doesn't; it still finds out, and the blob heals.
TEST_F(RemoteApiTest, WhatTheClientFindsDamagedTheServerPutsAside) {
  blob::CasClient client(channel_, {});
  for (const std::string& bytes : {std::string(5'000, 's'), std::string(3'000'000, 'l')}) {
    const Digest digest = Put(bytes);
    const fs::path file = server_.directory() / "cas" / digest.hash.substr(0, 2) /
                          absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
    fs::permissions(file, fs::perms::owner_all);
    std::string flipped = bytes;
    flipped[1'234] = 'X';
    std::ofstream(file, std::ios::binary) << flipped;
    const int64_t before = server_.store().quarantined();
    EXPECT_FALSE(client.Read({digest}).ok());
    EXPECT_EQ(server_.store().quarantined(), before + 1);
    EXPECT_EQ(client.Read({digest}).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(client.FindMissing({digest})->size(), 1);
    EXPECT_EQ(client.Upload({{digest, bytes}}), absl::OkStatus());
    EXPECT_TRUE(client.Read({digest})->front() == bytes);
  }
}

TEST_F(RemoteApiTest, ClientRepeatsWhenTheServerComesBack) {
  blob::CasClient::Options options;
  options.first_pause = absl::Milliseconds(20);
  options.max_attempts = 200;
  blob::CasClient client(channel_, options);
  ASSERT_EQ(client.Upload({{DigestOf("x"), "x"}}), absl::OkStatus());
  server_.Stop();
  std::thread restart([&] { server_.Start(); });
  EXPECT_EQ(client.Upload({{DigestOf("y"), "y"}}), absl::OkStatus());
  restart.join();
  EXPECT_EQ(server_.store().ReadAll(DigestOf("y")).value(), "y");
}

TEST_F(RemoteApiTest, ClientGivesUpOnAServerThatIsGone) {
  blob::CasClient::Options options;
  options.first_pause = absl::Milliseconds(1);
  options.max_attempts = 3;
  server_.Stop();
  blob::CasClient client(server_.NewChannel(), options);
  const absl::Status status = client.FindMissing({DigestOf("x")}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("gave up after 3 attempts"));
}

// The first sends half of it, and lies still until the second one is done.
TEST_F(RemoteApiTest, TwoClientsUploadOneLargeBlobAtTheSameTime) {
  const std::string bytes(20 << 20, 'l');
  const Digest digest = DigestOf(bytes);
  // What clients call an upload of a blob that is worth going on with.
  const std::string& hash = digest.hash;
  const std::string upload =
      absl::StrCat("uploads/", hash.substr(0, 8), "-", hash.substr(8, 4), "-8", hash.substr(13, 3),
                   "-8", hash.substr(17, 3), "-", hash.substr(20, 12), "/", BlobName(digest));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  absl::Status first_ended = absl::UnknownError("not yet");
  std::thread first([&] {
    blob::CasClient client(server_.NewChannel(), {});
    first_ended = client.Upload({{digest, [&] { return ends[0]; }}});
  });
  const absl::string_view all = bytes;
  EXPECT_EQ(blob::WriteAll(ends[1], all.substr(0, all.size() / 2)), absl::OkStatus());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return ReceivedBytes(upload) > 0; }));

  blob::CasClient::Options options;
  options.first_pause = absl::Milliseconds(1);
  blob::CasClient second(channel_, options);
  EXPECT_EQ(second.Upload({{digest, bytes}}), absl::OkStatus());
  EXPECT_TRUE(server_.store().Contains(digest));

  EXPECT_EQ(blob::WriteAll(ends[1], all.substr(all.size() / 2)), absl::OkStatus());
  close(ends[1]);
  first.join();
  EXPECT_EQ(first_ended, absl::OkStatus());
  EXPECT_TRUE(server_.store().ReadAll(digest).value() == bytes);
}

}  // namespace
}  // namespace rally::testing
