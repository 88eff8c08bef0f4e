#include "agent/runtime/image_manifest.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string DigestOf(char c) { return absl::StrCat("sha256:", std::string(64, c)); }

std::string Blob(char c, const std::string& more = "") {
  return absl::StrCat(R"({"mediaType":"m","size":5,"digest":")", DigestOf(c), "\"", more, "}");
}

TEST(ImageManifestTest, ReadsAManifest) {
  const auto manifest =
      ParseImageManifest(absl::StrCat(R"({"schemaVersion":2,"config":)", Blob('a'),
                                      R"(,"layers":[)", Blob('b'), ",", Blob('c'), "]}"),
                         "application/vnd.docker.distribution.manifest.v2+json");
  ASSERT_EQ(manifest.status(), absl::OkStatus());
  EXPECT_FALSE(manifest->is_index);
  EXPECT_EQ(manifest->media_type, "application/vnd.docker.distribution.manifest.v2+json");
  EXPECT_EQ(manifest->config.digest, DigestOf('a'));
  ASSERT_EQ(manifest->layers.size(), 2u);
  EXPECT_EQ(manifest->layers[1].digest, DigestOf('c'));
  EXPECT_EQ(manifest->layers[1].size_bytes, 5);
}

TEST(ImageManifestTest, ReadsAnIndex) {
  const auto index = ParseImageManifest(
      absl::StrCat(R"({"schemaVersion":2,"manifests":[)",
                   Blob('a', R"(,"platform":{"os":"linux","architecture":"arm64","variant":"v8"})"),
                   "]}"),
      "");
  ASSERT_EQ(index.status(), absl::OkStatus());
  EXPECT_TRUE(index->is_index);
  EXPECT_EQ(index->media_type, "application/vnd.oci.image.index.v1+json");
  EXPECT_EQ(index->children[0].architecture, "arm64");
}

TEST(ImageManifestTest, RefusesWhatIsBroken) {
  const std::vector<std::string> broken = {
      "",
      "[]",
      "{",
      "{}",
      R"({"config":{}})",
      R"({"config":5,"layers":[]})",
      absl::StrCat(R"({"config":)", Blob('a'), "}"),
      absl::StrCat(R"({"config":)", Blob('a'), R"(,"layers":{}})"),
      absl::StrCat(R"({"config":)", Blob('a'), R"(,"layers":[{"digest":"sha256:../../etc"}]})"),
      absl::StrCat(R"({"config":)", Blob('a'), R"(,"layers":[{"size":-1,"digest":")", DigestOf('b'),
                   "\"}]}"),
      absl::StrCat(R"({"config":)", Blob('a'), R"(,"layers":[{"digest":")", DigestOf('b'), "\"}]}"),
      R"({"manifests":[7]})",
  };
  for (const std::string& text : broken) {
    EXPECT_EQ(ParseImageManifest(text, "").status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ImageManifestTest, RefusesTheFirstFormat) {
  EXPECT_EQ(ParseImageManifest(R"({"schemaVersion":1,"fsLayers":[]})", "").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ImageConfigTest, ReadsWhatAStepNeeds) {
  const auto config = ParseImageConfig(absl::StrCat(
      R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[")",
      DigestOf('d'),
      R"("]},"config":{"Entrypoint":["/e"],"Cmd":null,"Env":["A=1"],"WorkingDir":"/w","User":"u"}})"));
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_THAT(config->entrypoint, ElementsAre("/e"));
  EXPECT_TRUE(config->cmd.empty());
  EXPECT_THAT(config->env, ElementsAre("A=1"));
  EXPECT_EQ(config->working_dir, "/w");
  EXPECT_EQ(config->user, "u");
  EXPECT_THAT(config->diff_ids, ElementsAre(DigestOf('d')));
}

TEST(ImageConfigTest, RefusesOtherMachinesAndBrokenLists) {
  EXPECT_EQ(ParseImageConfig(R"({"os":"linux","architecture":"arm64"})").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ParseImageConfig(R"({"config":{"Env":[1]}})").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseImageConfig(R"({"rootfs":{"diff_ids":["x"]}})").status().code(),
            absl::StatusCode::kInvalidArgument);
}

BlobDescriptor For(const std::string& os, const std::string& architecture,
                   const std::string& variant = "") {
  BlobDescriptor descriptor;
  descriptor.os = os;
  descriptor.architecture = architecture;
  descriptor.variant = variant;
  descriptor.digest = absl::StrCat(os, architecture, variant);
  return descriptor;
}

TEST(ChoosePlatformTest, TakesTheOldestAmd64) {
  EXPECT_EQ(ChoosePlatform({For("linux", "arm64"), For("linux", "amd64", "v3"),
                            For("linux", "amd64"), For("unknown", "unknown")})
                ->digest,
            "linuxamd64");
  EXPECT_EQ(ChoosePlatform({For("", "")})->digest, "");
}

TEST(ChoosePlatformTest, ListsWhatThereIs) {
  const absl::Status status =
      ChoosePlatform({For("linux", "arm64", "v8"), For("windows", "amd64")}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("linux/arm64/v8, windows/amd64"));
}

TEST(ChainIdsTest, FollowTheSpecification) {
  const std::vector<std::string> chain = ChainIds({DigestOf('a'), DigestOf('b'), DigestOf('c')});
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0], DigestOf('a'));
  EXPECT_EQ(chain[1], Sha256Of(absl::StrCat(DigestOf('a'), " ", DigestOf('b'))));
  EXPECT_EQ(chain[2], Sha256Of(absl::StrCat(chain[1], " ", DigestOf('c'))));
}

}  // namespace
}  // namespace rally::runtime
