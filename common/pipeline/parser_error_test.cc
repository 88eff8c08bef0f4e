// Every error about keys, single values and timeouts: its line, column and text.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/error_case.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

constexpr char kVerbs[] =
    "apply, build, clone, curl, docker, echo, git, kubectl, pull, push, rollout, set, sh, tag, "
    "write-log";
constexpr char kBadId[] =
    " may hold only letters, digits, \"_\", \".\" and \"-\", must start with a letter or a digit, "
    "and be 1 to 63 characters long";

INSTANTIATE_TEST_SUITE_P(
    Keys, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"empty", "", {"1:1: no [[step]] in the pipeline"}},
        ErrorCase{"no_steps", "step = []", {"1:8: no [[step]] in the pipeline"}},
        ErrorCase{"step_table", "[step]\nid = \"a\"\n", {"1:1: \"step\" must be written [[step]]"}},
        ErrorCase{"step_of_numbers", "step = [1]\n", {"1:9: \"step\" must be written [[step]]"}},
        ErrorCase{"steps",
                  "[[steps]]\nid = \"a\"\n",
                  {"1:1: unknown key \"steps\" at the top level; did you mean \"step\"?"}},
        ErrorCase{"steps_beside_step",
                  "[[steps]]\n[[step]]\nid = \"a b\"\nimage = \"i\"\n",
                  {"1:1: unknown key \"steps\" at the top level; did you mean \"step\"?",
                   "3:6: id \"a b\" may hold only letters, digits, \"_\", \".\" and \"-\", must "
                   "start with a letter or a digit, and be 1 to 63 characters long"}},
        ErrorCase{"unknown_key",
                  InStep("workDri = \"x\""),
                  {"4:11: unknown key \"workDri\" in [[step]]; did you mean \"workDir\"?"}},
        ErrorCase{"top_level_key_in_step",
                  InStep("push = []"),
                  {"4:8: unknown key \"push\" in [[step]]; \"push\" is a top-level key, move it "
                   "above the first [[step]]"}},
        ErrorCase{"env_table",
                  InStep("[step.env]\nA = \"x\""),
                  {"4:1: unknown key \"env\" in [[step]]; did you mean \"envs\"?"}},
        ErrorCase{"args_string",
                  InStep("args = \"echo x\""),
                  {"4:8: \"args\" must be an array of strings, not a string"}},
        ErrorCase{"args_mixed",
                  InStep("args = [\"a\", 1, 2.5]"),
                  {"4:14: \"args\" must be an array of strings, but args[1] is an integer",
                   "4:17: \"args\" must be an array of strings, but args[2] is a float"}},
        ErrorCase{"exit_codes_type",
                  InStep("exitedWith = 1"),
                  {"4:14: \"exitedWith\" must be an array of integers, not an integer"}},
        ErrorCase{
            "id_type", "[[step]]\nid = 5\n", {"2:6: \"id\" must be a string, not an integer"}},
        ErrorCase{"image_date",
                  InStep("entryPoint = 1979-05-27"),
                  {"4:14: \"entryPoint\" must be a string, not a date or time"}},
        ErrorCase{"timeout_bool",
                  "totalTimeout = false\n" + InStep(""),
                  {"1:16: \"totalTimeout\" must be a duration string or an integer of seconds, "
                   "not a boolean"}},
        ErrorCase{"timeout_float",
                  InStep("timeout = 1.5"),
                  {"4:11: \"timeout\" must be a duration string or an integer of seconds, not a "
                   "float"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Values, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"missing_id",
                  InStep("[[step]]\nimage = \"busybox\""),
                  {"4:1: [[step]] number 2 has no \"id\""}},
        ErrorCase{"bad_id",
                  "[[step]]\nid = \"foo bar\"\n",
                  {absl::StrCat("2:6: id \"foo bar\"", kBadId)}},
        ErrorCase{"empty_id", "[[step]]\nid = \"\"\n", {absl::StrCat("2:6: id \"\"", kBadId)}},
        ErrorCase{"dash_id", "[[step]]\nid = \"-\"\n", {absl::StrCat("2:6: id \"-\"", kBadId)}},
        ErrorCase{"long_id",
                  "[[step]]\nid = \"" + std::string(64, 'x') + "\"\n",
                  {absl::StrCat("2:6: id \"", std::string(64, 'x'), "\"", kBadId)}},
        ErrorCase{"reserved_id",
                  "[[step]]\nid = \"root\"\nimage = \"i\"\n",
                  {"2:6: id \"root\" is reserved"}},
        ErrorCase{"dup_id",
                  "[[step]]\nid = \"a\"\nimage = \"i\"\n[[step]]\nid = \"a\"\nwhenAll = [\"x\"]\n",
                  {"5:6: id \"a\" is already used at line 2"}},
        ErrorCase{"bad_id_is_still_known",
                  InStep("whenAll = [\"b c\"]\n[[step]]\nid = \"b c\"\n"),
                  {absl::StrCat("6:6: id \"b c\"", kBadId)}},
        ErrorCase{"empty_image",
                  "[[step]]\nid = \"a\"\nimage = \"\"\n",
                  {"3:9: image \"\" is not a valid reference: it is empty"}},
        ErrorCase{"upper_case_image",
                  "[[step]]\nid = \"a\"\nimage = \"Ubuntu\"\n",
                  {"3:9: image \"Ubuntu\" is not a valid reference: a repository's name is lower "
                   "case"}},
        ErrorCase{"oci_leaves",
                  "[[step]]\nid = \"a\"\nimage = \"oci:../x\"\n",
                  {"3:9: image \"oci:../x\" is not a valid reference: the path leaves the "
                   "workspace"}},
        ErrorCase{"workdir_leaves",
                  InStep("workDir = \"src/../../etc\""),
                  {"4:11: workDir \"src/../../etc\" leaves the workspace"}},
        ErrorCase{"alias_leaves",
                  InStep("workingDir = \"../x\""),
                  {"4:14: warning: \"workingDir\" is taken as \"workDir\", the key's proper name",
                   "4:14: workingDir \"../x\" leaves the workspace"}},
        ErrorCase{"alias_and_key",
                  InStep("workingDir = \"x\"\nworkDir = \"x\""),
                  {"5:11: \"workDir\" and \"workingDir\" are both set"}},
        ErrorCase{
            "env_flag", InStep("envs = [\"PATH\"]"), {"4:9: envs[0] \"PATH\" must be NAME=value"}},
        ErrorCase{
            "env_names",
            InStep("envs = [\"1A=x\", \"=x\", \"A-B=x\", \" A=x\"]"),
            {"4:9: envs[0] \"1A=x\" must be NAME=value", "4:17: envs[1] \"=x\" must be NAME=value",
             "4:23: envs[2] \"A-B=x\" must be NAME=value",
             "4:32: envs[3] \" A=x\" must be NAME=value"}},
        ErrorCase{"env_twice",
                  InStep("envs = [\n\"A=1\",\n\"B=1\",\n\"A=2\"]"),
                  {"7:1: \"A\" is set twice"}},
        ErrorCase{"nul",
                  InStep("args = [\"a\\u0000b\"]\nenvs = [\"A=\\u0000\"]"),
                  {"4:9: args[0] \"a\\x00b\" holds a NUL byte, which no program can be given",
                   "5:9: envs[0] \"A=\\x00\" holds a NUL byte, which no program can be given"}},
        ErrorCase{
            "too_long_for_a_process",
            InStep("args = [\"" + std::string(131072, 'x') + "\", \"" + std::string(131071, 'x') +
                   "\"]\nenvs = [\"A=" + std::string(131070, 'x') + "\"]"),
            {"4:9: args[0] has 131072 bytes, and Linux gives a process at most 131071 in one "
             "string; put it into a file of the context",
             "5:9: envs[0] has 131072 bytes, and Linux gives a process at most 131071 in one "
             "string; put it into a file of the context"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Choices, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"rerun",
                  InStep("rerun = \"maybe\""),
                  {"4:9: rerun \"maybe\" must be one of \"safe\", \"exclusive\", \"never\""}},
        ErrorCase{"rerun_case",
                  InStep("rerun = \"Never\""),
                  {"4:9: rerun \"Never\" must be one of \"safe\", \"exclusive\", \"never\""}},
        ErrorCase{"conflict",
                  "conflict = \"\"\n" + InStep(""),
                  {"1:12: conflict \"\" must be one of \"warn\", \"error\""}},
        ErrorCase{"conflict_type",
                  "conflict = true\n" + InStep(""),
                  {"1:12: \"conflict\" must be a string, not a boolean"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Commands, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"unknown_verb",
                  "[[step]]\nid = \"a\"\nargs = [\"compile\", \"all\"]\n",
                  {absl::StrCat("3:9: step \"a\" has no image and \"compile\" is not a known verb "
                                "(known: ",
                                kVerbs, ")")}},
        ErrorCase{"no_args",
                  "[[step]]\nid = \"a\"\n",
                  {absl::StrCat("1:1: step \"a\" has no image and no args whose first could be a "
                                "known verb (known: ",
                                kVerbs, ")")}},
        // What the step runs can't be said without its args: that follows.
        ErrorCase{"bad_args",
                  "[[step]]\nid = \"a\"\nargs = \"compile\"\n",
                  {"3:8: \"args\" must be an array of strings, not a string"}},
        ErrorCase{"push_counts_what_is_refused",
                  "push = [\"a\", 1, \"B\", \"a:latest\"]\n" + InStep(""),
                  {"1:14: \"push\" must be an array of strings, but push[1] is an integer",
                   "1:17: push[2] \"B\" is not a valid reference: a repository's name is lower "
                   "case",
                   "1:22: warning: push[3] \"a:latest\" is docker.io/library/a:latest, as push[0] "
                   "is; it is pushed once"}},
        ErrorCase{
            "push",
            "push = [\"A\", \"b\", "
            "\"c@sha256:0000000000000000000000000000000000000000000000000000000000000000\"]\n" +
                InStep(""),
            {"1:9: push[0] \"A\" is not a valid reference: a repository's name is lower case",
             "1:19: push[2] "
             "\"c@sha256:0000000000000000000000000000000000000000000000000000000000000000\" is not "
             "a valid reference: a digest can't be pushed, only a tag"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Timeouts, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"no_unit",
                  InStep("timeout = \"60\""),
                  {"4:11: timeout \"60\": missing unit in duration (write \"60s\")"}},
        ErrorCase{"weeks",
                  InStep("timeout = \"1w\""),
                  {"4:11: timeout \"1w\": unknown unit \"w\" in duration (units are ns, us, ms, "
                   "s, m and h)"}},
        ErrorCase{"negative",
                  InStep("timeout = \"-1m\""),
                  {"4:11: timeout \"-1m\": must be greater than zero"}},
        ErrorCase{"zero",
                  "stepTimeout = 0\n" + InStep(""),
                  {"1:15: stepTimeout 0: must be greater than zero"}},
        ErrorCase{"over_the_step_limit",
                  InStep("timeout = \"2h0.000000001s\""),
                  {"4:11: timeout \"2h0.000000001s\": exceeds the maximum of 2h0m0s"}},
        ErrorCase{"over_the_total_limit",
                  "totalTimeout = 21601\nstepTimeout = \"3h\"\n" + InStep(""),
                  {"1:16: totalTimeout 21601: exceeds the maximum of 6h0m0s",
                   "2:15: stepTimeout \"3h\": exceeds the maximum of 2h0m0s"}},
        // The TOML library saturates; seconds times 10^9 must not wrap.
        ErrorCase{"wraps_in_nanoseconds",
                  InStep("timeout = 18446744074"),
                  {"4:11: timeout 18446744074: exceeds the maximum of 2h0m0s"}}),
    NameOf);

}  // namespace
}  // namespace rally::pipeline
