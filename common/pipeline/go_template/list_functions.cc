// sprig's functions on lists and maps.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/find_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

// One step for each element: a list costs memory wherever it comes from.
absl::Status AppendElement(Value element, Budget* budget, Value::List* list) {
  absl::Status charged = budget->Charge();
  if (charged.ok()) list->push_back(std::move(element));
  return charged;
}

absl::Status CheckDepth(Arguments arguments) {
  for (const Value& argument : arguments) {
    if (argument.depth() >= Value::kMaxDepth) {
      return absl::InvalidArgumentError(absl::StrCat("would put more than ", Value::kMaxDepth,
                                                     " lists and maps inside each other"));
    }
  }
  return absl::OkStatus();
}

// splitList SEPARATOR TEXT. Without a separator: the characters.
absl::StatusOr<Value> SplitList(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  auto [separator, text] = *strings;
  Value::List parts;
  if (separator.empty() && text.empty()) return Value(std::move(parts));
  for (bool more = true; more;) {
    size_t size = separator.empty() ? FirstCharacter(text).size : FindText(text, separator);
    more = separator.empty() ? size < text.size() : size != absl::string_view::npos;
    absl::StatusOr<Value> part = NewString(text.substr(0, size), budget);
    if (!part.ok()) return part.status();
    if (absl::Status added = AppendElement(*std::move(part), budget, &parts); !added.ok()) {
      return added;
    }
    if (more) text.remove_prefix(size + separator.size());
  }
  return Value(std::move(parts));
}

// join SEPARATOR LIST. Anything else than a list counts as a list of itself.
absl::StatusOr<Value> Join(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> separator = StringArgument(arguments[0]);
  if (!separator.ok()) return separator.status();
  BoundedText joined(budget);
  if (arguments[1].kind() != Value::Kind::kList) {
    joined.AppendValue(arguments[1]);
    return joined.Finish();
  }
  joined.Charge(arguments[1].AsList().size() * Budget::kElementCost);
  bool first = true;
  for (const Value& element : arguments[1].AsList()) {
    if (!first) joined.Append(*separator);
    joined.AppendValue(element);
    if (joined.failed()) break;
    first = false;
  }
  return joined.Finish();
}

// nil of an empty list.
absl::StatusOr<Value> First(Arguments arguments, Budget*) {
  const absl::StatusOr<const Value::List*> list = ListArgument(arguments[0]);
  if (!list.ok()) return list.status();
  return (*list)->empty() ? Value() : (*list)->front();
}

absl::StatusOr<Value> Last(Arguments arguments, Budget*) {
  const absl::StatusOr<const Value::List*> list = ListArgument(arguments[0]);
  if (!list.ok()) return list.status();
  return (*list)->empty() ? Value() : (*list)->back();
}

absl::StatusOr<Value> Rest(Arguments arguments, Budget* budget) {
  const absl::StatusOr<const Value::List*> list = ListArgument(arguments[0]);
  if (!list.ok()) return list.status();
  Value::List rest;
  for (size_t i = 1; i < (*list)->size(); ++i) {
    if (absl::Status added = AppendElement((**list)[i], budget, &rest); !added.ok()) return added;
  }
  return Value(std::move(rest));
}

// Equal in kind and content, which is stricter than `eq`: never an error, and 1 isn't 1.0.
absl::StatusOr<bool> IsSame(const Value& a, const Value& b, Budget* budget) {
  if (absl::Status charged = budget->Charge(); !charged.ok()) return charged;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Value::Kind::kNil:
      return true;
    case Value::Kind::kBool:
      return a.AsBool() == b.AsBool();
    case Value::Kind::kInt:
      return a.AsInt() == b.AsInt();
    case Value::Kind::kFloat:
      return a.AsFloat() == b.AsFloat();
    case Value::Kind::kString:
      if (absl::Status charged = budget->Charge(a.AsString().size()); !charged.ok()) return charged;
      return a.AsString() == b.AsString();
    case Value::Kind::kList: {
      const Value::List& list = a.AsList();
      if (list.size() != b.AsList().size()) return false;
      for (size_t i = 0; i < list.size(); ++i) {
        const absl::StatusOr<bool> same = IsSame(list[i], b.AsList()[i], budget);
        if (!same.ok() || !*same) return same;
      }
      return true;
    }
    case Value::Kind::kMap: {
      if (a.AsMap().size() != b.AsMap().size()) return false;
      auto other = b.AsMap().begin();
      for (const auto& [key, element] : a.AsMap()) {
        if (key != other->first) return false;
        const absl::StatusOr<bool> same = IsSame(element, other->second, budget);
        if (!same.ok() || !*same) return same;
        ++other;
      }
      return true;
    }
  }
  return false;
}

// has ELEMENT LIST. A missing list has nothing.
absl::StatusOr<Value> Has(Arguments arguments, Budget* budget) {
  if (arguments[1].is_nil()) return Value(false);
  const absl::StatusOr<const Value::List*> list = ListArgument(arguments[1]);
  if (!list.ok()) return list.status();
  for (const Value& element : **list) {
    const absl::StatusOr<bool> same = IsSame(arguments[0], element, budget);
    if (!same.ok()) return same.status();
    if (*same) return Value(true);
  }
  return Value(false);
}

absl::StatusOr<Value> MakeList(Arguments arguments, Budget* budget) {
  if (absl::Status fits = CheckDepth(arguments); !fits.ok()) return fits;
  Value::List list;
  for (const Value& argument : arguments) {
    if (absl::Status added = AppendElement(argument, budget, &list); !added.ok()) return added;
  }
  return Value(std::move(list));
}

// dict KEY VALUE KEY VALUE...; the last value may be missing and is "" then.
absl::StatusOr<Value> Dict(Arguments arguments, Budget* budget) {
  if (absl::Status fits = CheckDepth(arguments); !fits.ok()) return fits;
  Value::Map map;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    BoundedText key(budget);
    key.AppendValue(arguments[i]);
    absl::StatusOr<std::string> name = key.FinishText();
    if (!name.ok()) return name.status();
    map.insert_or_assign(*std::move(name),
                         i + 1 < arguments.size() ? arguments[i + 1] : Value(std::string()));
  }
  return Value(std::move(map));
}

// hasKey MAP KEY. A missing map has none.
absl::StatusOr<Value> HasKey(Arguments arguments, Budget* budget) {
  if (arguments[0].is_nil()) return Value(false);
  const absl::StatusOr<const Value::Map*> map = MapArgument(arguments[0]);
  if (!map.ok()) return map.status();
  const absl::StatusOr<absl::string_view> key = StringArgument(arguments[1]);
  if (!key.ok()) return key.status();
  if (absl::Status charged = budget->Charge(key->size()); !charged.ok()) return charged;
  return Value((*map)->find(*key) != (*map)->end());
}

// Sorted within each map; sprig's come in no order.
absl::StatusOr<Value> Keys(Arguments arguments, Budget* budget) {
  Value::List keys;
  for (const Value& argument : arguments) {
    if (argument.is_nil()) continue;
    const absl::StatusOr<const Value::Map*> map = MapArgument(argument);
    if (!map.ok()) return map.status();
    for (const auto& [key, element] : **map) {
      absl::StatusOr<Value> name = NewString(key, budget);
      if (!name.ok()) return name.status();
      if (absl::Status added = AppendElement(*std::move(name), budget, &keys); !added.ok()) {
        return added;
      }
    }
  }
  return Value(std::move(keys));
}

// The elements as strings, in byte order.
absl::StatusOr<Value> SortAlpha(Arguments arguments, Budget* budget) {
  const bool is_list = arguments[0].kind() == Value::Kind::kList;
  const Arguments elements = is_list ? Arguments(arguments[0].AsList()) : arguments;
  Value::List sorted;
  for (const Value& element : elements) {
    BoundedText text(budget);
    text.AppendValue(element);
    absl::StatusOr<Value> string = text.Finish();
    if (!string.ok()) return string.status();
    if (absl::Status added = AppendElement(*std::move(string), budget, &sorted); !added.ok()) {
      return added;
    }
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Value& a, const Value& b) { return a.AsString() < b.AsString(); });
  return Value(std::move(sorted));
}

constexpr Function kFunctions[] = {
    {"splitList", 2, 2, SplitList},
    {"join", 2, 2, Join},
    {"first", 1, 1, First},
    {"last", 1, 1, Last},
    {"rest", 1, 1, Rest},
    {"has", 2, 2, Has},
    {"list", 0, Function::kAnyNumber, MakeList},
    {"dict", 0, Function::kAnyNumber, Dict},
    {"hasKey", 2, 2, HasKey},
    {"keys", 0, Function::kAnyNumber, Keys},
    {"sortAlpha", 1, 1, SortAlpha},
};

}  // namespace

absl::Span<const Function> ListFunctions() { return kFunctions; }

}  // namespace rally::go_template
