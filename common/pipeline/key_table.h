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

struct KeySpec {
  Key key;
  absl::string_view name;
  KeyLevel level;
  KeyType type;
  // One or two sentences for people: what editors show, and the reference.
  absl::string_view description;
  // As it would be written; "" = none, or not a constant.
  absl::string_view default_value = "";
  absl::Span<const absl::string_view> choices = {};  // kChoice; the default first.
  // What a string, or each string of an array, has to match (ECMAScript and RE2 agree on it);
  // "" = nothing. The parser checks more, and says more, than this.
  absl::string_view pattern = "";
  bool required = false;
};

// The one table of keys, in the order of Key: what is unknown, what was probably meant, of which
// type a value has to be, what editors complete and what the reference says, all comes from here.
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
