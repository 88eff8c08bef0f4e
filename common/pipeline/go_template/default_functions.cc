// What to take when a value is missing or empty.
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/function_groups.h"

namespace rally::go_template {
namespace {

// default D VALUE
absl::StatusOr<Value> Default(Arguments arguments, Budget*) {
  return arguments.size() == 2 && IsTrue(arguments[1]) ? arguments[1] : arguments[0];
}

absl::StatusOr<Value> Empty(Arguments arguments, Budget*) { return Value(!IsTrue(arguments[0])); }

absl::StatusOr<Value> Coalesce(Arguments arguments, Budget*) {
  for (const Value& value : arguments) {
    if (IsTrue(value)) return value;
  }
  return Value();
}

// ternary IF_TRUE IF_FALSE CONDITION
absl::StatusOr<Value> Ternary(Arguments arguments, Budget*) {
  const Value& condition = arguments[2];
  // A missing value is false here, as in `if`.
  if (condition.is_nil()) return arguments[1];
  if (condition.kind() != Value::Kind::kBool)
    return WrongKind("a bool as its condition", condition);
  return condition.AsBool() ? arguments[0] : arguments[1];
}

absl::StatusOr<Value> Fail(Arguments arguments, Budget*) {
  const absl::StatusOr<absl::string_view> message = StringArgument(arguments[0]);
  if (!message.ok()) return message.status();
  return absl::InvalidArgumentError(*message);
}

constexpr Function kFunctions[] = {
    {"default", 1, 2, Default},
    {"empty", 1, 1, Empty},
    {"coalesce", 0, Function::kAnyNumber, Coalesce},
    {"ternary", 3, 3, Ternary},
    {"fail", 1, 1, Fail},
};

}  // namespace

absl::Span<const Function> DefaultFunctions() { return kFunctions; }

}  // namespace rally::go_template
