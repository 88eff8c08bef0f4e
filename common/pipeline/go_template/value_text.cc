#include "common/pipeline/go_template/value_text.h"

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/float_text.h"

namespace rally::go_template {
namespace {

absl::Status Append(absl::string_view piece, Budget* budget, std::string* text) {
  absl::Status fits = budget->CheckGrowth(text->size(), piece.size());
  if (fits.ok()) text->append(piece.data(), piece.size());
  return fits;
}

// What finding the fewest digits takes, in bytes of Budget::Charge.
constexpr size_t kFloatCost = 512;

absl::Status AppendList(const Value::List& list, Budget* budget, std::string* text) {
  absl::Status status = budget->Charge(list.size() * Budget::kElementCost);
  if (status.ok()) status = Append("[", budget, text);
  bool first = true;
  for (const Value& element : list) {
    if (status.ok() && !first) status = Append(" ", budget, text);
    if (status.ok()) status = AppendText(element, budget, text);
    if (!status.ok()) return status;
    first = false;
  }
  return Append("]", budget, text);
}

absl::Status AppendMap(const Value::Map& map, Budget* budget, std::string* text) {
  absl::Status status = budget->Charge(map.size() * Budget::kElementCost);
  if (status.ok()) status = Append("map[", budget, text);
  bool first = true;
  for (const auto& [key, element] : map) {
    if (status.ok() && !first) status = Append(" ", budget, text);
    if (status.ok()) status = Append(key, budget, text);
    if (status.ok()) status = Append(":", budget, text);
    if (status.ok()) status = AppendText(element, budget, text);
    if (!status.ok()) return status;
    first = false;
  }
  return Append("]", budget, text);
}

}  // namespace

absl::Status AppendText(const Value& value, Budget* budget, std::string* text) {
  switch (value.kind()) {
    case Value::Kind::kNil:
      return absl::InvalidArgumentError("a missing value has no text");
    case Value::Kind::kBool:
      return Append(value.AsBool() ? "true" : "false", budget, text);
    case Value::Kind::kInt:
      return Append(absl::AlphaNum(value.AsInt()).Piece(), budget, text);
    case Value::Kind::kFloat:
      if (absl::Status charged = budget->Charge(kFloatCost); !charged.ok()) return charged;
      return Append(FloatText(value.AsFloat(), 'g', kShortest), budget, text);
    case Value::Kind::kString:
      return Append(value.AsString(), budget, text);
    case Value::Kind::kList:
      return AppendList(value.AsList(), budget, text);
    case Value::Kind::kMap:
      return AppendMap(value.AsMap(), budget, text);
  }
  return absl::OkStatus();
}

}  // namespace rally::go_template
