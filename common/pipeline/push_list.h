#ifndef RALLY_COMMON_PIPELINE_PUSH_LIST_H_
#define RALLY_COMMON_PIPELINE_PUSH_LIST_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

// Whether `registry` can be put in front of a name: HOST[:PORT][/PATH], where the host can't be
// taken for a part of a repository ("corp"). "" is no default registry, and fine.
absl::Status CheckDefaultRegistry(absl::string_view registry);

// The normal form of what `text` names when it is pushed, or tagged by a build: a name without a
// registry gets the default registry in front, except library/..., which stays Docker Hub's; with
// no default registry ("") it is Docker Hub's too. InvalidArgument says what is wrong, without
// repeating the text; a digest is wrong, as there is nothing to push under it.
absl::StatusOr<std::string> PushReference(absl::string_view text,
                                          absl::string_view default_registry);

// The push list in normal form, in the order written, none twice: repeats are warned of, what is
// not a reference is an error, as is a default registry that is none. An element that was refused
// before is nullopt: it only counts. `positions` are of the elements of `references`.
std::vector<std::string> NormalisePushList(
    const std::vector<std::optional<std::string>>& references,
    const std::vector<Position>& positions, absl::string_view default_registry,
    DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_PUSH_LIST_H_
