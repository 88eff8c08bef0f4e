#include "rallyctl/findings/rules.h"

#include <iterator>

#include "absl/strings/match.h"

namespace rally::rallyctl {
namespace {

using pipeline::Severity;

constexpr Rule kRules[] = {
    {"syntax", "The file is no TOML."},
    {"unknown-key", "A key that there isn't, or that belongs to another level."},
    {"type", "A value of another type than its key takes."},
    {"missing-id", "A step needs an id."},
    {"no-steps", "A pipeline needs a step."},
    {"bad-id", "An id has letters, digits, \"_\", \".\" and \"-\", at most 63 of them."},
    {"reserved-id", "An id that Rally keeps for itself."},
    {"dup-id", "An id is used once."},
    {"unknown-step", "whenAll names a step that there isn't."},
    {"self", "A step can't wait for itself."},
    {"dup-dep", "whenAll names a step once."},
    {"mixed", "\"-\" in whenAll stands alone."},
    {"cycle", "Steps wait for each other in a cycle, and none could start."},
    {"exit-code", "Exit codes are integers from 0 to 255, and a condition lists at least one."},
    {"never", "The conditions of a step exclude each other."},
    {"timeout", "A timeout is a duration above zero and below the server's limit."},
    {"env", "An entry of envs is NAME=value."},
    {"dup-env", "A name of the environment is set once."},
    {"unknown-secret", "secretEnvs names what a [[secrets]] declares."},
    {"secret", "A [[secrets]] needs a name in the environment."},
    {"dup-secret", "A secret is declared once."},
    {"akv", "akv is the name of a vault or an https URL."},
    {"template", "A template can't be read, or can't be rendered with what it was given."},
    {"no-image", "A step has an image, or a verb that stands for one."},
    {"image", "A reference to an image as docker writes it, or oci:PATH."},
    {"workdir", "workDir stays in the workspace."},
    {"alias", "A key is written twice, by its name and its alias."},
    {"values", "What templates are given can't be read or merged."},
    {"verb-repair", "The arguments of a verb are taken for what was probably meant."},
    {"choice", "A key takes one of a few words."},
    {"alias-used", "A key is written by another name than its own."},
    {"empty-when-all", "An empty whenAll means what none does."},
    {"pushed-twice", "An image is pushed once, however often it is listed."},
    {"condition-ignored", "A condition without anything to look at is ignored."},
    {"unused-secret", "A secret is declared and no step asks for it."},
    {"total-below-step", "The whole pipeline has less time than one of its steps."},
    {"error", "Anything else that makes a pipeline invalid."},
    {"warning", "Anything else that is probably not meant."},
};
constexpr size_t kAnyError = std::size(kRules) - 2;
constexpr size_t kAnyWarning = std::size(kRules) - 1;

// The first row wins whose words are all in the message; "" is in every message.
struct Sign {
  Severity severity;
  const char* words[2];
  const char* rule;
};

constexpr Sign kSigns[] = {
    {Severity::kError, {"TOML syntax", ""}, "syntax"},
    {Severity::kError, {": template: ", ""}, "template"},
    {Severity::kError, {"--set ", ""}, "values"},
    {Severity::kError, {"--build ", ""}, "values"},
    {Severity::kError, {"of values may hold", ""}, "values"},
    {Severity::kError, {"files of values", ""}, "values"},
    {Severity::kError, {"\" is a", " in --set"}, "values"},
    {Severity::kError, {"\" is a", " and a"}, "values"},
    {Severity::kError, {" must be one of \"", ""}, "choice"},
    {Severity::kError, {"unknown key ", ""}, "unknown-key"},
    {Severity::kError, {" must be written [[", ""}, "type"},
    {Severity::kError, {" must be NAME=value", ""}, "env"},
    {Severity::kError, {"must be greater than zero", ""}, "timeout"},
    {Severity::kError, {"exceeds the maximum of ", ""}, "timeout"},
    {Severity::kError, {"imeout \"", ""}, "timeout"},
    {Severity::kError, {"\" must be ", ", not "}, "type"},
    {Severity::kError, {"\" must be an array of ", "] is "}, "type"},
    {Severity::kError, {" has no \"id\"", ""}, "missing-id"},
    {Severity::kError, {"no [[step]] in the pipeline", ""}, "no-steps"},
    {Severity::kError, {"id \"", "may hold only"}, "bad-id"},
    {Severity::kError, {"id \"", " is reserved"}, "reserved-id"},
    {Severity::kError, {"id \"", " is already used at line "}, "dup-id"},
    {Severity::kError, {"which is not a step", ""}, "unknown-step"},
    {Severity::kError, {" waits for itself", ""}, "self"},
    {Severity::kError, {" waits for \"", "\" twice"}, "dup-dep"},
    {Severity::kError, {" mixes \"-\" with other entries", ""}, "mixed"},
    {Severity::kError, {"in a cycle: ", ""}, "cycle"},
    {Severity::kError, {"is not an exit code", ""}, "exit-code"},
    {Severity::kError, {"exitedWith", " is empty"}, "exit-code"},
    {Severity::kError, {" can never run: ", ""}, "never"},
    {Severity::kError, {" is set twice", ""}, "dup-env"},
    {Severity::kError, {"is not declared by any [[secrets]]", ""}, "unknown-secret"},
    {Severity::kError, {"[[secrets]] needs a ", ""}, "secret"},
    {Severity::kError, {"secretEnv \"", " is declared twice"}, "dup-secret"},
    {Severity::kError, {"akv \"", ""}, "akv"},
    {Severity::kError, {" has no image and ", ""}, "no-image"},
    {Severity::kError, {"has no image", ""}, "no-image"},
    {Severity::kError, {" is not a valid reference", ""}, "image"},
    {Severity::kError, {"image ", ""}, "image"},
    {Severity::kError, {" leaves the workspace", ""}, "workdir"},
    {Severity::kError, {" are both set", ""}, "alias"},
    {Severity::kWarning, {"\"workingDir\" is taken as ", ""}, "alias-used"},
    {Severity::kWarning, {" is ignored: step ", ""}, "condition-ignored"},
    {Severity::kWarning, {"totalTimeout ", " is less than stepTimeout "}, "total-below-step"},
    {Severity::kWarning, {"secretEnv \"", " is declared but unused"}, "unused-secret"},
    {Severity::kWarning, {"whenAll = [] is the same as no whenAll", ""}, "empty-when-all"},
    {Severity::kWarning, {"push[", "it is pushed once"}, "pushed-twice"},
    {Severity::kWarning, {"clone: ", ""}, "verb-repair"},
    {Severity::kWarning, {"build: ", ""}, "verb-repair"},
    {Severity::kWarning, {"set: ", ""}, "verb-repair"},
};

size_t IndexOf(absl::string_view id) {
  size_t index = 0;
  while (index < kAnyWarning && id != kRules[index].id) ++index;
  return index;
}

}  // namespace

size_t RuleCount() { return std::size(kRules); }

const Rule& RuleAt(size_t index) { return kRules[index]; }

size_t RuleIndex(const pipeline::Diagnostic& diagnostic) {
  for (const Sign& sign : kSigns) {
    if (sign.severity == diagnostic.severity &&
        absl::StrContains(diagnostic.message, sign.words[0]) &&
        absl::StrContains(diagnostic.message, sign.words[1])) {
      return IndexOf(sign.rule);
    }
  }
  return diagnostic.severity == Severity::kError ? kAnyError : kAnyWarning;
}

absl::string_view RuleId(const pipeline::Diagnostic& diagnostic) {
  return kRules[RuleIndex(diagnostic)].id;
}

}  // namespace rally::rallyctl
