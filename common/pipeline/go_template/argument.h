#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_ARGUMENT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_ARGUMENT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/function.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// An argument as what the function needs, or an error that says so. Nothing is converted.

// "wants a string, not a list"; NotFound, "wants a string, but the value is missing", for nil.
absl::Status WrongKind(absl::string_view wanted, const Value& value);

absl::StatusOr<absl::string_view> StringArgument(const Value& value);
absl::StatusOr<int64_t> IntArgument(const Value& value);
absl::StatusOr<const Value::List*> ListArgument(const Value& value);
absl::StatusOr<const Value::Map*> MapArgument(const Value& value);

// Of a function with exactly N arguments, all of them strings.
template <size_t N>
absl::StatusOr<std::array<absl::string_view, N>> StringArguments(Arguments arguments) {
  std::array<absl::string_view, N> strings;
  for (size_t i = 0; i < N; ++i) {
    const absl::StatusOr<absl::string_view> string = StringArgument(arguments[i]);
    if (!string.ok()) return string.status();
    strings[i] = *string;
  }
  return strings;
}

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_ARGUMENT_H_
