#include "common/pipeline/image_reference.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::HasSubstr;

const std::string kDigest = absl::StrCat("sha256:", std::string(64, 'a'));

TEST(ParseImageReferenceTest, FillsInWhatPeopleLeaveOut) {
  const struct {
    std::string text;
    std::string normal;
  } cases[] = {
      {"ubuntu", "docker.io/library/ubuntu:latest"},
      {"ubuntu:22.04", "docker.io/library/ubuntu:22.04"},
      {"octo/app", "docker.io/octo/app:latest"},
      {"curlimages/curl:8.1.0", "docker.io/curlimages/curl:8.1.0"},
      {"docker.io/ubuntu", "docker.io/library/ubuntu:latest"},
      {"docker.io/library/ubuntu", "docker.io/library/ubuntu:latest"},
      {"index.docker.io/ubuntu", "docker.io/library/ubuntu:latest"},
      {"index.docker.io/octo/app:1", "docker.io/octo/app:1"},
      {"quay.io/shop/web", "quay.io/shop/web:latest"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app", "localhost:5000/app:latest"},
      // Without a slash there is no registry, so this is a tag.
      {"localhost:5000", "docker.io/library/localhost:5000"},
      {"reg:5000/a/b/c:v1", "reg:5000/a/b/c:v1"},
      {"reg.example.org:5000/a:v1@" + kDigest, "reg.example.org:5000/a:v1@" + kDigest},
      {"ubuntu@" + kDigest, "docker.io/library/ubuntu@" + kDigest},
      {"127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"},
      {"[::1]:5000/x", "[::1]:5000/x:latest"},
      {"[2001:db8::1]/x", "[2001:db8::1]/x:latest"},
      {"Reg.Example.Org/x", "Reg.Example.Org/x:latest"},
      {"a__b/c.d-e--f_g", "docker.io/a__b/c.d-e--f_g:latest"},
      {"a:_Tag.1-x", "docker.io/library/a:_Tag.1-x"},
      {std::string(64, 'f') + ":x", "docker.io/library/" + std::string(64, 'f') + ":x"},
      {"a:" + std::string(128, 'x'), "docker.io/library/a:" + std::string(128, 'x')},
  };
  for (const auto& c : cases) {
    const auto reference = ParseImageReference(c.text);
    ASSERT_TRUE(reference.ok()) << c.text << ": " << reference.status();
    EXPECT_EQ(reference->ToString(), c.normal);
  }
}

TEST(ParseImageReferenceTest, TakesTheReferenceApart) {
  const auto reference = ParseImageReference("localhost:5000/team/app:v1@" + kDigest);
  ASSERT_TRUE(reference.ok()) << reference.status();
  EXPECT_EQ(reference->registry, "localhost:5000");
  EXPECT_EQ(reference->repository, "team/app");
  EXPECT_EQ(reference->tag, "v1");
  EXPECT_EQ(reference->digest, kDigest);
}

TEST(ParseImageReferenceTest, NormalFormIsAFixedPoint) {
  for (const std::string text : {"ubuntu", "a/b:1", "localhost:5000/x", "index.docker.io/x"}) {
    const std::string once = ParseImageReference(text)->ToString();
    EXPECT_EQ(ParseImageReference(once)->ToString(), once);
  }
}

TEST(ParseImageReferenceTest, RefusesWhatDockerRefuses) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"", "it is empty"},
      {"Ubuntu", "lower case"},
      {"Octo/app", "lower case"},
      {"quay.io/Shop/web", "lower case"},
      {" ubuntu", "made of lower-case letters"},
      {"ubuntu ", "made of lower-case letters"},
      {"a//b", "made of lower-case letters"},
      {"/a", "made of lower-case letters"},
      {"a/", "made of lower-case letters"},
      {"a___b", "made of lower-case letters"},
      {"a..b", "made of lower-case letters"},
      {"a._b", "made of lower-case letters"},
      {"-a", "made of lower-case letters"},
      {"a-", "made of lower-case letters"},
      {"\xC3\xA4/x", "made of lower-case letters"},
      {"a:", "a tag holds"},
      {"a:-x", "a tag holds"},
      {"a:x:y", "a tag holds"},
      {"a:" + std::string(129, 'x'), "a tag holds"},
      {"a@sha256:abc", "the digest must be"},
      {"a@sha256:" + std::string(64, 'A'), "the digest must be"},
      {"a@md5:" + std::string(32, 'a'), "the digest must be"},
      {"a@", "the digest must be"},
      {"a@" + kDigest + "@" + kDigest, "the digest must be"},
      {"reg.io:/x", "not a host name"},
      {"reg.io:port/x", "not a host name"},
      {"-reg.io/x", "not a host name"},
      {"reg..io/x", "not a host name"},
      {"[::1/x", "not a host name"},
      {"https://reg.io/x", "not a host name"},
      {std::string(64, 'f'), "an image's id"},
      {"reg.io/" + std::string(260, 'a'), "longer than 255"},
  };
  for (const auto& c : cases) {
    const auto reference = ParseImageReference(c.text);
    EXPECT_EQ(reference.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(reference.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(OciPathTest, ThePrefixDecides) {
  EXPECT_TRUE(IsOciPath("oci:out/image"));
  EXPECT_TRUE(IsOciPath("oci:"));
  EXPECT_FALSE(IsOciPath("oci/image:1"));
  EXPECT_FALSE(IsOciPath("OCI:x"));
}

TEST(OciPathTest, IsCleanedAndSplitFromItsDigest) {
  const auto plain = ParseOciPath("oci:./out/../images//app.tar");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->path, "images/app.tar");
  EXPECT_EQ(plain->digest, "");

  const auto pinned = ParseOciPath("oci:out@home@" + kDigest);
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  EXPECT_EQ(pinned->path, "out@home");
  EXPECT_EQ(pinned->digest, kDigest);

  EXPECT_EQ(ParseOciPath("oci:.")->path, "");
}

TEST(OciPathTest, StaysInTheWorkspace) {
  EXPECT_EQ(ParseOciPath("oci:../x").status().message(), "the path leaves the workspace");
  EXPECT_EQ(ParseOciPath("oci:a/../../x").status().message(), "the path leaves the workspace");
  EXPECT_EQ(ParseOciPath("oci:/x").status().message(),
            "the path after \"oci:\" must be relative to the workspace");
  EXPECT_EQ(ParseOciPath("oci:").status().message(), "the path after \"oci:\" is empty");
  EXPECT_EQ(ParseOciPath("oci:@" + kDigest).status().message(), "the path after \"oci:\" is empty");
  EXPECT_THAT(std::string(ParseOciPath("oci:x@sha256:12").status().message()),
              HasSubstr("the digest must be"));
}

}  // namespace
}  // namespace rally::pipeline
