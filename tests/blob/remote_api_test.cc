// The blob service when blobs are damaged and servers come and go.
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"

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

}  // namespace
}  // namespace rally::testing
