#include "common/pipeline/go_template/unknown_name.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/go_template/function.h"
#include "common/pipeline/spelling.h"

namespace rally::go_template {
namespace {

// Functions of Go or sprig that are left out on purpose, by the reason.

// They tell of the machine that renders, or give something else each time.
constexpr absl::string_view kNotTheSameEverywhere[] = {
    "ago",           "date",      "dateInZone",    "env",
    "expandenv",     "genCA",     "genPrivateKey", "genSelfSignedCert",
    "getHostByName", "htmlDate",  "now",           "randAlpha",
    "randAlphaNum",  "randAscii", "randInt",       "randNumeric",
    "shuffle",       "toDate",    "uuidv4",
};
// Of times, which only those make.
constexpr absl::string_view kOfTimes[] = {"dateModify", "unixEpoch"};

template <size_t N>
bool IsOneOf(absl::string_view name, const absl::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// What older documentation calls it.
struct Renamed {
  absl::string_view field;
  absl::string_view name;
};
constexpr Renamed kRenamed[] = {{".Build.QueuedBy", "TriggeredBy"}, {".Build.BuildId", "ID"}};

}  // namespace

std::string UnknownFunction(absl::string_view name) {
  const std::string what = absl::StrCat("unknown function \"", name, "\"");
  if (IsOneOf(name, kNotTheSameEverywhere)) {
    return absl::StrCat(what, ": a template has only functions that give the same everywhere");
  }
  if (IsOneOf(name, kOfTimes)) {
    return absl::StrCat(what, ": a template has no times, only dates as text");
  }
  if (name == "call") {
    return absl::StrCat(what, ": a template has no values that are functions");
  }
  for (const absl::string_view root : {"Build", "Values"}) {
    if (absl::EqualsIgnoreCase(name, root)) {
      return absl::StrCat(what, "; did you mean \".", root, "\"?");
    }
  }
  const absl::string_view nearest = pipeline::NearestWord(name, FunctionNames());
  if (nearest.empty()) return what;
  return absl::StrCat(what, "; did you mean \"", nearest, "\"?");
}

std::string UndefinedVariable(absl::string_view name,
                              const std::vector<absl::string_view>& variables) {
  const std::string what = absl::StrCat("undefined variable \"", name, "\"");
  // Without the $, which is no letter that could be mistaken.
  std::vector<absl::string_view> names;
  for (const absl::string_view variable : variables) {
    if (variable.size() > 1) names.push_back(variable.substr(1));
  }
  const absl::string_view nearest = pipeline::NearestWord(name.substr(1), names);
  if (nearest.empty()) return what;
  return absl::StrCat(what, "; did you mean \"$", nearest, "\"?");
}

std::string UnknownField(absl::string_view prefix, absl::string_view name,
                         const Value::Map& fields) {
  const std::string field = absl::StrCat(prefix, ".", name);
  if (field == ".Secrets") {
    return "secrets are not available in templates; name them in \"secretEnvs\"";
  }
  std::vector<absl::string_view> names;
  for (const auto& [known, value] : fields) names.push_back(known);
  absl::string_view nearest = pipeline::NearestWord(name, names);
  for (const Renamed& renamed : kRenamed) {
    if (field == renamed.field) nearest = renamed.name;
  }
  const std::string suggestion =
      nearest.empty() ? "" : absl::StrCat("; did you mean \"", prefix, ".", nearest, "\"?");
  return absl::StrCat("unknown \"", field, "\"", suggestion, " (known: ", prefix, ".",
                      absl::StrJoin(names, absl::StrCat(", ", prefix, ".")), ")");
}

}  // namespace rally::go_template
