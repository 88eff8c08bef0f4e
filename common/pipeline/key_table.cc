#include "common/pipeline/key_table.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kConflictChoices[] = {"warn", "error"};
constexpr absl::string_view kRerunChoices[] = {"safe", "exclusive", "never"};

constexpr char kIdPattern[] = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$";
constexpr char kEnvPattern[] = "^[A-Za-z_][A-Za-z0-9_]*=";
constexpr char kEnvNamePattern[] = "^[A-Za-z_][A-Za-z0-9_]*$";
constexpr char kDurationPattern[] =
    "^[+]?(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|\xC2\xB5s|\xCE\xBCs|ms|s|m|h))+$";
constexpr char kWhenAllPattern[] = "^(-|[A-Za-z0-9][A-Za-z0-9_.-]{0,62})$";
constexpr char kAkvPattern[] = "^([A-Za-z][A-Za-z0-9-]{2,23}|[Hh][Tt][Tt][Pp][Ss]://.+)$";

constexpr KeySpec kKeys[] = {
    {Key::kStep,
     "step",
     KeyLevel::kTop,
     KeyType::kTableArray,
     "The steps of the pipeline, each written [[step]]. A step waits for the one before it in the "
     "file unless whenAll says otherwise.",
     "",
     {},
     "",
     /*required=*/true},
    {Key::kSecrets, "secrets", KeyLevel::kTop, KeyType::kTableArray,
     "The secrets that steps may ask for by secretEnvs, each written [[secrets]].", "[]"},
    {Key::kStepTimeout,
     "stepTimeout",
     KeyLevel::kTop,
     KeyType::kDuration,
     "How long a step without a timeout of its own may take, as seconds or as a duration such as "
     "\"10m\".",
     "600",
     {},
     kDurationPattern},
    {Key::kTotalTimeout,
     "totalTimeout",
     KeyLevel::kTop,
     KeyType::kDuration,
     "How long all steps and pushes together may take, as seconds or as a duration such as "
     "\"1h\".",
     "3600",
     {},
     kDurationPattern},
    {Key::kPush, "push", KeyLevel::kTop, KeyType::kStringArray,
     "Images to push, in this order, after all steps have succeeded.", "[]"},
    {Key::kConflict, "conflict", KeyLevel::kTop, KeyType::kChoice,
     "What happens when two steps that aren't ordered wrote different things to one path: \"warn\" "
     "takes the later step's, \"error\" fails the step that would see both.",
     "\"warn\"", kConflictChoices},
    {Key::kId,
     "id",
     KeyLevel::kStep,
     KeyType::kString,
     "The step's name: unique in the file, used in whenAll, logs and summaries.",
     "",
     {},
     kIdPattern,
     /*required=*/true},
    {Key::kImage, "image", KeyLevel::kStep, KeyType::kString,
     "The image to run in: a reference, or oci:PATH for one that earlier steps left in the "
     "workspace. Without it args[0] is a verb, which knows its image."},
    {Key::kArgs, "args", KeyLevel::kStep, KeyType::kStringArray,
     "The arguments, passed as they are: never through a shell, never split. Without an image the "
     "first is a verb, such as \"clone\" or \"build\".",
     "[]"},
    {Key::kWorkDir, "workDir", KeyLevel::kStep, KeyType::kString,
     "The working directory: relative to the workspace, or absolute in the container. Made if it "
     "isn't there.",
     "\"\""},
    {Key::kWorkingDir, "workingDir", KeyLevel::kStep, KeyType::kString,
     "Another spelling of workDir, accepted with a warning."},
    {Key::kEntryPoint, "entryPoint", KeyLevel::kStep, KeyType::kString,
     "One executable to run in place of the image's own entry point; never split.", "\"\""},
    {Key::kEnvs,
     "envs",
     KeyLevel::kStep,
     KeyType::kStringArray,
     "Environment variables, each NAME=value.",
     "[]",
     {},
     kEnvPattern},
    {Key::kSecretEnvs,
     "secretEnvs",
     KeyLevel::kStep,
     KeyType::kStringArray,
     "Names of environment variables to fill with secrets; each is declared by a [[secrets]].",
     "[]",
     {},
     kEnvNamePattern},
    {Key::kTimeout,
     "timeout",
     KeyLevel::kStep,
     KeyType::kDuration,
     "How long the step may take, as a duration such as \"90s\" or as seconds; stepTimeout when "
     "absent.",
     "",
     {},
     kDurationPattern},
    {Key::kWhenAll,
     "whenAll",
     KeyLevel::kStep,
     KeyType::kStringArray,
     "The steps to wait for. [\"-\"] starts at once; when absent the step waits for the one before "
     "it in the file.",
     "",
     {},
     kWhenAllPattern},
    {Key::kExitedWith, "exitedWith", KeyLevel::kStep, KeyType::kIntegerArray,
     "Run only if any of the steps waited for exited with one of these codes (0-255)."},
    {Key::kExitedWithout, "exitedWithout", KeyLevel::kStep, KeyType::kIntegerArray,
     "Run only if none of the steps waited for exited with one of these codes (0-255)."},
    {Key::kRerun, "rerun", KeyLevel::kStep, KeyType::kChoice,
     "What happens when the agent is lost after the step may have started: \"safe\" runs it again "
     "at once, \"exclusive\" again but never two at a time, \"never\" doesn't.",
     "\"safe\"", kRerunChoices},
    {Key::kAkv,
     "akv",
     KeyLevel::kSecret,
     KeyType::kString,
     "The Azure Key Vault: its name, https://HOST, or https://HOST/secrets/NAME[/VERSION]. The "
     "server's default provider when absent.",
     "",
     {},
     kAkvPattern},
    {Key::kSecretEnv,
     "secretEnv",
     KeyLevel::kSecret,
     KeyType::kString,
     "The environment variable that holds the value in steps that ask for it. May be left out "
     "when akv is the URL of a secret: db-pass becomes DB_PASS.",
     "",
     {},
     kEnvNamePattern},
};
static_assert(sizeof(kKeys) / sizeof(kKeys[0]) == kKeyCount, "a row for each Key");

// What people bring from other pipeline languages.
struct Habit {
  absl::string_view name;
  Key meant;
};
constexpr Habit kHabits[] = {
    {"env", Key::kEnvs},          {"when", Key::kWhenAll},
    {"steps", Key::kStep},        {"needs", Key::kWhenAll},
    {"dependsOn", Key::kWhenAll}, {"depends_on", Key::kWhenAll},
    {"run", Key::kArgs},          {"cmd", Key::kArgs},
    {"command", Key::kArgs},      {"name", Key::kId},
    {"cwd", Key::kWorkDir},       {"environment", Key::kEnvs},
    {"secret", Key::kSecrets},    {"entrypoint", Key::kEntryPoint},
    {"env", Key::kSecretEnv},     {"vault", Key::kAkv},
    {"waitFor", Key::kWhenAll},   {"wait_for", Key::kWhenAll},
    {"after", Key::kWhenAll},     {"runAfter", Key::kWhenAll},
    {"depends", Key::kWhenAll},   {"script", Key::kArgs},
    {"dir", Key::kWorkDir},       {"working-directory", Key::kWorkDir},
    {"if", Key::kExitedWith},     {"timeout-minutes", Key::kTimeout},
};

}  // namespace

absl::Span<const KeySpec> AllKeys() { return kKeys; }

const KeySpec& SpecOf(Key key) { return kKeys[static_cast<int>(key)]; }

const KeySpec* FindKey(absl::string_view name, KeyLevel level) {
  for (const KeySpec& spec : kKeys) {
    if (spec.level == level && spec.name == name) return &spec;
  }
  return nullptr;
}

absl::string_view DescribePlace(KeyLevel level) {
  switch (level) {
    case KeyLevel::kTop:
      return "at the top level";
    case KeyLevel::kStep:
      return "in [[step]]";
    case KeyLevel::kSecret:
      return "in [[secrets]]";
  }
  return "";
}

absl::string_view SuggestKey(absl::string_view name, KeyLevel level) {
  for (const Habit& habit : kHabits) {
    const KeySpec& spec = SpecOf(habit.meant);
    if (spec.level == level && absl::EqualsIgnoreCase(habit.name, name)) return spec.name;
  }
  std::vector<absl::string_view> candidates;
  for (const KeySpec& spec : kKeys) {
    if (spec.level == level) candidates.push_back(spec.name);
  }
  return NearestWord(name, candidates);
}

std::string UnknownKeyMessage(absl::string_view name, KeyLevel level) {
  const std::string message = absl::StrCat("unknown key ", Quote(name), " ", DescribePlace(level));
  const absl::string_view suggestion = SuggestKey(name, level);
  if (!suggestion.empty()) {
    return absl::StrCat(message, "; did you mean ", Quote(suggestion), "?");
  }
  // TOML has no way back to the top level, so a key below the first [[step]] belongs to that step.
  if (FindKey(name, KeyLevel::kTop) != nullptr) {
    return absl::StrCat(message, "; ", Quote(name),
                        " is a top-level key, move it above the first [[step]]");
  }
  for (const KeyLevel other : {KeyLevel::kStep, KeyLevel::kSecret}) {
    if (FindKey(name, other) != nullptr) {
      return absl::StrCat(message, "; ", Quote(name), " belongs ", DescribePlace(other));
    }
  }
  return message;
}

}  // namespace rally::pipeline
