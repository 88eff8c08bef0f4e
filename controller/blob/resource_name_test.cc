#include "controller/blob/resource_name.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/instance_name.h"
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

// Whatever a parser takes must be written in one way only, or one blob had several names.
void ExpectSound(const std::string& name, bool upload) {
  const auto parsed = upload ? ParseWriteName(name) : ParseReadName(name);
  if (!parsed.ok()) {
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_LT(parsed.status().message().size(), 1'500u);
    return;
  }
  EXPECT_TRUE(blob::IsValidHash(parsed->digest.hash)) << name;
  EXPECT_GE(parsed->digest.size_bytes, 0) << name;
  EXPECT_EQ(blob::CheckInstanceName(parsed->instance), absl::OkStatus()) << name;
  const std::string tail = absl::StrCat(
      parsed->compressor.empty() ? "blobs/"
                                 : absl::StrCat("compressed-blobs/", parsed->compressor, "/"),
      parsed->digest.ToString());
  const std::string head = parsed->instance.empty() ? "" : parsed->instance + "/";
  if (upload) {
    EXPECT_EQ(name.rfind(head + "uploads/", 0), 0u) << name;
    EXPECT_NE(name.find("/" + tail), std::string::npos) << name;
  } else {
    EXPECT_EQ(name, head + tail);
  }
}

TEST(ResourceNameTest, HostileNames) {
  std::mt19937 random(4);
  const std::vector<std::string> words = {"blobs",
                                          "uploads",
                                          "compressed-blobs",
                                          "zstd",
                                          "deflate",
                                          "",
                                          ".",
                                          "..",
                                          "a",
                                          "rally",
                                          "actions",
                                          "sha256",
                                          "blake3",
                                          kHash,
                                          kHash,
                                          kHash.substr(1),
                                          kHash + "0",
                                          std::string(64, 'F'),
                                          "0",
                                          "3",
                                          "3",
                                          "-3",
                                          "+3",
                                          "03",
                                          "3 ",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          std::string(1, '\0'),
                                          "\xff\xfe",
                                          "%2e%2e",
                                          "blobs\n",
                                          "BLOBS"};
  int parsed = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string name;
    // Most begin like real ones.
    static const std::string kBeginnings[] = {"", "blobs/", "uploads/u/blobs/",
                                              "blobs/" + kHash + "/",
                                              "a/uploads/u/compressed-blobs/zstd/" + kHash + "/"};
    name = kBeginnings[random() % 5];
    for (int count = random() % 7; count >= 0; --count) {
      absl::StrAppend(&name, words[random() % words.size()], count == 0 ? "" : "/");
    }
    if (random() % 20 == 0 && !name.empty()) {
      name[random() % name.size()] = static_cast<char>(random());
    }
    ExpectSound(name, false);
    ExpectSound(name, true);
    parsed += ParseReadName(name).ok() || ParseWriteName(name).ok();
  }
  EXPECT_GT(parsed, 1'000) << "else it tests nothing";
  for (int round = 0; round < 20'000; ++round) {
    std::string name(random() % 200, '\0');
    for (char& c : name) c = static_cast<char>(random());
    ExpectSound(name, false);
    ExpectSound(name, true);
  }
}

}  // namespace
}  // namespace rally::cas
