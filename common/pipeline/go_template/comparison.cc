// Go's comparisons: only between values of one kind, and ordered only for numbers and strings.
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/function_groups.h"

namespace rally::go_template {
namespace {

constexpr absl::string_view kIncompatible = "incompatible types for comparison";
constexpr absl::string_view kInvalid = "invalid type for comparison";

absl::Status Incompatible(absl::string_view problem, const Value& a, const Value& b) {
  return absl::InvalidArgumentError(
      absl::StrCat(problem, " (", KindName(a.kind()), " and ", KindName(b.kind()), ")"));
}

bool IsContainer(const Value& value) {
  return value.kind() == Value::Kind::kList || value.kind() == Value::Kind::kMap;
}

absl::StatusOr<bool> IsEqual(const Value& a, const Value& b, Budget* budget) {
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (a.kind() != b.kind()) return Incompatible(kIncompatible, a, b);
  if (IsContainer(a)) return Incompatible(kInvalid, a, b);
  switch (a.kind()) {
    case Value::Kind::kBool:
      return a.AsBool() == b.AsBool();
    case Value::Kind::kInt:
      return a.AsInt() == b.AsInt();
    case Value::Kind::kFloat:
      return a.AsFloat() == b.AsFloat();
    case Value::Kind::kString:
      if (absl::Status charged = budget->Charge(a.AsString().size()); !charged.ok()) return charged;
      return a.AsString() == b.AsString();
    case Value::Kind::kNil:
    case Value::Kind::kList:
    case Value::Kind::kMap:
      break;
  }
  return false;
}

absl::StatusOr<bool> IsLess(const Value& a, const Value& b, Budget* budget) {
  for (const Value* value : {&a, &b}) {
    if (value->is_nil() || IsContainer(*value)) return Incompatible(kInvalid, a, b);
  }
  if (a.kind() != b.kind()) return Incompatible(kIncompatible, a, b);
  switch (a.kind()) {
    case Value::Kind::kInt:
      return a.AsInt() < b.AsInt();
    case Value::Kind::kFloat:
      return a.AsFloat() < b.AsFloat();
    case Value::Kind::kString:
      if (absl::Status charged = budget->Charge(a.AsString().size()); !charged.ok()) return charged;
      return a.AsString() < b.AsString();
    case Value::Kind::kNil:
    case Value::Kind::kBool:
    case Value::Kind::kList:
    case Value::Kind::kMap:
      break;
  }
  return Incompatible(kInvalid, a, b);
}

absl::StatusOr<Value> AsValue(absl::StatusOr<bool> result) {
  if (!result.ok()) return result.status();
  return Value(*result);
}

absl::StatusOr<Value> Negated(absl::StatusOr<bool> result) {
  if (!result.ok()) return result.status();
  return Value(!*result);
}

absl::StatusOr<bool> IsLessOrEqual(const Value& a, const Value& b, Budget* budget) {
  absl::StatusOr<bool> less = IsLess(a, b, budget);
  if (!less.ok() || *less) return less;
  return IsEqual(a, b, budget);
}

// True if the first equals any of the others. An earlier match hides a later mismatch of kinds, as
// in Go.
absl::StatusOr<Value> Eq(Arguments arguments, Budget* budget) {
  for (const Value& other : arguments.subspan(1)) {
    const absl::StatusOr<bool> equal = IsEqual(arguments[0], other, budget);
    if (!equal.ok()) return equal.status();
    if (*equal) return Value(true);
  }
  return Value(false);
}

absl::StatusOr<Value> Ne(Arguments arguments, Budget* budget) {
  return Negated(IsEqual(arguments[0], arguments[1], budget));
}

absl::StatusOr<Value> Lt(Arguments arguments, Budget* budget) {
  return AsValue(IsLess(arguments[0], arguments[1], budget));
}

absl::StatusOr<Value> Le(Arguments arguments, Budget* budget) {
  return AsValue(IsLessOrEqual(arguments[0], arguments[1], budget));
}

// Not "b < a": Go defines it so, and it shows with NaN.
absl::StatusOr<Value> Gt(Arguments arguments, Budget* budget) {
  return Negated(IsLessOrEqual(arguments[0], arguments[1], budget));
}

absl::StatusOr<Value> Ge(Arguments arguments, Budget* budget) {
  return Negated(IsLess(arguments[0], arguments[1], budget));
}

absl::StatusOr<Value> Not(Arguments arguments, Budget*) { return Value(!IsTrue(arguments[0])); }

constexpr Function kFunctions[] = {
    {"eq", 2, Function::kAnyNumber, Eq},
    {"ne", 2, 2, Ne},
    {"lt", 2, 2, Lt},
    {"le", 2, 2, Le},
    {"gt", 2, 2, Gt},
    {"ge", 2, 2, Ge},
    {"not", 1, 1, Not},
};

}  // namespace

absl::Span<const Function> ComparisonFunctions() { return kFunctions; }

}  // namespace rally::go_template
