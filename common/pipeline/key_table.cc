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

constexpr KeySpec kKeys[] = {
    {Key::kStep, "step", KeyLevel::kTop, KeyType::kTableArray},
    {Key::kSecrets, "secrets", KeyLevel::kTop, KeyType::kTableArray, KeySupport::kOnlyEmpty},
    {Key::kStepTimeout, "stepTimeout", KeyLevel::kTop, KeyType::kDuration},
    {Key::kTotalTimeout, "totalTimeout", KeyLevel::kTop, KeyType::kDuration},
    {Key::kPush, "push", KeyLevel::kTop, KeyType::kStringArray, KeySupport::kOnlyEmpty},
    {Key::kConflict, "conflict", KeyLevel::kTop, KeyType::kChoice, KeySupport::kOnlyFirstChoice,
     kConflictChoices},
    {Key::kId, "id", KeyLevel::kStep, KeyType::kString},
    {Key::kImage, "image", KeyLevel::kStep, KeyType::kString},
    {Key::kArgs, "args", KeyLevel::kStep, KeyType::kStringArray},
    {Key::kWorkDir, "workDir", KeyLevel::kStep, KeyType::kString},
    {Key::kWorkingDir, "workingDir", KeyLevel::kStep, KeyType::kString},
    {Key::kEntryPoint, "entryPoint", KeyLevel::kStep, KeyType::kString},
    {Key::kEnvs, "envs", KeyLevel::kStep, KeyType::kStringArray},
    {Key::kSecretEnvs, "secretEnvs", KeyLevel::kStep, KeyType::kStringArray,
     KeySupport::kOnlyEmpty},
    {Key::kTimeout, "timeout", KeyLevel::kStep, KeyType::kDuration},
    {Key::kWhenAll, "whenAll", KeyLevel::kStep, KeyType::kStringArray},
    {Key::kExitedWith, "exitedWith", KeyLevel::kStep, KeyType::kIntegerArray, KeySupport::kRefused},
    {Key::kExitedWithout, "exitedWithout", KeyLevel::kStep, KeyType::kIntegerArray,
     KeySupport::kRefused},
    {Key::kRerun, "rerun", KeyLevel::kStep, KeyType::kChoice, KeySupport::kOnlyFirstChoice,
     kRerunChoices},
    {Key::kAkv, "akv", KeyLevel::kSecret, KeyType::kString},
    {Key::kSecretEnv, "secretEnv", KeyLevel::kSecret, KeyType::kString},
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
