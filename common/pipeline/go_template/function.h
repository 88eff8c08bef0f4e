#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

using Arguments = absl::Span<const Value>;

// A function that templates can call. Pure: equal arguments give equal results. An error says what
// is wrong with the arguments, without the function's name: the caller adds that. NotFound says
// that an argument is nil and must not be: the caller then names the argument.
struct Function {
  static constexpr int kAnyNumber = -1;

  absl::string_view name;
  int min_arguments;
  int max_arguments;  // or kAnyNumber
  absl::StatusOr<Value> (*call)(Arguments arguments, Budget* budget);
  // So many of the first parameters are of Go's type int, for which Go takes 2.0 as a constant, but
  // no value of type float.
  int leading_ints = 0;
};

// The function of that name, or null. `and` and `or` are not here: they don't evaluate all of their
// arguments, so they are the evaluator's.
const Function* FindFunction(absl::string_view name);

// All names, sorted; with `and` and `or`.
std::vector<absl::string_view> FunctionNames();

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_H_
