// len, index and slice: Go's own, on lists, maps and the bytes of strings.
#include <array>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/function_groups.h"

namespace rally::go_template {
namespace {

absl::StatusOr<Value> Len(Arguments arguments, Budget*) {
  const Value& value = arguments[0];
  switch (value.kind()) {
    case Value::Kind::kString:
      return Value(static_cast<int64_t>(value.AsString().size()));
    case Value::Kind::kList:
      return Value(static_cast<int64_t>(value.AsList().size()));
    case Value::Kind::kMap:
      return Value(static_cast<int64_t>(value.AsMap().size()));
    case Value::Kind::kNil:
    case Value::Kind::kBool:
    case Value::Kind::kInt:
    case Value::Kind::kFloat:
      break;
  }
  return WrongKind("a string, list or map", value);
}

absl::StatusOr<size_t> Index(const Value& index, size_t end) {
  const absl::StatusOr<int64_t> number = IntArgument(index);
  if (!number.ok()) return number.status();
  if (*number < 0 || static_cast<uint64_t>(*number) > end) {
    return absl::InvalidArgumentError(absl::StrCat("index out of range: ", *number));
  }
  return static_cast<size_t>(*number);
}

absl::StatusOr<Value> ElementOf(const Value& value, const Value& key) {
  if (value.kind() == Value::Kind::kMap) {
    const absl::StatusOr<absl::string_view> name = StringArgument(key);
    if (!name.ok()) return name.status();
    const auto found = value.AsMap().find(*name);
    return found == value.AsMap().end() ? Value() : found->second;
  }
  if (value.kind() != Value::Kind::kList && !value.is_string()) {
    return WrongKind("a list, map or string", value);
  }
  const size_t size = value.is_string() ? value.AsString().size() : value.AsList().size();
  const absl::StatusOr<size_t> at = Index(key, size);
  if (!at.ok()) return at.status();
  if (*at == size) return absl::InvalidArgumentError(absl::StrCat("index out of range: ", *at));
  if (!value.is_string()) return value.AsList()[*at];
  return Value(static_cast<int64_t>(static_cast<unsigned char>(value.AsString()[*at])));
}

// index X 1 "a" is X[1]["a"].
absl::StatusOr<Value> IndexAll(Arguments arguments, Budget* budget) {
  Value value = arguments[0];
  if (value.is_nil()) return WrongKind("a list, map or string", value);
  for (const Value& key : arguments.subspan(1)) {
    const size_t size = key.is_string() ? key.AsString().size() : 0;
    if (absl::Status charged = budget->Charge(size); !charged.ok()) return charged;
    absl::StatusOr<Value> element = ElementOf(value, key);
    if (!element.ok()) return element.status();
    value = *std::move(element);
  }
  return value;
}

// slice X 1 2 is X[1:2]; a third index is the capacity of Go's slices, which only must fit.
absl::StatusOr<Value> Slice(Arguments arguments, Budget* budget) {
  const Value& value = arguments[0];
  if (value.kind() != Value::Kind::kList && !value.is_string()) {
    return WrongKind("a string or list", value);
  }
  if (value.is_string() && arguments.size() == 4) {
    return absl::InvalidArgumentError("takes at most two indexes of a string");
  }
  const size_t size = value.is_string() ? value.AsString().size() : value.AsList().size();
  std::array<size_t, 3> indexes = {0, size, size};
  for (size_t i = 1; i < arguments.size(); ++i) {
    const absl::StatusOr<size_t> index = Index(arguments[i], size);
    if (!index.ok()) return index.status();
    indexes[i - 1] = *index;
  }
  const auto [begin, end, capacity] = indexes;
  if (begin > end || end > capacity) {
    return absl::InvalidArgumentError(absl::StrCat(
        "invalid slice index: ", begin > end ? begin : end, " > ", begin > end ? end : capacity));
  }
  if (value.is_string()) {
    return NewString(absl::string_view(value.AsString()).substr(begin, end - begin), budget);
  }
  Value::List part;
  for (size_t i = begin; i < end; ++i) {
    if (absl::Status charged = budget->Charge(); !charged.ok()) return charged;
    part.push_back(value.AsList()[i]);
  }
  return Value(std::move(part));
}

constexpr Function kFunctions[] = {
    {"len", 1, 1, Len},
    {"index", 1, Function::kAnyNumber, IndexAll},
    {"slice", 1, 4, Slice},
};

}  // namespace

absl::Span<const Function> ElementFunctions() { return kFunctions; }

}  // namespace rally::go_template
