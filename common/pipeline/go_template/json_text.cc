#include "common/pipeline/go_template/json_text.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/float_text.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

// Separators of lines and paragraphs, which JavaScript takes for ends of lines.
constexpr char32_t kLineSeparator = 0x2028;
constexpr char32_t kParagraphSeparator = 0x2029;

std::string EscapedCharacter(const Utf8Character& character) {
  switch (character.code) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const bool escape = character.code < 0x20 || character.code == '<' || character.code == '>' ||
                      character.code == '&' || character.code == kLineSeparator ||
                      character.code == kParagraphSeparator || !character.valid;
  if (!escape) return "";
  return absl::StrCat("\\u", absl::Hex(static_cast<uint32_t>(character.code), absl::kZeroPad4));
}

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void AppendJsonString(absl::string_view string, BoundedText* text) {
  text->Append('"');
  while (!string.empty() && !text->failed()) {
    const auto plain_end = std::find_if_not(string.begin(), string.end(), IsPlain);
    const auto plain_size = static_cast<size_t>(plain_end - string.begin());
    text->Append(string.substr(0, plain_size));
    string.remove_prefix(plain_size);
    if (string.empty()) break;
    const Utf8Character character = FirstCharacter(string);
    const std::string escaped = EscapedCharacter(character);
    text->Append(escaped.empty() ? string.substr(0, character.size) : escaped);
    string.remove_prefix(character.size);
  }
  text->Append('"');
}

// As JavaScript writes numbers: exponents only for very small and very large ones, and not padded.
void AppendJsonFloat(double value, BoundedText* text) {
  if (!std::isfinite(value)) {
    text->Fail(absl::InvalidArgumentError("has a float that JSON cannot write"));
    return;
  }
  text->Charge(0);
  constexpr double kLeastFixed = 1e-6;
  constexpr double kLeastScientific = 1e21;
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= kLeastFixed && size < kLeastScientific);
  std::string digits = FloatText(value, fixed ? 'f' : 'e', kShortest);
  const size_t exponent = digits.find("e-0");
  if (exponent != std::string::npos) digits.erase(exponent + 2, 1);
  text->Append(digits);
}

}  // namespace

void AppendJson(const Value& value, BoundedText* text) {
  switch (value.kind()) {
    case Value::Kind::kNil:
    case Value::Kind::kBool:
    case Value::Kind::kInt:
      text->AppendValue(value);
      break;
    case Value::Kind::kFloat:
      AppendJsonFloat(value.AsFloat(), text);
      break;
    case Value::Kind::kString:
      AppendJsonString(value.AsString(), text);
      break;
    case Value::Kind::kList: {
      text->Charge(value.AsList().size() * Budget::kElementCost);
      absl::string_view separator = "[";
      for (const Value& element : value.AsList()) {
        text->Append(separator);
        AppendJson(element, text);
        if (text->failed()) break;
        separator = ",";
      }
      text->Append(value.AsList().empty() ? "[]" : "]");
      break;
    }
    case Value::Kind::kMap: {
      text->Charge(value.AsMap().size() * Budget::kElementCost);
      absl::string_view separator = "{";
      for (const auto& [key, element] : value.AsMap()) {
        text->Append(separator);
        AppendJsonString(key, text);
        text->Append(':');
        AppendJson(element, text);
        if (text->failed()) break;
        separator = ",";
      }
      text->Append(value.AsMap().empty() ? "{}" : "}");
      break;
    }
  }
}

}  // namespace rally::go_template
