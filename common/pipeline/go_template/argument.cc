#include "common/pipeline/go_template/argument.h"

#include "absl/strings/str_cat.h"

namespace rally::go_template {

absl::Status WrongKind(absl::string_view wanted, const Value& value) {
  if (value.is_nil()) {
    return absl::NotFoundError(absl::StrCat("wants ", wanted, ", but the value is missing"));
  }
  const absl::string_view article = value.kind() == Value::Kind::kInt ? "an " : "a ";
  return absl::InvalidArgumentError(
      absl::StrCat("wants ", wanted, ", not ", article, KindName(value.kind())));
}

absl::StatusOr<absl::string_view> StringArgument(const Value& value) {
  if (!value.is_string()) return WrongKind("a string", value);
  return absl::string_view(value.AsString());
}

absl::StatusOr<int64_t> IntArgument(const Value& value) {
  if (value.kind() != Value::Kind::kInt) return WrongKind("an int", value);
  return value.AsInt();
}

absl::StatusOr<const Value::List*> ListArgument(const Value& value) {
  if (value.kind() != Value::Kind::kList) return WrongKind("a list", value);
  return &value.AsList();
}

absl::StatusOr<const Value::Map*> MapArgument(const Value& value) {
  if (value.kind() != Value::Kind::kMap) return WrongKind("a map", value);
  return &value.AsMap();
}

}  // namespace rally::go_template
