#include "common/pipeline/push_list.h"

#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/image_reference.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

// What docker allows a name; checked before anything is copied.
constexpr size_t kMaxRegistryBytes = 255;
constexpr absl::string_view kDockerHub = "docker.io";
constexpr absl::string_view kDockerHubAlias = "index.docker.io";

bool NamesRegistry(absl::string_view text, const ImageReference& reference) {
  if (reference.registry != kDockerHub) return true;
  const absl::string_view first = text.substr(0, text.find('/'));
  return first.size() < text.size() && (first == kDockerHub || first == kDockerHubAlias);
}

}  // namespace

absl::Status CheckDefaultRegistry(absl::string_view registry) {
  if (registry.empty()) return absl::OkStatus();
  if (registry.size() <= kMaxRegistryBytes) {
    const std::string probe = absl::StrCat(registry, "/x");
    const absl::StatusOr<ImageReference> reference = ParseImageReference(probe);
    if (reference.ok() && NamesRegistry(probe, *reference)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the default registry ", Quote(registry),
                   " is not a registry (HOST or HOST:PORT; a host holds a \".\" or is localhost)"));
}

absl::StatusOr<std::string> PushReference(absl::string_view text,
                                          absl::string_view default_registry) {
  absl::StatusOr<ImageReference> reference = ParseImageReference(text);
  if (!reference.ok()) return reference.status();
  if (!reference->digest.empty()) {
    return absl::InvalidArgumentError("a digest can't be pushed, only a tag");
  }
  if (!default_registry.empty() && !NamesRegistry(text, *reference) &&
      !absl::StartsWith(text, "library/")) {
    if (absl::Status status = CheckDefaultRegistry(default_registry); !status.ok()) return status;
    reference = ParseImageReference(absl::StrCat(default_registry, "/", text));
    if (!reference.ok()) return reference.status();
  }
  return reference->ToString();
}

std::vector<std::string> NormalisePushList(
    const std::vector<std::optional<std::string>>& references,
    const std::vector<Position>& positions, absl::string_view default_registry,
    DiagnosticList* diagnostics) {
  const auto position_of = [&positions](size_t i) {
    return i < positions.size() ? positions[i] : Position();
  };
  if (const absl::Status status = CheckDefaultRegistry(default_registry);
      !status.ok() && !references.empty()) {
    diagnostics->Error(position_of(0), absl::StrCat("push: ", status.message()));
    default_registry = "";  // The references are still worth a look.
  }
  std::vector<std::string> pushed;
  absl::flat_hash_map<std::string, size_t> first_uses;
  for (size_t i = 0; i < references.size(); ++i) {
    if (!references[i].has_value()) continue;
    absl::StatusOr<std::string> reference = PushReference(*references[i], default_registry);
    const std::string where = absl::StrCat("push[", i, "] ", Quote(*references[i]));
    if (!reference.ok()) {
      diagnostics->Error(
          position_of(i),
          absl::StrCat(where, " is not a valid reference: ", reference.status().message()));
      continue;
    }
    const auto [use, is_first] = first_uses.emplace(*reference, i);
    if (!is_first) {
      diagnostics->Warning(position_of(i), absl::StrCat(where, " is ", *reference, ", as push[",
                                                        use->second, "] is; it is pushed once"));
      continue;
    }
    pushed.push_back(*std::move(reference));
  }
  return pushed;
}

}  // namespace rally::pipeline
