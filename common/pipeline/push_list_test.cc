#include "common/pipeline/push_list.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PushReferenceTest, PutsTheDefaultRegistryInFrontOfNamesWithoutOne) {
  const struct {
    std::string text;
    std::string registry;
    std::string normal;
  } cases[] = {
      {"eric:latest", "reg.azurecr.io", "reg.azurecr.io/eric:latest"},
      {"eric", "reg.azurecr.io", "reg.azurecr.io/eric:latest"},
      {"team/eric:1", "reg.azurecr.io", "reg.azurecr.io/team/eric:1"},
      {"a/b/c:1", "localhost:5000", "localhost:5000/a/b/c:1"},
      {"eric:1", "localhost", "localhost/eric:1"},
      {"eric:1", "reg:5000", "reg:5000/eric:1"},
      {"eric:1", "reg.azurecr.io/team", "reg.azurecr.io/team/eric:1"},
      {"eric:1", "[::1]:5000", "[::1]:5000/eric:1"},
      // A registry of its own, be it a longer name that begins alike.
      {"reg.azurecr.io/a", "reg.azurecr.io", "reg.azurecr.io/a:latest"},
      {"reg.azurecr.iox/a", "reg.azurecr.io", "reg.azurecr.iox/a:latest"},
      {"quay.io/shop/web", "reg.azurecr.io", "quay.io/shop/web:latest"},
      {"localhost/a", "reg.azurecr.io", "localhost/a:latest"},
      {"localhost:5000/a:2", "reg.azurecr.io", "localhost:5000/a:2"},
      {"docker.io/a", "reg.azurecr.io", "docker.io/library/a:latest"},
      {"index.docker.io/o/a", "reg.azurecr.io", "docker.io/o/a:latest"},
      // Not a registry, as there is no slash after it.
      {"docker.io", "reg.azurecr.io", "reg.azurecr.io/docker.io:latest"},
      {"localhost:5000", "reg.azurecr.io", "reg.azurecr.io/localhost:5000"},
      // Docker Hub's.
      {"library/ubuntu", "reg.azurecr.io", "docker.io/library/ubuntu:latest"},
      {"library/ubuntu:22.04", "reg.azurecr.io", "docker.io/library/ubuntu:22.04"},
      {"librarya/ubuntu", "reg.azurecr.io", "reg.azurecr.io/librarya/ubuntu:latest"},
      {"library", "reg.azurecr.io", "reg.azurecr.io/library:latest"},
      {"eric", "docker.io", "docker.io/library/eric:latest"},
      {"eric", "index.docker.io", "docker.io/library/eric:latest"},
      {"eric", "", "docker.io/library/eric:latest"},
      {"octo/eric:1", "", "docker.io/octo/eric:1"},
      {"quay.io/a", "", "quay.io/a:latest"},
  };
  for (const auto& c : cases) {
    const auto reference = PushReference(c.text, c.registry);
    ASSERT_TRUE(reference.ok()) << c.text << ": " << reference.status();
    EXPECT_EQ(*reference, c.normal) << c.text << " in " << c.registry;
    // What a build tagged may be pushed under its full name.
    EXPECT_EQ(*PushReference(*reference, c.registry), c.normal);
  }
}

TEST(PushReferenceTest, RefusesWhatCannotBePushed) {
  const std::string digest = absl::StrCat("sha256:", std::string(64, 'a'));
  const struct {
    std::string text;
    std::string registry;
    std::string message;
  } cases[] = {
      {"", "reg.azurecr.io", "it is empty"},
      {"Eric", "", "lower case"},
      {"eric:", "", "a tag holds"},
      {"eric: ", "reg.azurecr.io", "a tag holds"},
      {"/eric", "", "a repository's name"},
      {"eric/", "reg.azurecr.io", "a repository's name"},
      {"https://reg.azurecr.io/a", "", "the registry's name is not a host name"},
      {"eric@" + digest, "", "a digest can't be pushed"},
      {"eric:1@" + digest, "reg.azurecr.io", "a digest can't be pushed"},
      {std::string(64, 'a'), "reg.azurecr.io", "an image's id"},
      {std::string(250, 'a'), "reg.azurecr.io", "longer than 255"},
      {std::string("a\0b", 3), "", "a repository's name"},
      {"eric", "corp", "the default registry \"corp\" is not a registry"},
  };
  for (const auto& c : cases) {
    const auto reference = PushReference(c.text, c.registry);
    ASSERT_FALSE(reference.ok()) << c.text << " is " << *reference;
    EXPECT_EQ(reference.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(reference.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(CheckDefaultRegistryTest, WantsAHostThatIsNoPartOfAName) {
  for (const std::string good : {"", "reg.azurecr.io", "localhost", "localhost:5000", "reg:5000",
                                 "reg.io/team", "docker.io", "[::1]:5000"}) {
    EXPECT_EQ(CheckDefaultRegistry(good), absl::OkStatus()) << good;
  }
  for (const std::string bad : {"corp", "https://reg.io", "reg.io/", "/", "reg.io/Team", "reg io",
                                "reg.io:x", "reg.io/a:1", "-.io", "corp/team"}) {
    EXPECT_EQ(CheckDefaultRegistry(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(CheckDefaultRegistry(std::string(1 << 20, 'a') + ".io").code(),
            absl::StatusCode::kInvalidArgument);
}

std::vector<Position> Lines(size_t count) {
  std::vector<Position> positions;
  for (size_t i = 0; i < count; ++i) positions.push_back({static_cast<int>(i) + 1, 9});
  return positions;
}

std::vector<std::string> Findings(const DiagnosticList& list) {
  std::vector<std::string> lines;
  for (const Diagnostic& d : list.Sorted()) lines.push_back(Format(d, "f", "", false));
  return lines;
}

TEST(NormalisePushListTest, KeepsTheOrderAndDropsRepeats) {
  DiagnosticList diagnostics;
  EXPECT_THAT(NormalisePushList({"shop:2", "quay.io/shop/web", "library/x", "corp.io/shop:2",
                                 "shop:1", "quay.io/shop/web:latest"},
                                Lines(6), "corp.io", &diagnostics),
              ElementsAre("corp.io/shop:2", "quay.io/shop/web:latest", "docker.io/library/x:latest",
                          "corp.io/shop:1"));
  EXPECT_THAT(
      Findings(diagnostics),
      ElementsAre("f:4:9: warning: push[3] \"corp.io/shop:2\" is corp.io/shop:2, as push[0] "
                  "is; it is pushed once",
                  "f:6:9: warning: push[5] \"quay.io/shop/web:latest\" is "
                  "quay.io/shop/web:latest, as push[1] is; it is pushed once"));
}

TEST(NormalisePushListTest, ReportsEveryBadReferenceAtItsElement) {
  DiagnosticList diagnostics;
  EXPECT_THAT(NormalisePushList({"Eric", "ok", ""}, Lines(3), "", &diagnostics),
              ElementsAre("docker.io/library/ok:latest"));
  EXPECT_THAT(Findings(diagnostics),
              ElementsAre("f:1:9: error: push[0] \"Eric\" is not a valid reference: a repository's "
                          "name is lower case",
                          "f:3:9: error: push[2] \"\" is not a valid reference: it is empty"));
}

TEST(NormalisePushListTest, ReportsABadDefaultRegistryOnce) {
  DiagnosticList diagnostics;
  NormalisePushList({"a", "b", "C"}, Lines(3), "corp", &diagnostics);
  EXPECT_THAT(Findings(diagnostics),
              ElementsAre(HasSubstr("f:1:9: error: push: the default registry \"corp\" is not"),
                          HasSubstr("f:3:9: error: push[2] \"C\"")));
  DiagnosticList none;
  EXPECT_THAT(NormalisePushList({}, {}, "corp", &none), IsEmpty());
  EXPECT_THAT(Findings(none), IsEmpty());
}

TEST(NormalisePushListTest, IsLinearInTheNumberOfReferences) {
  std::vector<std::optional<std::string>> references;
  for (int i = 0; i < 100000; ++i) references.push_back(absl::StrCat("a:", i % 50000));
  DiagnosticList diagnostics;
  EXPECT_EQ(NormalisePushList(references, {}, "corp.io", &diagnostics).size(), 50000u);
  EXPECT_EQ(Findings(diagnostics).size(), 201u);
}

}  // namespace
}  // namespace rally::pipeline
