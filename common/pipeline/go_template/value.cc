#include "common/pipeline/go_template/value.h"

#include <algorithm>

namespace rally::go_template {

Value::Value(List value) {
  for (const Value& element : value) depth_ = std::max(depth_, element.depth_);
  ++depth_;
  data_ = std::make_shared<const List>(std::move(value));
}

Value::Value(Map value) {
  for (const auto& [key, element] : value) depth_ = std::max(depth_, element.depth_);
  ++depth_;
  data_ = std::make_shared<const Map>(std::move(value));
}

absl::string_view KindName(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kNil:
      return "nil";
    case Value::Kind::kBool:
      return "bool";
    case Value::Kind::kInt:
      return "int";
    case Value::Kind::kFloat:
      return "float";
    case Value::Kind::kString:
      return "string";
    case Value::Kind::kList:
      return "list";
    case Value::Kind::kMap:
      return "map";
  }
  return "value";
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNil:
      return false;
    case Value::Kind::kBool:
      return value.AsBool();
    case Value::Kind::kInt:
      return value.AsInt() != 0;
    case Value::Kind::kFloat:
      return value.AsFloat() != 0;
    case Value::Kind::kString:
      return !value.AsString().empty();
    case Value::Kind::kList:
      return !value.AsList().empty();
    case Value::Kind::kMap:
      return !value.AsMap().empty();
  }
  return false;
}

}  // namespace rally::go_template
