// Every error about secrets: its line, column and text.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/error_case.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

// A step before the secrets; `rest` begins at line 4.
std::string AfterStep(absl::string_view rest) { return InStep(rest); }

std::string Akv(absl::string_view akv) {
  return absl::StrCat("[[secrets]]\nsecretEnv = \"A\"\nakv = \"", akv, "\"\n",
                      InStep("secretEnvs = [\"A\"]"));
}

std::string BadAkv(absl::string_view akv, absl::string_view reason) {
  return absl::StrCat(
      "3:7: akv \"", akv,
      "\" is neither a vault name nor an https URL of a vault or a secret: ", reason);
}

constexpr char kVaultName[] =
    "a vault's name holds letters, digits and single dashes, and starts with a letter";
constexpr char kPath[] = "the path must be /secrets/NAME or /secrets/NAME/VERSION";
constexpr char kSecretName[] = "a secret's name has 1 to 127 letters, digits and dashes";

INSTANTIATE_TEST_SUITE_P(
    Declarations, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"needs_env",
                  AfterStep("[[secrets]]\nakv = \"corp\"\n[[secrets]]"),
                  {"4:1: [[secrets]] needs a secretEnv", "6:1: [[secrets]] needs a secretEnv"}},
        ErrorCase{"needs_env_of_a_step",
                  AfterStep("secretEnvs = [\"TOKEN\"]\n[[secrets]]\nakv = \"corp\""),
                  {"5:1: [[secrets]] needs a secretEnv"}},
        ErrorCase{"habits",
                  AfterStep("secretEnvs = [\"TOKEN\"]\n[[secrets]]\nvault = \"corp\"\n"
                            "env = \"TOKEN\""),
                  {"6:9: unknown key \"vault\" in [[secrets]]; did you mean \"akv\"?",
                   "7:7: unknown key \"env\" in [[secrets]]; did you mean \"secretEnv\"?"}},
        ErrorCase{"vault_url_needs_env",
                  AfterStep("[[secrets]]\nakv = \"https://corp.vault.azure.net/\""),
                  {"4:1: [[secrets]] needs a secretEnv"}},
        ErrorCase{"env_from_url",
                  AfterStep("[[secrets]]\nakv = \"https://c.example/secrets/1-pass\""),
                  {"4:1: [[secrets]] needs a secretEnv: \"1_PASS\" can't be the name of an "
                   "environment variable"}},
        ErrorCase{
            "bad_env",
            AfterStep("secretEnvs = [\"MY-SECRET\"]\n[[secrets]]\nsecretEnv = \"MY-SECRET\"\n"
                      "[[secrets]]\nsecretEnv = \"\""),
            {"6:13: secretEnv \"MY-SECRET\" may hold only letters, digits and \"_\", and must "
             "not start with a digit",
             "8:13: secretEnv \"\" may hold only letters, digits and \"_\", and must not start "
             "with a digit"}},
        ErrorCase{"long_env",
                  absl::StrCat("[[secrets]]\nsecretEnv = \"", std::string(128, 'A'), "\"\n",
                               InStep("secretEnvs = [\"" + std::string(128, 'A') + "\"]")),
                  {absl::StrCat("2:13: secretEnv \"", std::string(100, 'A'),
                                "...\" is longer than a secret's name can be (127)")}},
        ErrorCase{"twice",
                  AfterStep("secretEnvs = [\"A\"]\n[[secrets]]\nsecretEnv = \"A\"\n"
                            "[[secrets]]\nakv = \"corp\"\nsecretEnv = \"A\""),
                  {"9:13: secretEnv \"A\" is declared twice"}},
        ErrorCase{"twice_by_url",
                  AfterStep("secretEnvs = [\"DB_PASS\"]\n[[secrets]]\nsecretEnv = \"DB_PASS\"\n"
                            "[[secrets]]\nakv = \"https://c.example/secrets/db-pass\""),
                  {"8:7: secretEnv \"DB_PASS\" is declared twice"}},
        ErrorCase{"table",
                  AfterStep("[secrets]\nsecretEnv = \"A\""),
                  {"4:1: \"secrets\" must be written [[secrets]]"}},
        // Which secrets there are can't be said, so none is unknown.
        ErrorCase{"refused_whole",
                  "secrets = 1\n" + InStep("secretEnvs = [\"A\"]"),
                  {"1:11: \"secrets\" must be written [[secrets]]"}},
        ErrorCase{"refused_env",
                  AfterStep("secretEnvs = [\"A\"]\n[[secrets]]\nsecretEnv = 1"),
                  {"6:13: \"secretEnv\" must be a string, not an integer"}},
        ErrorCase{
            "unknown_key",
            AfterStep("secretEnvs = [\"A\"]\n[[secrets]]\nsecretEnvs = \"A\""),
            {"6:14: unknown key \"secretEnvs\" in [[secrets]]; did you mean \"secretEnv\"?"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Uses, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"unknown",
                  InStep("secretEnvs = [\"A\", \"X\"]\n[[secrets]]\nsecretEnv = \"A\""),
                  {"4:20: secretEnvs[1] \"X\" is not declared by any [[secrets]]"}},
        ErrorCase{"no_secrets",
                  InStep("secretEnvs = [\"TOKEN\"]"),
                  {"4:15: secretEnvs[0] \"TOKEN\" is not declared by any [[secrets]]"}},
        ErrorCase{"case_matters",
                  InStep("secretEnvs = [\"a\"]\n[[secrets]]\nsecretEnv = \"A\""),
                  {"4:15: secretEnvs[0] \"a\" is not declared by any [[secrets]]",
                   "6:13: warning: secretEnv \"A\" is declared but unused: no step names it in "
                   "secretEnvs"}},
        ErrorCase{"also_an_env",
                  InStep("secretEnvs = [\"A\"]\nenvs = [\"A=1\"]\n[[secrets]]\nsecretEnv = \"A\""),
                  {"4:15: \"A\" is set twice"}},
        ErrorCase{"twice",
                  InStep("secretEnvs = [\"A\", \"A\"]\n[[secrets]]\nsecretEnv = \"A\""),
                  {"4:20: \"A\" is set twice"}},
        ErrorCase{"type",
                  InStep("secretEnvs = [1, \"X\"]\n[[secrets]]\nsecretEnv = \"A\""),
                  {"4:15: \"secretEnvs\" must be an array of strings, but secretEnvs[0] is an "
                   "integer",
                   "4:18: secretEnvs[1] \"X\" is not declared by any [[secrets]]"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Akvs, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"empty", Akv(""), {BadAkv("", "it is empty")}},
        ErrorCase{"dot", Akv("corp.vault"), {BadAkv("corp.vault", kVaultName)}},
        ErrorCase{"digit_first", Akv("1corp"), {BadAkv("1corp", kVaultName)}},
        ErrorCase{"two_dashes", Akv("a--b"), {BadAkv("a--b", kVaultName)}},
        ErrorCase{"dash_last", Akv("abc-"), {BadAkv("abc-", kVaultName)}},
        ErrorCase{"short", Akv("ab"), {BadAkv("ab", "a vault's name has 3 to 24 characters")}},
        ErrorCase{"long",
                  Akv("abcdefghijklmnopqrstuvwxy"),
                  {BadAkv("abcdefghijklmnopqrstuvwxy", "a vault's name has 3 to 24 characters")}},
        ErrorCase{"tcp",
                  Akv("tcp://a.b/secrets/c"),
                  {BadAkv("tcp://a.b/secrets/c", "only https is allowed")}},
        ErrorCase{"http", Akv("http://a.b"), {BadAkv("http://a.b", "only https is allowed")}},
        ErrorCase{
            "no_dot", Akv("https://tee"), {BadAkv("https://tee", "the host's name has no dot")}},
        ErrorCase{"no_host",
                  Akv("https:///secrets/a"),
                  {BadAkv("https:///secrets/a", "the host is missing")}},
        ErrorCase{"bad_host",
                  Akv("https://a..b"),
                  {BadAkv("https://a..b", "the host's name is not one")}},
        ErrorCase{
            "user", Akv("https://u@a.b"), {BadAkv("https://u@a.b", "the host's name is not one")}},
        ErrorCase{
            "port", Akv("https://a.b:"), {BadAkv("https://a.b:", "the port is not a number")}},
        ErrorCase{
            "secrets_only", Akv("https://a.b/secrets"), {BadAkv("https://a.b/secrets", kPath)}},
        ErrorCase{"keys", Akv("https://a.b/keys/c"), {BadAkv("https://a.b/keys/c", kPath)}},
        ErrorCase{"four_segments",
                  Akv("https://a.b/secrets/c/v/latest"),
                  {BadAkv("https://a.b/secrets/c/v/latest", kPath)}},
        ErrorCase{"slashes", Akv("https://a.b//"), {BadAkv("https://a.b//", kPath)}},
        ErrorCase{"empty_name",
                  Akv("https://a.b/secrets//v"),
                  {BadAkv("https://a.b/secrets//v", kSecretName)}},
        ErrorCase{"empty_version",
                  Akv("https://a.b/secrets/c//"),
                  {BadAkv("https://a.b/secrets/c//",
                          "a secret's version is made of letters and digits")}},
        ErrorCase{"name_with_underscore",
                  Akv("https://a.b/secrets/c_d"),
                  {BadAkv("https://a.b/secrets/c_d", kSecretName)}},
        ErrorCase{"query",
                  Akv("https://a.b/secrets/c?x=1"),
                  {BadAkv("https://a.b/secrets/c?x=1", kSecretName)}}),
    NameOf);

}  // namespace
}  // namespace rally::pipeline
