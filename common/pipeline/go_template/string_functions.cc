// sprig's functions on strings. The string that is worked on comes last, so that it can be piped
// in. Lengths and offsets count bytes.
#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/find_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/go_template/go_quote.h"
#include "common/pipeline/go_template/unicode.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

// A byte that is searched, in bytes that are only copied.
constexpr size_t kSearchCost = 4;
// A byte that may be replaced, or of a character that is trimmed.
constexpr size_t kReplaceCost = Budget::kCharacterCost;

absl::StatusOr<Value> MapCharacters(Arguments arguments, Budget* budget,
                                    char32_t (*map)(char32_t)) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  BoundedText mapped(budget);
  absl::string_view rest = *text;
  while (!rest.empty() && static_cast<unsigned char>(rest[0]) < 0x80 && !mapped.failed()) {
    mapped.Append(static_cast<char>(map(static_cast<unsigned char>(rest[0]))));
    rest.remove_prefix(1);
  }
  std::string bytes;
  while (!rest.empty() && !mapped.failed()) {
    const Utf8Character character = FirstCharacter(rest);
    rest.remove_prefix(character.size);
    bytes.clear();
    AppendUtf8(map(character.code), &bytes);
    mapped.Append(bytes);
  }
  return mapped.Finish();
}

absl::StatusOr<Value> Upper(Arguments arguments, Budget* budget) {
  return MapCharacters(arguments, budget, ToUpper);
}

absl::StatusOr<Value> Lower(Arguments arguments, Budget* budget) {
  return MapCharacters(arguments, budget, ToLower);
}

template <typename Predicate>
absl::string_view TrimCharacters(absl::string_view text, Predicate is_trimmed) {
  while (!text.empty()) {
    const Utf8Character first = FirstCharacter(text);
    if (!is_trimmed(first.code)) break;
    text.remove_prefix(first.size);
  }
  while (!text.empty()) {
    // The last character is the longest one that reaches to the end.
    size_t begin = text.size() - 1;
    for (size_t size = std::min<size_t>(4, text.size()); size > 1; --size) {
      if (FirstCharacter(text.substr(text.size() - size)).size == size) {
        begin = text.size() - size;
        break;
      }
    }
    if (!is_trimmed(FirstCharacter(text.substr(begin)).code)) break;
    text = text.substr(0, begin);
  }
  return text;
}

absl::StatusOr<Value> Trim(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  if (absl::Status charged = budget->Charge(kReplaceCost * text->size()); !charged.ok()) {
    return charged;
  }
  return NewString(TrimCharacters(*text, IsSpace), budget);
}

// trimAll CHARACTERS TEXT
absl::StatusOr<Value> TrimAll(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  const auto [characters, text] = *strings;
  if (absl::Status charged = budget->Charge(kReplaceCost * (characters.size() + text.size()));
      !charged.ok()) {
    return charged;
  }
  std::u32string trimmed;
  for (absl::string_view rest = characters; !rest.empty();) {
    const Utf8Character character = FirstCharacter(rest);
    trimmed.push_back(character.code);
    rest.remove_prefix(character.size);
  }
  std::sort(trimmed.begin(), trimmed.end());
  const auto is_trimmed = [&trimmed](char32_t code) {
    return std::binary_search(trimmed.begin(), trimmed.end(), code);
  };
  return NewString(TrimCharacters(text, is_trimmed), budget);
}

// trimPrefix PREFIX TEXT
absl::StatusOr<Value> TrimPrefix(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  return NewString(absl::StripPrefix((*strings)[1], (*strings)[0]), budget);
}

absl::StatusOr<Value> TrimSuffix(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  return NewString(absl::StripSuffix((*strings)[1], (*strings)[0]), budget);
}

// trunc SIZE TEXT: the first bytes; with a negative size the last ones.
absl::StatusOr<Value> Trunc(Arguments arguments, Budget* budget) {
  const absl::StatusOr<int64_t> size = IntArgument(arguments[0]);
  if (!size.ok()) return size.status();
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[1]);
  if (!text.ok()) return text.status();
  const auto length = static_cast<int64_t>(text->size());
  if (*size >= length || *size <= -length) return NewString(*text, budget);
  if (*size >= 0) return NewString(text->substr(0, static_cast<size_t>(*size)), budget);
  return NewString(text->substr(static_cast<size_t>(length + *size)), budget);
}

// substr BEGIN END TEXT: from 0 when BEGIN is negative, else to the end when END is negative or
// beyond it.
absl::StatusOr<Value> Substr(Arguments arguments, Budget* budget) {
  absl::StatusOr<int64_t> begin = IntArgument(arguments[0]);
  if (!begin.ok()) return begin.status();
  absl::StatusOr<int64_t> end = IntArgument(arguments[1]);
  if (!end.ok()) return end.status();
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[2]);
  if (!text.ok()) return text.status();
  const auto length = static_cast<int64_t>(text->size());
  if (*begin < 0) {
    begin = 0;
  } else if (*end < 0 || *end > length) {
    end = length;
  }
  if (*begin > *end || *end > length) {
    return absl::InvalidArgumentError(
        absl::StrCat("has no bytes ", *begin, " to ", *end, " in a string of ", length, " bytes"));
  }
  return NewString(text->substr(static_cast<size_t>(*begin), static_cast<size_t>(*end - *begin)),
                   budget);
}

// repeat COUNT TEXT
absl::StatusOr<Value> Repeat(Arguments arguments, Budget* budget) {
  const absl::StatusOr<int64_t> count = IntArgument(arguments[0]);
  if (!count.ok()) return count.status();
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[1]);
  if (!text.ok()) return text.status();
  if (*count < 0) return absl::InvalidArgumentError(absl::StrCat("has a negative count: ", *count));
  BoundedText repeated(budget);
  if (text->empty()) return repeated.Finish();
  // Too much is refused before anything is made.
  const auto most = static_cast<int64_t>(Budget::kMaxStringBytes / text->size());
  if (*count > most && !repeated.Fits(Budget::kMaxStringBytes + 1)) return repeated.Finish();
  for (int64_t i = 0; i < *count && !repeated.failed(); ++i) repeated.Append(*text);
  return repeated.Finish();
}

// replace OLD NEW TEXT. An empty OLD is found before each character and at the end, as in Go.
absl::StatusOr<Value> Replace(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<3>(arguments);
  if (!strings.ok()) return strings.status();
  auto [old_text, new_text, text] = *strings;
  if (absl::Status charged = budget->Charge(kReplaceCost * text.size()); !charged.ok()) {
    return charged;
  }
  BoundedText replaced(budget);
  while (!replaced.failed()) {
    if (old_text.empty()) {
      replaced.Append(new_text);
      if (text.empty()) break;
      const size_t size = FirstCharacter(text).size;
      replaced.Append(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    const size_t found = FindText(text, old_text);
    replaced.Append(text.substr(0, found));
    if (found == absl::string_view::npos) break;
    replaced.Append(new_text);
    text.remove_prefix(found + old_text.size());
  }
  return replaced.Finish();
}

absl::StatusOr<Value> NoSpace(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  BoundedText kept(budget);
  kept.Charge(kReplaceCost * text->size());
  for (absl::string_view rest = *text; !rest.empty() && !kept.failed();) {
    const Utf8Character character = FirstCharacter(rest);
    if (!IsSpace(character.code)) kept.Append(rest.substr(0, character.size));
    rest.remove_prefix(character.size);
  }
  return kept.Finish();
}

using Test = bool (*)(absl::string_view text, absl::string_view part);

absl::StatusOr<Value> TestPart(Arguments arguments, Budget* budget, Test test) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  const auto [part, text] = *strings;
  if (absl::Status charged = budget->Charge(kSearchCost * text.size()); !charged.ok())
    return charged;
  return Value(test(text, part));
}

// contains PART TEXT
absl::StatusOr<Value> Contains(Arguments arguments, Budget* budget) {
  return TestPart(arguments, budget, [](absl::string_view text, absl::string_view part) {
    return FindText(text, part) != absl::string_view::npos;
  });
}

absl::StatusOr<Value> HasPrefix(Arguments arguments, Budget* budget) {
  return TestPart(arguments, budget, absl::StartsWith);
}

absl::StatusOr<Value> HasSuffix(Arguments arguments, Budget* budget) {
  return TestPart(arguments, budget, absl::EndsWith);
}

// Each argument as a Go string literal, blanks between them.
absl::StatusOr<Value> Quote(Arguments arguments, Budget* budget) {
  BoundedText quoted(budget);
  for (size_t i = 0; i < arguments.size(); ++i) {
    BoundedText plain(budget);
    plain.AppendValue(arguments[i]);
    const absl::StatusOr<std::string> text = plain.FinishText();
    if (!text.ok()) return text.status();
    if (i > 0) quoted.Append(' ');
    AppendQuoted(*text, QuoteCharacters::kPrintable, &quoted);
  }
  return quoted.Finish();
}

// The same in single quotes, with nothing escaped.
absl::StatusOr<Value> SingleQuote(Arguments arguments, Budget* budget) {
  BoundedText quoted(budget);
  for (size_t i = 0; i < arguments.size(); ++i) {
    quoted.Append(i > 0 ? " '" : "'");
    quoted.AppendValue(arguments[i]);
    quoted.Append('\'');
  }
  return quoted.Finish();
}

constexpr Function kFunctions[] = {
    {"upper", 1, 1, Upper},
    {"lower", 1, 1, Lower},
    {"trim", 1, 1, Trim},
    {"trimAll", 2, 2, TrimAll},
    {"trimPrefix", 2, 2, TrimPrefix},
    {"trimSuffix", 2, 2, TrimSuffix},
    {"trunc", 2, 2, Trunc, 1},
    {"substr", 3, 3, Substr, 2},
    {"repeat", 2, 2, Repeat, 1},
    {"replace", 3, 3, Replace},
    {"nospace", 1, 1, NoSpace},
    {"contains", 2, 2, Contains},
    {"hasPrefix", 2, 2, HasPrefix},
    {"hasSuffix", 2, 2, HasSuffix},
    {"quote", 0, Function::kAnyNumber, Quote},
    {"squote", 0, Function::kAnyNumber, SingleQuote},
};

}  // namespace

absl::Span<const Function> StringFunctions() { return kFunctions; }

}  // namespace rally::go_template
