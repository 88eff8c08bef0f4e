#ifndef RALLY_COMMON_PIPELINE_KEY_TABLE_H_
#define RALLY_COMMON_PIPELINE_KEY_TABLE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rally::pipeline {

// Every key of the language.
enum class Key {
  kStep,
  kSecrets,
  kStepTimeout,
  kTotalTimeout,
  kPush,
  kConflict,
  kId,
  kImage,
  kArgs,
  kWorkDir,
  kWorkingDir,
  kEntryPoint,
  kEnvs,
  kSecretEnvs,
  kTimeout,
  kWhenAll,
  kExitedWith,
  kExitedWithout,
  kRerun,
  kAkv,
  kSecretEnv,
};
constexpr int kKeyCount = static_cast<int>(Key::kSecretEnv) + 1;

// The table that a key stands in.
enum class KeyLevel { kTop, kStep, kSecret };

enum class KeyType {
  kString,
  kStringArray,
  kIntegerArray,
  kDuration,    // A string by Go's rules, or an integer of seconds.
  kTableArray,  // [[key]]
  kChoice,      // A string, one of KeySpec::choices.
};

// What this version does with a key that is well typed.
enum class KeySupport {
  kFull,
  kOnlyEmpty,        // Refused unless the array is empty.
  kOnlyFirstChoice,  // Refused unless it is the default, choices[0].
  kRefused,          // Refused wherever it stands.
};

struct KeySpec {
  Key key;
  absl::string_view name;
  KeyLevel level;
  KeyType type;
  KeySupport support = KeySupport::kFull;
  absl::Span<const absl::string_view> choices = {};  // kChoice; the default first.
};

// The one table of keys, in the order of Key: what is unknown, what was probably meant, of which
// type a value has to be, and what is accepted, all comes from here.
absl::Span<const KeySpec> AllKeys();

const KeySpec& SpecOf(Key key);

// The key of that name and level, or null.
const KeySpec* FindKey(absl::string_view name, KeyLevel level);

// "at the top level", "in [[step]]", "in [[secrets]]".
absl::string_view DescribePlace(KeyLevel level);

// `unknown key "workDri" in [[step]]; did you mean "workDir"?`
std::string UnknownKeyMessage(absl::string_view name, KeyLevel level);

// The key that `name` was probably meant to be at that level, or "".
absl::string_view SuggestKey(absl::string_view name, KeyLevel level);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KEY_TABLE_H_
