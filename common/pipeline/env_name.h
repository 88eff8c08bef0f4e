#ifndef RALLY_COMMON_PIPELINE_ENV_NAME_H_
#define RALLY_COMMON_PIPELINE_ENV_NAME_H_

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace rally::pipeline {

// Whether `name` can be a variable of the environment: [A-Za-z_][A-Za-z0-9_]*.
inline bool IsEnvName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_ENV_NAME_H_
