// Every error about templates and their values: the line and column of the string, and the text,
// which has the line and column inside the template.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/error_case.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

Parameters Values(const std::string& text) {
  Parameters parameters;
  parameters.values_files = {{"values.toml", text}};
  return parameters;
}

Parameters Sets(const std::vector<std::string>& sets) {
  Parameters parameters;
  parameters.sets = sets;
  return parameters;
}

constexpr char kKnown[] =
    " (known: .Build.Branch, .Build.BranchName, .Build.Commit, .Build.Date, .Build.ID, "
    ".Build.Registry, .Build.Repository, .Build.Tag, .Build.TriggeredBy)";

// One case for each key: its label, its position, and that nothing else is said.
INSTANTIATE_TEST_SUITE_P(
    Labels, ParseErrorTest,
    ::testing::Values(
        ErrorCase{
            "top_level",
            "stepTimeout = \"{{ .Values.a }}\"\ntotalTimeout = \"{{ .Values.a }}\"\n"
            "push = [\"{{ .Values.a }}\", \"x\"]\nconflict = \"{{ .Values.a }}\"\n" +
                InStep(""),
            {"1:15: stepTimeout: template: 1:4: .Values.a has no value; give it by --set or "
             "--values",
             "2:16: totalTimeout: template: 1:4: .Values.a has no value; give it by --set or "
             "--values",
             "3:9: push[0]: template: 1:4: .Values.a has no value; give it by --set or --values",
             "4:12: conflict: template: 1:4: .Values.a has no value; give it by --set or "
             "--values"}},
        ErrorCase{
            "step",
            InStep("args = [\"x\",\n\"{{ .Values.a }}\"]\nworkDir = \"{{ .Values.a }}\"\n"
                   "entryPoint = \"{{ .Values.a }}\"\nenvs = [\"A={{ .Values.a }}\"]\n"
                   "timeout = \"{{ .Values.a }}\"\nrerun = \"{{ .Values.a }}\""),
            {"5:1: args[1]: template: 1:4: .Values.a has no value; give it by --set or --values",
             "6:11: workDir: template: 1:4: .Values.a has no value; give it by --set or --values",
             "7:14: entryPoint: template: 1:4: .Values.a has no value; give it by --set or "
             "--values",
             "8:9: envs[0]: template: 1:6: .Values.a has no value; give it by --set or --values",
             "9:11: timeout: template: 1:4: .Values.a has no value; give it by --set or --values",
             "10:9: rerun: template: 1:4: .Values.a has no value; give it by --set or --values"}},
        ErrorCase{"alias",
                  InStep("workingDir = \"{{ .Values.a }}\""),
                  {"4:14: workingDir: template: 1:4: .Values.a has no value; give it by --set or "
                   "--values"}},
        // Without the verb nothing is known of the image, without the image nothing of the verb.
        ErrorCase{
            "image",
            "[[step]]\nid = \"a\"\nimage = \"{{ .Values.a }}\"\n[[step]]\nid = \"b\"\n"
            "args = [\"{{ .Values.a }}\", \"x\"]\n",
            {"3:9: image: template: 1:4: .Values.a has no value; give it by --set or --values",
             "6:9: args[0]: template: 1:4: .Values.a has no value; give it by --set or --values"}},
        // Who can't be told to be unknown isn't reported: it may be the step whose name is not
        // known.
        ErrorCase{"id",
                  InStep("whenAll = [\"x-1\"]\n[[step]]\nid = \"x-{{ .Values.a }}\"\n"
                         "args = [\"nope\"]\nwhenAll = [\"nope\"]\nexitedWith = []"),
                  {"6:6: id: template: 1:6: .Values.a has no value; give it by --set or --values",
                   "9:14: exitedWith is empty"}},
        ErrorCase{"when_all",
                  InThirdStep("whenAll = [\"nope\", \"{{ .Values.a }}\", \"a\", \"a\"]"),
                  {"10:12: step \"c\" waits for \"nope\", which is not a step",
                   "10:20: whenAll[1]: template: 1:4: .Values.a has no value; give it by --set or "
                   "--values",
                   "10:44: step \"c\" waits for \"a\" twice"}},
        ErrorCase{"secrets",
                  InStep("secretEnvs = [\"{{ .Values.a }}\", \"X\"]\n[[secrets]]\n"
                         "akv = \"{{ .Values.a }}\"\nsecretEnv = \"A\"\n[[secrets]]\n"
                         "akv = \"corp\"\nsecretEnv = \"{{ .Values.a }}\""),
                  {"4:15: secretEnvs[0]: template: 1:4: .Values.a has no value; give it by --set "
                   "or --values",
                   "6:7: akv: template: 1:4: .Values.a has no value; give it by --set or --values",
                   "10:13: secretEnv: template: 1:4: .Values.a has no value; give it by --set or "
                   "--values"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Texts, ParseErrorTest,
    ::testing::Values(
        ErrorCase{
            "unknown_build",
            InStep("args = [\"{{ .Build.QueuedBy }}\"]"),
            {absl::StrCat("4:9: args[0]: template: 1:10: unknown \".Build.QueuedBy\"; did you "
                          "mean \".Build.TriggeredBy\"?",
                          kKnown)}},
        ErrorCase{"secrets_object",
                  InStep("args = [\"{{ .Secrets.TOKEN }}\"]"),
                  {"4:9: args[0]: template: 1:4: secrets are not available in templates; name them "
                   "in \"secretEnvs\""}},
        ErrorCase{"unknown_function",
                  InStep("args = [\"{{ if false }}{{ lowr `A` }}{{ end }}\"]"),
                  {"4:9: args[0]: template: 1:18: unknown function \"lowr\"; did you mean "
                   "\"lower\"?"}},
        ErrorCase{
            "inside_a_long_string",
            InStep("args = ['''\none\n  {{ .Values.a }}''']"),
            {"4:9: args[0]: template: 2:6: .Values.a has no value; give it by --set or --values"}},
        ErrorCase{"not_closed",
                  InStep("workDir = \"a/{{ .Build.ID\""),
                  {"4:11: workDir: template: 1:3: the action is not closed: \"}}\" is missing"}},
        ErrorCase{"half_a_character",
                  InStep("args = ['{{ b64dec \"w6k=\" | trunc 1 }}', '{{ b64dec \"/w==\" }}']"),
                  {"4:9: args[0]: template: the result is not valid UTF-8",
                   "4:42: args[1]: template: the result is not valid UTF-8"}},
        ErrorCase{"too_long",
                  InStep("args = ['{{ repeat 65536 \"a\" }}b']"),
                  {"4:9: args[0]: template: 1:23: a text of the template grows over 64 KiB"}},
        ErrorCase{"too_many_steps",
                  InStep("args = ['{{ $l := splitList \"\" (repeat 1000 \"a\") }}{{ range $l }}"
                         "{{ range $l }}{{ end }}{{ end }}']"),
                  {"4:9: args[0]: template: 1:66: the template takes more than 100000 steps"}},
        // What was rendered is checked, at the place of its template.
        ErrorCase{"result_is_checked",
                  InStep("timeout = '{{ \"60\" }}'\nrerun = '{{ print \"may\" \"be\" }}'\n"
                         "envs = ['{{ \"PATH\" }}']\nworkDir = '{{ \"../x\" }}'"),
                  {"4:11: timeout \"60\": missing unit in duration (write \"60s\")",
                   "5:9: rerun \"maybe\" must be one of \"safe\", \"exclusive\", \"never\"",
                   "6:9: envs[0] \"PATH\" must be NAME=value",
                   "7:11: workDir \"../x\" leaves the workspace"}},
        ErrorCase{
            "result_of_id",
            "[[step]]\nid = '{{ \"foo bar\" }}'\n",
            {"2:6: id \"foo bar\" may hold only letters, digits, \"_\", \".\" and \"-\", must "
             "start with a letter or a digit, and be 1 to 63 characters long"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Parameters, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"set_without_equals",
                  InStep("args = [\"{{ .Values.a }}\", \"{{ foo }}\"]\nenvs = [\"A\"]"),
                  {"0:0: --set \"x\": no \"=\" found",
                   "4:28: args[1]: template: 1:4: unknown function \"foo\"; did you mean \"mod\"?",
                   "5:9: envs[0] \"A\" must be NAME=value"},
                  Sets({"x"})},
        ErrorCase{
            "set_of_a_good_file", InStep(""), {"0:0: --set \"x\": no \"=\" found"}, Sets({"x"})},
        ErrorCase{"table_and_string",
                  InStep(""),
                  {"0:0: \"x\" is a table in values.toml and a string in --set"},
                  {{{"values.toml", "x.a = 1\n"}}, {"x=1"}, {}}},
        ErrorCase{"values_syntax",
                  InStep("workDir = \"../x\""),
                  {"4:11: workDir \"../x\" leaves the workspace",
                   "values.toml:3:1: TOML syntax: array: encountered end-of-file"},
                  Values("a = 1\nb = [\n")}),
    NameOf);

}  // namespace
}  // namespace rally::pipeline
