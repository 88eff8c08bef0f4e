// Go's functions that show values: print and println, and the three that escape what print shows.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/go_template/unicode.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

// A blank between two of which neither is a string.
void AppendAll(Arguments arguments, BoundedText* text) {
  bool after_string = true;
  for (const Value& argument : arguments) {
    if (!after_string && !argument.is_string()) text->Append(' ');
    text->AppendValue(argument);
    after_string = argument.is_string();
  }
}

absl::StatusOr<Value> Print(Arguments arguments, Budget* budget) {
  BoundedText text(budget);
  AppendAll(arguments, &text);
  return text.Finish();
}

absl::StatusOr<Value> Println(Arguments arguments, Budget* budget) {
  BoundedText text(budget);
  bool first = true;
  for (const Value& argument : arguments) {
    if (!first) text.Append(' ');
    text.AppendValue(argument);
    first = false;
  }
  text.Append('\n');
  return text.Finish();
}

using Escape = void (*)(absl::string_view text, BoundedText* out);

absl::StatusOr<Value> Escaped(Arguments arguments, Budget* budget, Escape escape) {
  BoundedText plain(budget);
  AppendAll(arguments, &plain);
  const absl::StatusOr<std::string> text = plain.FinishText();
  if (!text.ok()) return text.status();
  BoundedText escaped(budget);
  escape(*text, &escaped);
  return escaped.Finish();
}

void EscapeHtml(absl::string_view text, BoundedText* out) {
  for (const char c : text) {
    switch (c) {
      case '\0':
        out->Append("\xEF\xBF\xBD");
        break;
      case '"':
        out->Append("&#34;");
        break;
      case '\'':
        out->Append("&#39;");
        break;
      case '&':
        out->Append("&amp;");
        break;
      case '<':
        out->Append("&lt;");
        break;
      case '>':
        out->Append("&gt;");
        break;
      default:
        out->Append(c);
    }
  }
}

void EscapeJs(absl::string_view text, BoundedText* out) {
  out->Charge(Budget::kCharacterCost * text.size());
  constexpr absl::string_view kAsNumber = "<>&=";
  constexpr absl::string_view kAfterBackslash = "\\'\"";
  while (!text.empty() && !out->failed()) {
    const Utf8Character character = FirstCharacter(text);
    const absl::string_view bytes = text.substr(0, character.size);
    text.remove_prefix(character.size);
    const bool is_ascii = character.code < 0x80;
    if (is_ascii && kAfterBackslash.find(bytes[0]) != absl::string_view::npos) {
      out->Append('\\');
      out->Append(bytes);
    } else if (character.code < 0x20 || (!is_ascii && !IsPrintable(character.code)) ||
               (is_ascii && kAsNumber.find(bytes[0]) != absl::string_view::npos)) {
      const auto number = static_cast<uint32_t>(character.code);
      out->Append(absl::StrCat(
          "\\u", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(number, absl::kZeroPad4)))));
    } else {
      out->Append(bytes);
    }
  }
}

void EscapeUrlQuery(absl::string_view text, BoundedText* out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  constexpr absl::string_view kUnreserved = "-_.~";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || kUnreserved.find(c) != absl::string_view::npos) {
      out->Append(c);
    } else if (c == ' ') {
      out->Append('+');
    } else {
      const char escaped[] = {'%', kDigits[byte >> 4], kDigits[byte & 0xF]};
      out->Append(absl::string_view(escaped, sizeof(escaped)));
    }
  }
}

absl::StatusOr<Value> Html(Arguments arguments, Budget* budget) {
  return Escaped(arguments, budget, EscapeHtml);
}

absl::StatusOr<Value> Js(Arguments arguments, Budget* budget) {
  return Escaped(arguments, budget, EscapeJs);
}

absl::StatusOr<Value> UrlQuery(Arguments arguments, Budget* budget) {
  return Escaped(arguments, budget, EscapeUrlQuery);
}

constexpr Function kFunctions[] = {
    {"print", 0, Function::kAnyNumber, Print},       {"println", 0, Function::kAnyNumber, Println},
    {"html", 0, Function::kAnyNumber, Html},         {"js", 0, Function::kAnyNumber, Js},
    {"urlquery", 0, Function::kAnyNumber, UrlQuery},
};

}  // namespace

absl::Span<const Function> PrintFunctions() { return kFunctions; }

}  // namespace rally::go_template
