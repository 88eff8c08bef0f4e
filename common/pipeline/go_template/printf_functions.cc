// Go's printf. What Go would print as "%!" is an error.
#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/go_template/go_quote.h"
#include "common/pipeline/go_template/printf_format.h"
#include "common/pipeline/go_template/printf_number.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

void FailVerb(const Directive& directive, const Value& value, BoundedText* out) {
  const absl::string_view kind = value.is_nil() ? "missing value" : KindName(value.kind());
  const absl::string_view article = value.kind() == Value::Kind::kInt ? " an " : " a ";
  out->Fail(absl::InvalidArgumentError(
      absl::StrCat(pipeline::Quote(directive.text), " cannot show", article, kind)));
}

QuoteCharacters CharactersOf(const Directive& directive) {
  return directive.plus ? QuoteCharacters::kAscii : QuoteCharacters::kPrintable;
}

// "% x" has blanks between the bytes, "%#x" a "0x" in front, "%# x" one before each byte.
void AppendHexadecimal(absl::string_view text, const Directive& directive, BoundedText* out) {
  text = text.substr(0, directive.precision.value_or(text.size()));
  std::string digits;
  if (!out->Fits(2 * text.size())) return;
  const absl::string_view prefix = directive.sharp ? "0x" : "";
  if (directive.space) {
    for (size_t i = 0; i < text.size(); ++i) {
      absl::StrAppend(&digits, i > 0 ? " " : "", prefix, absl::BytesToHexString(text.substr(i, 1)));
    }
  } else if (!text.empty()) {
    digits = absl::StrCat(prefix, absl::BytesToHexString(text));
  }
  if (directive.verb == 'X') absl::AsciiStrToUpper(&digits);
  AppendPadded(digits, directive, out);
}

void AppendString(absl::string_view text, const Directive& directive, Budget* budget,
                  BoundedText* out) {
  if (directive.verb == 'x' || directive.verb == 'X') {
    AppendHexadecimal(text, directive, out);
    return;
  }
  if (directive.precision.has_value()) text = FirstCharacters(text, *directive.precision);
  if (directive.verb == 's' || (directive.verb == 'v' && !directive.sharp)) {
    AppendPadded(text, directive, out);
    return;
  }
  if (directive.verb == 'q' && directive.sharp && CanBackquote(text)) {
    AppendPadded(absl::StrCat("`", text, "`"), directive, out);
    return;
  }
  BoundedText quoted(budget);
  const bool plus = directive.verb == 'q' && directive.plus;
  AppendQuoted(text, plus ? QuoteCharacters::kAscii : QuoteCharacters::kPrintable, &quoted);
  const absl::StatusOr<std::string> literal = quoted.FinishText();
  if (!literal.ok()) return out->Fail(literal.status());
  AppendPadded(*literal, directive, out);
}

void AppendCharacter(int64_t number, const Directive& directive, Budget* budget, BoundedText* out) {
  const bool is_character = number >= 0 && number <= kMaxCharacter;
  const char32_t code = is_character ? static_cast<char32_t>(number) : kReplacementCharacter;
  if (directive.verb == 'c') {
    std::string bytes;
    AppendUtf8(code, &bytes);
    AppendPadded(bytes, directive, out);
    return;
  }
  BoundedText quoted(budget);
  AppendQuotedCharacter(code, CharactersOf(directive), &quoted);
  const absl::StatusOr<std::string> literal = quoted.FinishText();
  if (!literal.ok()) return out->Fail(literal.status());
  AppendPadded(*literal, directive, out);
}

bool OneOf(char32_t verb, absl::string_view verbs) {
  return verb < 0x80 && verbs.find(static_cast<char>(verb)) != absl::string_view::npos;
}

// "%T". Of ints Go has several types, which templates don't tell apart: constants have this one.
absl::string_view GoType(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kNil:
      return "<nil>";
    case Value::Kind::kBool:
      return "bool";
    case Value::Kind::kInt:
      return "int";
    case Value::Kind::kFloat:
      return "float64";
    case Value::Kind::kString:
      return "string";
    case Value::Kind::kList:
      return "[]interface {}";
    case Value::Kind::kMap:
      return "map[string]interface {}";
  }
  return "";
}

void AppendType(Value::Kind kind, const Directive& directive, BoundedText* out) {
  absl::string_view type = GoType(kind);
  // Go doesn't cut this one.
  if (kind != Value::Kind::kNil) type = type.substr(0, directive.precision.value_or(type.size()));
  AppendPadded(type, directive, out);
}

// What stands around the elements of a list or map, and between them.
struct Brackets {
  std::string open;
  absl::string_view separator;
  absl::string_view close;
};

Brackets BracketsOf(Value::Kind kind, const Directive& directive) {
  if (directive.verb == 'v' && directive.sharp) {
    return {absl::StrCat(GoType(kind), "{"), ", ", "}"};
  }
  return {kind == Value::Kind::kMap ? "map[" : "[", " ", "]"};
}

// A list or map shows each of its elements by the directive.
void AppendArgument(const Value& value, const Directive& directive, Budget* budget,
                    BoundedText* out) {
  const char32_t verb = directive.verb;
  bool shown = true;
  switch (value.kind()) {
    case Value::Kind::kNil:
      shown = false;
      break;
    case Value::Kind::kBool:
      shown = OneOf(verb, "vt");
      if (shown) AppendPadded(value.AsBool() ? "true" : "false", directive, out);
      break;
    case Value::Kind::kInt:
      shown = OneOf(verb, "vdboOxXcqU");
      if (!shown) break;
      if (OneOf(verb, "cq")) {
        AppendCharacter(value.AsInt(), directive, budget, out);
      } else if (verb == 'U') {
        AppendCodePoint(value.AsInt(), directive, out);
      } else {
        AppendInteger(value.AsInt(), directive, out);
      }
      break;
    case Value::Kind::kFloat:
      shown = OneOf(verb, "vbgGxXfFeE");
      if (shown) AppendFloat(value.AsFloat(), directive, out);
      break;
    case Value::Kind::kString:
      shown = OneOf(verb, "vsxXq");
      if (shown) AppendString(value.AsString(), directive, budget, out);
      break;
    case Value::Kind::kList: {
      out->Charge(value.AsList().size() * Budget::kElementCost);
      const Brackets brackets = BracketsOf(value.kind(), directive);
      out->Append(brackets.open);
      absl::string_view separator;
      for (const Value& element : value.AsList()) {
        out->Append(separator);
        AppendArgument(element, directive, budget, out);
        if (out->failed()) return;
        separator = brackets.separator;
      }
      out->Append(brackets.close);
      break;
    }
    case Value::Kind::kMap: {
      out->Charge(value.AsMap().size() * Budget::kElementCost);
      const Brackets brackets = BracketsOf(value.kind(), directive);
      out->Append(brackets.open);
      absl::string_view separator;
      for (const auto& [key, element] : value.AsMap()) {
        out->Append(separator);
        AppendArgument(Value(key), directive, budget, out);
        out->Append(':');
        AppendArgument(element, directive, budget, out);
        if (out->failed()) return;
        separator = brackets.separator;
      }
      out->Append(brackets.close);
      break;
    }
  }
  if (!shown) FailVerb(directive, value, out);
}

absl::StatusOr<Value> Printf(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  PrintfFormat format(*text, arguments.subspan(1));
  BoundedText out(budget);
  while (!format.AtEnd() && !out.failed()) {
    if (absl::Status charged = budget->Charge(); !charged.ok()) return charged;
    absl::StatusOr<PrintfFormat::Piece> piece = format.Next();
    if (!piece.ok()) return piece.status();
    out.Append(piece->literal);
    if (piece->percent_sign) out.Append('%');
    if (piece->argument == nullptr) continue;
    Directive& directive = piece->directive;
    constexpr absl::string_view kVerbs = "vTtbcdoOqxXUeEfFgGs";
    if (!OneOf(directive.verb, kVerbs)) {
      return absl::InvalidArgumentError(
          absl::StrCat(pipeline::Quote(directive.text), " has no verb that printf knows"));
    }
    // Signs of numbers are not for %v: "%+v" only names the fields of Go's structures.
    if (directive.verb == 'v') directive.plus = false;
    if (directive.verb == 'T') {
      AppendType(piece->argument->kind(), directive, &out);
    } else {
      AppendArgument(*piece->argument, directive, budget, &out);
    }
  }
  if (!out.failed()) {
    if (absl::Status shown = format.CheckAllShown(); !shown.ok()) return shown;
  }
  return out.Finish();
}

constexpr Function kFunctions[] = {{"printf", 1, Function::kAnyNumber, Printf}};

}  // namespace

absl::Span<const Function> PrintfFunctions() { return kFunctions; }

}  // namespace rally::go_template
