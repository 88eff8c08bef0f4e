#include "common/rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rally::rpc {
namespace {

using ::testing::HasSubstr;

TEST(ChannelTest, Addresses) {
  for (const char* good :
       {"host:7470", "127.0.0.1:0", "[::1]:7470", "unix:/run/rally.sock", "unix:relative.sock"}) {
    EXPECT_EQ(CheckAddress(good), absl::OkStatus()) << good;
  }
  for (const char* bad : {"", "host", "host:", ":7470", "host:port", "host:70000", "::1:7470",
                          "[::1:7470", "unix:"}) {
    EXPECT_EQ(CheckAddress(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_THAT(CheckAddress("unix:/" + std::string(107, 'x')).message(), HasSubstr("shorter"));
}

TEST(ChannelTest, OnlyRealLoopbackIsLocal) {
  for (const char* local : {"unix:/x", "127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const char* remote : {"127.example.org:1", "10.0.0.1:1", "0.0.0.0:1", "[::]:1",
                             "localhost.evil.org:1", "[::ffff:10.0.0.1]:1"}) {
    EXPECT_FALSE(IsLocalAddress(remote)) << remote;
  }
}

TEST(ChannelTest, PlaintextIsRefusedBeyondThisHost) {
  Security security;
  security.insecure = true;
  EXPECT_EQ(CheckSecurity(security, "127.0.0.1:7470"), absl::OkStatus());
  EXPECT_EQ(CheckSecurity(security, "unix:/run/rally.sock"), absl::OkStatus());
  EXPECT_THAT(CheckSecurity(security, "ci.example.org:7470").message(),
              HasSubstr("plaintext is allowed only on loopback"));
  EXPECT_FALSE(Dial("ci.example.org:7470", security).ok());
  EXPECT_FALSE(MakeServerCredentials(security, "0.0.0.0:7470").ok());
}

TEST(ChannelTest, TlsNeedsAllThreeFiles) {
  Security security;
  EXPECT_THAT(CheckSecurity(security, "127.0.0.1:1").message(), HasSubstr("or --insecure"));
  EXPECT_THAT(CheckSecurity(security, "ci.example.org:1").message(),
              HasSubstr("give --tls-cert, --tls-key and --tls-ca"));
  security.tls.certificate = "cert.pem";
  EXPECT_THAT(CheckSecurity(security, "ci.example.org:1").message(), HasSubstr("needs all of"));
  security.tls.key = "key.pem";
  security.tls.ca = "ca.pem";
  EXPECT_EQ(CheckSecurity(security, "ci.example.org:1"), absl::OkStatus());
  security.insecure = true;
  EXPECT_THAT(CheckSecurity(security, "127.0.0.1:1").message(), HasSubstr("exclude each other"));
}

TEST(ChannelTest, AMissingPemFileIsNamed) {
  Security security;
  security.tls = {"/nonexistent/cert.pem", "/nonexistent/key.pem", "/nonexistent/ca.pem"};
  EXPECT_THAT(Dial("ci.example.org:1", security).status().message(),
              HasSubstr("/nonexistent/cert.pem as the TLS certificate"));
}

}  // namespace
}  // namespace rally::rpc
