#include "controller/blob/resource_name.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using ::testing::HasSubstr;

const std::string kHash = blob::DigestOf("abc").hash;
const std::string kBlob = kHash + "/3";

TEST(ResourceNameTest, ReadNames) {
  struct Case {
    std::string name, instance, compressor;
  };
  for (const Case& c : std::vector<Case>{
           {"blobs/" + kBlob, "", ""},
           {"main/blobs/" + kBlob, "main", ""},
           {"team/a/b/blobs/" + kBlob, "team/a/b", ""},
           {"compressed-blobs/zstd/" + kBlob, "", "zstd"},
           {"x/compressed-blobs/deflate/" + kBlob, "x", "deflate"},
       }) {
    const auto parsed = ParseReadName(c.name);
    ASSERT_EQ(parsed.status(), absl::OkStatus()) << c.name;
    EXPECT_EQ(parsed->instance, c.instance);
    EXPECT_EQ(parsed->compressor, c.compressor);
    EXPECT_EQ(parsed->digest, blob::DigestOf("abc"));
  }
}

TEST(ResourceNameTest, WriteNames) {
  struct Case {
    std::string name, instance, compressor;
  };
  for (const Case& c : std::vector<Case>{
           {"uploads/u-1/blobs/" + kBlob, "", ""},
           {"a/b/uploads/u/blobs/" + kBlob, "a/b", ""},
           {"uploads/u/blobs/" + kBlob + "/some/file.txt", "", ""},
           {"uploads/u/blobs/" + kBlob + "/", "", ""},
           {"uploads/u/compressed-blobs/zstd/" + kBlob + "/x", "", "zstd"},
           // An id may be anything, also a word that means something elsewhere.
           {"uploads/blobs/blobs/" + kBlob, "", ""},
       }) {
    const auto parsed = ParseWriteName(c.name);
    ASSERT_EQ(parsed.status(), absl::OkStatus()) << c.name;
    EXPECT_EQ(parsed->instance, c.instance);
    EXPECT_EQ(parsed->compressor, c.compressor);
    EXPECT_EQ(parsed->digest, blob::DigestOf("abc"));
  }
}

TEST(ResourceNameTest, RefusedReadNames) {
  for (const std::string& name : std::vector<std::string>{
           "",
           "blobs",
           "blobs/",
           "blobs/" + kHash,
           "blobs/" + kHash + "/",
           "blobs/" + kHash + "/-1",
           "blobs/" + kHash + "/+3",
           "blobs/" + kHash + "/3x",
           "blobs/" + kHash + "/99999999999999999999",
           "blobs/ " + kBlob,
           "blobs/" + kBlob + "/more",
           "/blobs/" + kBlob,
           "a//blobs/" + kBlob,
           "Blobs/" + kBlob,
           "blobs/" + std::string(64, 'A') + "/3",
           "blobs/../../../../etc/passwd/3",
           "blobs/" + kHash.substr(0, 40) + "/3",
           "uploads/u/blobs/" + kBlob,
           "actions/blobs/" + kBlob,
           "blobs/blobs/" + kBlob,
           "compressed-blobs/" + kBlob,
           "compressed-blobs//" + kBlob,
           std::string(5000, 'i') + "/blobs/" + kBlob,
       }) {
    EXPECT_EQ(ParseReadName(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_THAT(ParseReadName("blobs/blake3/" + kBlob).status().message(), HasSubstr("SHA-256"));
}

TEST(ResourceNameTest, RefusedWriteNames) {
  for (const std::string& name : std::vector<std::string>{
           "",
           "blobs/" + kBlob,
           "uploads",
           "uploads/u",
           "uploads/u/" + kBlob,
           "uploads//blobs/" + kBlob,
           "uploads/blobs/" + kBlob,
           "uploads/u/blobs/" + kHash,
           "blobs/uploads/u/blobs/" + kBlob,
           "uploads/u/uploads/u/blobs/" + kBlob,
           "uploads/u/blobs/blake3/" + kBlob,
       }) {
    EXPECT_EQ(ParseWriteName(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace rally::cas
