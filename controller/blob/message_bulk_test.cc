#include "controller/blob/message_bulk.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/any.pb.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
using ::testing::HasSubstr;

constexpr int kMany = 100'000;

std::string Repeat(const std::string& bytes, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += bytes;
  return all;
}
std::string Field(int number, const std::string& bytes) {
  std::string size;
  for (size_t left = bytes.size();; left >>= 7) {
    size += static_cast<char>(left < 128 ? left : (left & 127) | 128);
    if (left < 128) break;
  }
  return absl::StrCat(std::string(1, static_cast<char>(number << 3 | 2)), size, bytes);
}
grpc::ByteBuffer InSlices(const std::string& bytes) {
  const size_t half = bytes.size() / 2;
  const grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, half)),
                                grpc::Slice(bytes.substr(half))};
  return grpc::ByteBuffer(slices, 2);
}

template <typename Message>
absl::Status Parse(const std::string& bytes) {
  Message as_string, as_buffer;
  const absl::Status status = ParseWithinBulk(bytes, &as_string);
  EXPECT_EQ(ParseWithinBulk(InSlices(bytes), &as_buffer), status);
  EXPECT_EQ(as_string.SerializeAsString(), as_buffer.SerializeAsString());
  return status;
}

TEST(MessageBulkTest, WhatSaysSomethingIsParsed) {
  reapi::Directory directory;
  // About the least that one can say with as many messages.
  for (int i = 0; i < 20'000; ++i) {
    reapi::SymlinkNode* const link = directory.add_symlinks();
    link->set_name(absl::StrCat("l", i));
    link->set_target("../x");
    link->mutable_node_properties()->mutable_mtime()->set_seconds(1'700'000'000);
    link->mutable_node_properties()->mutable_unix_mode()->set_value(0777);
  }
  const std::string bytes = directory.SerializeAsString();
  reapi::Directory parsed;
  ASSERT_EQ(ParseWithinBulk(bytes, &parsed), absl::OkStatus());
  EXPECT_EQ(parsed.SerializeAsString(), bytes);
  EXPECT_EQ(Parse<reapi::Directory>(bytes), absl::OkStatus());
  EXPECT_EQ(Parse<reapi::Directory>(""), absl::OkStatus());
  EXPECT_EQ(Parse<reapi::Directory>(Repeat(Field(1, ""), 1'000)), absl::OkStatus());
}

TEST(MessageBulkTest, EmptyMessagesAreRefusedWhereverTheyAre) {
  const std::string empty = Repeat(Field(2, ""), kMany);
  for (const absl::Status& status : {
           Parse<reapi::FindMissingBlobsRequest>(empty),
           Parse<reapi::ActionResult>(empty),
           Parse<reapi::Tree>(empty),
           Parse<reapi::Directory>(empty),
           Parse<reapi::Tree>(Field(1, empty)),
           Parse<reapi::UpdateActionResultRequest>(Field(3, empty)),
           // Strings, and what the API file doesn't know.
           Parse<reapi::GetActionResultRequest>(Repeat(Field(5, ""), kMany)),
           Parse<reapi::Digest>(Repeat(Field(15, ""), kMany)),
       }) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("too many messages"));
  }
  reapi::BatchUpdateBlobsRequest request;
  EXPECT_EQ(CheckBulk(InSlices(empty), request).code(), absl::StatusCode::kInvalidArgument);
}

TEST(MessageBulkTest, MalformedOnesAreRefused) {
  for (const std::string bytes :
       {"\xff not a message", "\x0a", "\x0a\x05x", "\x0b\x0c", "\x0c", "\x0a\x02\x0a\x05"}) {
    EXPECT_EQ(Parse<reapi::Directory>(bytes).code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace rally::cas
