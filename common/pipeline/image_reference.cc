#include "common/pipeline/image_reference.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/pipeline/workspace_path.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kDefaultRegistry = "docker.io";
constexpr absl::string_view kDefaultRegistryAlias = "index.docker.io";
constexpr absl::string_view kOfficialPrefix = "library/";
constexpr absl::string_view kOciPrefix = "oci:";
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTagBytes = 128;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

bool IsLowerAlphanumeric(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }
bool IsLowerHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

bool AllOf(absl::string_view text, bool (*predicate)(char)) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsHostLabel(absl::string_view label) {
  return !label.empty() && label.front() != '-' && label.back() != '-' &&
         AllOf(label, [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
}

bool IsPort(absl::string_view port) {
  return !port.empty() && AllOf(port, [](char c) { return absl::ascii_isdigit(c); });
}

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT.
bool IsRegistry(absl::string_view registry) {
  if (absl::ConsumePrefix(&registry, "[")) {
    const size_t close = registry.find(']');
    if (close == absl::string_view::npos || close == 0) return false;
    absl::string_view port = registry.substr(close + 1);
    return AllOf(registry.substr(0, close),
                 [](char c) { return absl::ascii_isxdigit(c) || c == ':'; }) &&
           (port.empty() || (absl::ConsumePrefix(&port, ":") && IsPort(port)));
  }
  const size_t colon = registry.find(':');
  if (colon != absl::string_view::npos && !IsPort(registry.substr(colon + 1))) return false;
  const std::vector<absl::string_view> labels = absl::StrSplit(registry.substr(0, colon), '.');
  return std::all_of(labels.begin(), labels.end(), IsHostLabel);
}

// Runs of lower-case letters and digits, joined by ".", "_", "__" or any number of "-".
bool IsPathComponent(absl::string_view component) {
  if (component.empty() || !IsLowerAlphanumeric(component.front()) ||
      !IsLowerAlphanumeric(component.back())) {
    return false;
  }
  size_t i = 0;
  while (i < component.size()) {
    if (IsLowerAlphanumeric(component[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (!IsLowerAlphanumeric(component[i])) ++i;  // Ends: the last character is one.
    const absl::string_view separator = component.substr(begin, i - begin);
    if (separator != "." && separator != "_" && separator != "__" &&
        !AllOf(separator, [](char c) { return c == '-'; })) {
      return false;
    }
  }
  return true;
}

bool IsTag(absl::string_view tag) {
  const auto is_word = [](char c) { return absl::ascii_isalnum(c) || c == '_'; };
  return !tag.empty() && tag.size() <= kMaxTagBytes && is_word(tag.front()) &&
         AllOf(tag,
               [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool IsDigest(absl::string_view digest) {
  size_t length = 0;
  if (absl::ConsumePrefix(&digest, "sha256:")) {
    length = 64;
  } else if (absl::ConsumePrefix(&digest, "sha384:")) {
    length = 96;
  } else if (absl::ConsumePrefix(&digest, "sha512:")) {
    length = 128;
  } else {
    return false;
  }
  return digest.size() == length && AllOf(digest, IsLowerHex);
}

// The first component is a registry only if it can't be a part of a repository's name.
bool LooksLikeRegistry(absl::string_view component) {
  return absl::StrContains(component, ".") || absl::StrContains(component, ":") ||
         component == "localhost";
}

}  // namespace

std::string ImageReference::ToString() const {
  return absl::StrCat(registry, "/", repository, tag.empty() ? "" : ":", tag,
                      digest.empty() ? "" : "@", digest);
}

absl::StatusOr<ImageReference> ParseImageReference(absl::string_view text) {
  if (text.empty()) return Invalid("it is empty");
  ImageReference reference;
  absl::string_view name = text;
  if (const size_t at = name.find('@'); at != absl::string_view::npos) {
    reference.digest = std::string(name.substr(at + 1));
    name = name.substr(0, at);
    if (!IsDigest(reference.digest)) {
      return Invalid("the digest must be \"sha256:\" and 64 lower-case hexadecimal digits");
    }
  }
  const size_t slash = name.rfind('/');
  const size_t after_slash = slash == absl::string_view::npos ? 0 : slash + 1;
  if (const size_t colon = name.find(':', after_slash); colon != absl::string_view::npos) {
    reference.tag = std::string(name.substr(colon + 1));
    name = name.substr(0, colon);
    if (!IsTag(reference.tag)) {
      return Invalid(
          "a tag holds letters, digits, \"_\", \".\" and \"-\", at most 128, and starts with a "
          "letter, a digit or \"_\"");
    }
  }
  // With a tag or digest it can't be taken for one.
  if (reference.tag.empty() && reference.digest.empty() && name.size() == 64 &&
      AllOf(name, IsLowerHex)) {
    return Invalid("64 hexadecimal digits are an image's id, not a name");
  }

  const size_t first_slash = name.find('/');
  if (first_slash != absl::string_view::npos && LooksLikeRegistry(name.substr(0, first_slash))) {
    reference.registry = std::string(name.substr(0, first_slash));
    reference.repository = std::string(name.substr(first_slash + 1));
    if (!IsRegistry(reference.registry)) return Invalid("the registry's name is not a host name");
  } else {
    reference.registry = std::string(kDefaultRegistry);
    reference.repository = std::string(name);
  }
  if (reference.registry == kDefaultRegistryAlias)
    reference.registry = std::string(kDefaultRegistry);
  if (reference.registry == kDefaultRegistry && !absl::StrContains(reference.repository, "/")) {
    reference.repository.insert(0, kOfficialPrefix.data(), kOfficialPrefix.size());
  }

  for (const absl::string_view component : absl::StrSplit(reference.repository, '/')) {
    if (IsPathComponent(component)) continue;
    if (std::any_of(component.begin(), component.end(), absl::ascii_isupper)) {
      return Invalid("a repository's name is lower case");
    }
    return Invalid(
        "a repository's name is made of lower-case letters and digits, joined by \".\", \"_\", "
        "\"__\" or \"-\"");
  }
  if (reference.registry.size() + 1 + reference.repository.size() > kMaxNameBytes) {
    return Invalid("the name is longer than 255 characters");
  }
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  return reference;
}

bool IsOciPath(absl::string_view text) { return absl::StartsWith(text, kOciPrefix); }

absl::StatusOr<OciPath> ParseOciPath(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, kOciPrefix)) return Invalid("it does not start with \"oci:\"");
  OciPath result;
  // Only "@sha256:" starts a digest, as a path may hold "@" itself.
  if (const size_t at = text.rfind("@sha256:"); at != absl::string_view::npos) {
    result.digest = std::string(text.substr(at + 1));
    text = text.substr(0, at);
    if (!IsDigest(result.digest)) {
      return Invalid("the digest must be \"sha256:\" and 64 lower-case hexadecimal digits");
    }
  }
  if (text.empty()) return Invalid("the path after \"oci:\" is empty");
  if (absl::StrContains(text, absl::string_view("\0", 1))) {
    return Invalid("the path holds a NUL byte");
  }
  if (absl::StartsWith(text, "/")) {
    return Invalid("the path after \"oci:\" must be relative to the workspace");
  }
  result.path = CleanPath(text);
  if (LeavesItsStart(result.path)) return Invalid("the path leaves the workspace");
  return result;
}

}  // namespace rally::pipeline
