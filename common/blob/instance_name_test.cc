#include "common/blob/instance_name.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

using ::testing::HasSubstr;

TEST(InstanceNameTest, WhatCallsMayCarry) {
  for (const std::string& name : std::vector<std::string>{"", "main", "team/a", "a.b/c_d-e",
                                                          "Blobs", "blobsx", " ", "\xc3\xa4"}) {
    EXPECT_EQ(CheckInstanceName(name), absl::OkStatus()) << name;
  }
  for (const std::string& name : std::vector<std::string>{
           "/", "/a", "a/", "a//b", "blobs", "a/uploads", "actions/a", "a/actionResults/b",
           "operations", "capabilities", "compressed-blobs", std::string(1025, 'i')}) {
    const absl::Status status = CheckInstanceName(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(status.message(), HasSubstr("instance name"));
    EXPECT_LT(status.message().size(), 400u);
  }
}

}  // namespace
}  // namespace rally::blob
