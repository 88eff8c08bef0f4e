#include "agent/attempt_name.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace rally::agent {
namespace {

// What containerd allows for an id.
constexpr size_t kMaxNameBytes = 76;

bool IsWord(absl::string_view text) {
  if (text.empty()) return false;
  bool separator = true;  // A name neither begins nor ends with one, and has no two together.
  for (char c : text) {
    const bool is_separator = c == '-' || c == '_' || c == '.';
    if (!absl::ascii_isalnum(c) && !is_separator) return false;
    if (is_separator && separator) return false;
    separator = is_separator;
  }
  return !separator;
}

}  // namespace

std::string AttemptName(const v1::AttemptKey& key) {
  return absl::StrCat(key.build_id(), "-", key.step(), "-", key.attempt());
}

absl::Status CheckAttemptKey(const v1::AttemptKey& key) {
  if (!IsWord(key.build_id()) || key.step() < 0 || key.attempt() < 1 ||
      AttemptName(key).size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::CHexEscape(AttemptName(key)), "\" is no name of an attempt"));
  }
  return absl::OkStatus();
}

std::string LogPrefix(const v1::AttemptKey& key) {
  return absl::StrCat("build=", absl::CHexEscape(key.build_id()), " step=", key.step(),
                      " attempt=", key.attempt(), " ");
}

}  // namespace rally::agent
