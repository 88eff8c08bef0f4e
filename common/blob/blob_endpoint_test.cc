#include "common/blob/blob_endpoint.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(BlobEndpointTest, PartsOfGoodOnes) {
  struct Row {
    std::string url;
    bool use_tls;
    std::string address, instance;
  };
  for (const Row& row : std::vector<Row>{
           {"grpcs://cache.example:9092", true, "cache.example:9092", ""},
           {"grpcs://cache.example:9092/", true, "cache.example:9092", ""},
           {"grpcs://cache.example:443/team/a", true, "cache.example:443", "team/a"},
           {"grpcs://[2001:db8::1]:443/x", true, "[2001:db8::1]:443", "x"},
           {"grpc://127.0.0.1:9092/main", false, "127.0.0.1:9092", "main"},
           {"grpc://localhost:1", false, "localhost:1", ""},
           {"grpc://[::1]:9092", false, "[::1]:9092", ""},
           {"unix:/run/store/s.sock", false, "unix:/run/store/s.sock", ""},
       }) {
    const auto endpoint = ParseBlobEndpoint(row.url);
    ASSERT_EQ(endpoint.status(), absl::OkStatus()) << row.url;
    EXPECT_EQ(endpoint->url, row.url);
    EXPECT_EQ(endpoint->use_tls, row.use_tls) << row.url;
    EXPECT_EQ(endpoint->address, row.address) << row.url;
    EXPECT_EQ(endpoint->instance, row.instance) << row.url;
  }
}

TEST(BlobEndpointTest, WhatIsWrongIsSaid) {
  for (const auto& [url, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "grpc[s]://HOST:PORT"},
           {"cache.example:9092", "grpc[s]://HOST:PORT"},
           {"http://cache.example:9092", "grpc[s]://HOST:PORT"},
           {"grpcs://cache.example", "cache.example"},
           {"grpcs://cache.example/main", "HOST:PORT"},
           {"grpcs://:9092", "HOST:PORT"},
           {"grpcs://cache.example:0", "port 0"},
           {"grpcs://cache.example:port", "HOST:PORT"},
           {"grpcs://cache.example:1//a", "empty segment"},
           {"grpcs://cache.example:1/a/", "empty segment"},
           {"grpcs://cache.example:1/a/blobs", "'blobs' can't be part of it"},
           {"grpcs://cache.example:1/uploads", "'uploads' can't be part of it"},
           {"grpcs://cache.example:1/a b", "blanks"},
           {"grpc://cache.example:9092", "use grpcs://"},
           {"grpc://0.0.0.0:9092", "use grpcs://"},
           {"unix:", "unix:PATH"},
       }) {
    const auto endpoint = ParseBlobEndpoint(url);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(endpoint.status().message(), HasSubstr("--blob-endpoint"));
    EXPECT_THAT(endpoint.status().message(), HasSubstr(reason)) << url;
  }
}

TEST(BlobEndpointTest, APasswordIsNotRepeated) {
  const auto endpoint = ParseBlobEndpoint("grpcs://me:geheim@cache.example:1");
  EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(endpoint.status().message(), HasSubstr("can't hold a user or a password"));
  EXPECT_THAT(endpoint.status().message(), Not(HasSubstr("geheim")));
}

TEST(BlobEndpointTest, TheClientSaysWhoItAskedAndForWhat) {
  const auto endpoint = ParseBlobEndpoint("grpcs://cache.example:1/team/a");
  ASSERT_EQ(endpoint.status(), absl::OkStatus());
  const CasClient::Options options = ClientOptionsFor(*endpoint);
  EXPECT_EQ(options.instance, "team/a");
  EXPECT_EQ(options.name, "the blob store grpcs://cache.example:1/team/a");
}

TEST(BlobEndpointTest, TlsFilesThatCannotBeReadAreNamed) {
  const auto endpoint = ParseBlobEndpoint("grpcs://cache.example:1");
  ASSERT_EQ(endpoint.status(), absl::OkStatus());
  // Without any it's the system's authorities that count.
  EXPECT_EQ(DialBlobEndpoint(*endpoint, {}).status(), absl::OkStatus());
  for (const rpc::TlsFiles& files :
       {rpc::TlsFiles{"", "", "/nonexistent/ca.pem"},
        rpc::TlsFiles{"/nonexistent/cert.pem", "/nonexistent/key.pem", "/nonexistent/ca.pem"}}) {
    const absl::Status status = DialBlobEndpoint(*endpoint, files).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("--blob-endpoint grpcs://cache.example:1"));
    EXPECT_THAT(status.message(), HasSubstr("/nonexistent/"));
  }
}

}  // namespace
}  // namespace rally::blob
