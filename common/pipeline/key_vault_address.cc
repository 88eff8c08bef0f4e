#include "common/pipeline/key_vault_address.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kScheme = "https://";
constexpr absl::string_view kSecrets = "secrets";
constexpr size_t kMinVaultBytes = 3;
constexpr size_t kMaxVaultBytes = 24;
constexpr size_t kMaxHostBytes = 253;
constexpr size_t kMaxLabelBytes = 63;
constexpr size_t kMaxPortDigits = 5;
constexpr size_t kMaxNameBytes = 127;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

bool IsAlnumOrDash(char c) { return absl::ascii_isalnum(c) || c == '-'; }

absl::Status CheckVaultName(absl::string_view name) {
  if (name.empty()) return Invalid("it is empty");
  if (absl::StrContains(name, "://")) return Invalid("only https is allowed");
  if (!std::all_of(name.begin(), name.end(), IsAlnumOrDash) || !absl::ascii_isalpha(name.front()) ||
      name.back() == '-' || absl::StrContains(name, "--")) {
    return Invalid(
        "a vault's name holds letters, digits and single dashes, and starts with a letter");
  }
  if (name.size() < kMinVaultBytes || name.size() > kMaxVaultBytes) {
    return Invalid(
        absl::StrCat("a vault's name has ", kMinVaultBytes, " to ", kMaxVaultBytes, " characters"));
  }
  return absl::OkStatus();
}

bool IsHostLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), IsAlnumOrDash);
}

absl::Status CheckHost(absl::string_view host_and_port) {
  const size_t colon = host_and_port.find(':');
  const absl::string_view host = host_and_port.substr(0, colon);
  if (host.empty()) return Invalid("the host is missing");
  if (!absl::StrContains(host, ".")) return Invalid("the host's name has no dot");
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  if (host.size() > kMaxHostBytes || !std::all_of(labels.begin(), labels.end(), IsHostLabel)) {
    return Invalid("the host's name is not one");
  }
  if (colon == absl::string_view::npos) return absl::OkStatus();
  const absl::string_view port = host_and_port.substr(colon + 1);
  if (port.empty() || port.size() > kMaxPortDigits ||
      !std::all_of(port.begin(), port.end(), absl::ascii_isdigit)) {
    return Invalid("the port is not a number");
  }
  return absl::OkStatus();
}

absl::StatusOr<KeyVaultAddress> ParseUrl(absl::string_view text) {
  const absl::string_view rest = text.substr(kScheme.size());
  const size_t slash = rest.find('/');
  const absl::string_view host = rest.substr(0, slash);
  if (absl::Status status = CheckHost(host); !status.ok()) return status;
  KeyVaultAddress address;
  address.vault = absl::StrCat(kScheme, absl::AsciiStrToLower(host));
  absl::string_view path = slash == absl::string_view::npos ? "" : rest.substr(slash + 1);
  if (path.empty()) return address;
  absl::ConsumeSuffix(&path, "/");
  const std::vector<absl::string_view> segments = absl::StrSplit(path, absl::MaxSplits('/', 3));
  if (segments.size() < 2 || segments.size() > 3 || segments[0] != kSecrets) {
    return Invalid("the path must be /secrets/NAME or /secrets/NAME/VERSION");
  }
  if (!IsKeyVaultSecretName(segments[1])) {
    return Invalid("a secret's name has 1 to 127 letters, digits and dashes");
  }
  address.name = std::string(segments[1]);
  if (segments.size() == 3) {
    if (!IsKeyVaultSecretName(segments[2])) {
      return Invalid("a secret's version is made of letters and digits");
    }
    address.version = std::string(segments[2]);
  }
  return address;
}

}  // namespace

absl::StatusOr<KeyVaultAddress> ParseKeyVaultAddress(absl::string_view text,
                                                     absl::string_view suffix) {
  if (absl::StartsWithIgnoreCase(text, kScheme)) return ParseUrl(text);
  if (absl::Status status = CheckVaultName(text); !status.ok()) return status;
  KeyVaultAddress address;
  address.vault = absl::StrCat(kScheme, absl::AsciiStrToLower(text), ".", suffix);
  return address;
}

bool IsKeyVaultSecretName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), IsAlnumOrDash);
}

}  // namespace rally::pipeline
