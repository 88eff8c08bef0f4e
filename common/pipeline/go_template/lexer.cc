#include "common/pipeline/go_template/lexer.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

constexpr absl::string_view kOpen = "{{";
constexpr absl::string_view kClose = "}}";
constexpr absl::string_view kTrimmedClose = "-}}";
constexpr absl::string_view kCommentBegin = "/*";
constexpr absl::string_view kCommentEnd = "*/";

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsAsciiWordCharacter(char c) { return absl::ascii_isalnum(c) || c == '_'; }

bool IsKeyword(absl::string_view word) {
  switch (word.front()) {
    case 'b':
      return word == "break" || word == "block";
    case 'c':
      return word == "continue";
    case 'd':
      return word == "define";
    case 'e':
      return word == "end" || word == "else";
    case 'i':
      return word == "if";
    case 'r':
      return word == "range";
    case 't':
      return word == "template";
    case 'w':
      return word == "with";
    default:
      return false;
  }
}

// Go asks Unicode's tables what a letter is. Here everything outside ASCII is one but the blanks,
// punctuation and symbols that get into a text by accident.
bool IsLetterOutsideAscii(char32_t rune) {
  if (rune < 0xC0) return rune == 0xAA || rune == 0xB5 || rune == 0xBA;
  if (rune == 0xD7 || rune == 0xF7) return false;
  const struct {
    char32_t first, last;
  } kNoLetters[] = {{0x2000, 0x206F}, {0x20A0, 0x20CF},   {0x2190, 0x2BFF},   {0x3000, 0x3004},
                    {0x3008, 0x3020}, {0xD800, 0xF8FF},   {0xFE00, 0xFE6F},   {0xFEFF, 0xFF0F},
                    {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}};
  for (const auto& range : kNoLetters) {
    if (rune >= range.first && rune <= range.last) return false;
  }
  return true;
}

// The bytes of the letter, digit or underscore that `text` begins with; 0 if it begins with none.
size_t WordCharacterSize(absl::string_view text) {
  if (text.empty()) return 0;
  if (static_cast<unsigned char>(text[0]) < 0x80) return IsAsciiWordCharacter(text[0]) ? 1 : 0;
  const Utf8Character character = FirstCharacter(text);
  return character.valid && IsLetterOutsideAscii(character.code) ? character.size : 0;
}

}  // namespace

bool Lexer::At(absl::string_view prefix) const { return absl::StartsWith(Rest(), prefix); }

Token Lexer::Make(TokenKind kind, size_t begin, bool after_blank) const {
  return Token{kind, after_blank, begin, text_.substr(begin, position_ - begin)};
}

Token Lexer::Error(size_t begin, absl::string_view message) {
  error_ = message;
  position_ = text_.size();
  inside_ = false;
  return Make(TokenKind::kError, begin, false);
}

Token Lexer::Next() { return inside_ ? NextInside() : NextOutside(); }

Token Lexer::NextOutside() {
  // More than one pass only for comments and for text that trimming leaves nothing of.
  while (position_ < text_.size()) {
    const size_t open = text_.find(kOpen, position_);
    if (open != position_) {
      const size_t end = open == text_.npos ? text_.size() : open;
      size_t first = position_;
      size_t last = end;
      if (trim_next_text_) {
        while (first < last && IsBlank(text_[first])) ++first;
      }
      if (open != text_.npos && open + 3 < text_.size() && text_[open + 2] == '-' &&
          IsBlank(text_[open + 3])) {
        while (last > first && IsBlank(text_[last - 1])) --last;
      }
      trim_next_text_ = false;
      position_ = end;
      if (first < last) {
        return Token{TokenKind::kText, false, first, text_.substr(first, last - first)};
      }
      continue;
    }
    trim_next_text_ = false;
    open_ = open;
    position_ = open + kOpen.size();
    if (position_ + 1 < text_.size() && text_[position_] == '-' && IsBlank(text_[position_ + 1])) {
      position_ += 2;
    }
    if (At(kCommentBegin)) {
      if (!SkipComment()) return Error(open, error_);
      continue;
    }
    inside_ = true;
    return Make(TokenKind::kOpen, open, false);
  }
  return Make(TokenKind::kEnd, position_, false);
}

bool Lexer::SkipComment() {
  const size_t end = text_.find(kCommentEnd, position_ + kCommentBegin.size());
  if (end == text_.npos) {
    error_ = "the comment is not closed: \"*/}}\" is missing";
    return false;
  }
  position_ = end + kCommentEnd.size();
  if (At(kClose)) {
    position_ += kClose.size();
    return true;
  }
  if (position_ < text_.size() && IsBlank(text_[position_]) &&
      absl::StartsWith(text_.substr(position_ + 1), kTrimmedClose)) {
    position_ += 1 + kTrimmedClose.size();
    trim_next_text_ = true;
    return true;
  }
  error_ = "a comment must end directly before \"}}\", as \"*/}}\" or \"*/ -}}\"";
  return false;
}

Token Lexer::NextInside() {
  const size_t blanks = position_;
  while (position_ < text_.size() && IsBlank(text_[position_])) ++position_;
  const bool after_blank = position_ > blanks;
  const size_t begin = position_;

  if (after_blank && At(kTrimmedClose)) {
    position_ += kTrimmedClose.size();
    inside_ = false;
    trim_next_text_ = true;
    return Make(TokenKind::kClose, begin, after_blank);
  }
  if (At(kClose)) {
    position_ += kClose.size();
    inside_ = false;
    return Make(TokenKind::kClose, begin, after_blank);
  }
  if (begin == text_.size()) return Error(open_, "the action is not closed: \"}}\" is missing");

  const char c = text_[position_++];
  switch (c) {
    case '|':
      return Make(TokenKind::kPipe, begin, after_blank);
    case ',':
      return Make(TokenKind::kComma, begin, after_blank);
    case '(':
      return Make(TokenKind::kLeftParenthesis, begin, after_blank);
    case ')':
      return Make(TokenKind::kRightParenthesis, begin, after_blank);
    case '=':
      return Make(TokenKind::kAssign, begin, after_blank);
    case ':':
      if (!At("=")) return Error(begin, "\":\" must be followed by \"=\"");
      ++position_;
      return Make(TokenKind::kDeclare, begin, after_blank);
    case '"':
    case '\'':
    case '`':
      return Quoted(begin, after_blank);
    case '$':
      return FieldOrVariable(begin, after_blank);
    case '.':
      if (!Rest().empty() && absl::ascii_isdigit(text_[position_])) {
        return Number(begin, after_blank);
      }
      return FieldOrVariable(begin, after_blank);
    case '+':
    case '-':
      return Number(begin, after_blank);
    default:
      break;
  }
  if (absl::ascii_isdigit(c)) return Number(begin, after_blank);
  position_ = begin;
  if (WordCharacterSize(Rest()) > 0) return Word(begin, after_blank);
  return Error(begin, "this character has no meaning between \"{{\" and \"}}\"");
}

size_t Lexer::SkipWord() {
  const size_t begin = position_;
  while (position_ < text_.size()) {
    const size_t size =
        IsAsciiWordCharacter(text_[position_]) ? 1 : WordCharacterSize(text_.substr(position_));
    if (size == 0) break;
    position_ += size;
  }
  return position_ - begin;
}

bool Lexer::AtWordEnd() const {
  if (position_ == text_.size()) return true;
  switch (text_[position_]) {
    case '.':
    case ',':
    case '|':
    case ':':
    case '(':
    case ')':
      return true;
    default:
      return IsBlank(text_[position_]) || At(kClose);
  }
}

Token Lexer::BadName() {
  if (At("-")) {
    return Error(position_,
                 "a name cannot contain \"-\": such a key is (index .Values \"my-key\"), and "
                 "\"-}}\" has a blank before it");
  }
  return Error(position_, "unexpected character behind a name");
}

Token Lexer::Word(size_t begin, bool after_blank) {
  SkipWord();
  if (!AtWordEnd()) return BadName();
  Token token = Make(TokenKind::kIdentifier, begin, after_blank);
  if (token.text == "true" || token.text == "false") {
    token.kind = TokenKind::kBool;
  } else if (token.text == "nil") {
    token.kind = TokenKind::kNil;
  } else if (IsKeyword(token.text)) {
    token.kind = TokenKind::kKeyword;
  }
  return token;
}

Token Lexer::FieldOrVariable(size_t begin, bool after_blank) {
  const bool variable = text_[begin] == '$';
  const size_t name = SkipWord();
  if (!AtWordEnd()) return BadName();
  if (variable) return Make(TokenKind::kVariable, begin, after_blank);
  return Make(name == 0 ? TokenKind::kDot : TokenKind::kField, begin, after_blank);
}

Token Lexer::Quoted(size_t begin, bool after_blank) {
  const char quote = text_[begin];
  for (; position_ < text_.size(); ++position_) {
    const char c = text_[position_];
    if (c == quote) {
      ++position_;
      return Make(quote == '"'   ? TokenKind::kString
                  : quote == '`' ? TokenKind::kRawString
                                 : TokenKind::kCharacter,
                  begin, after_blank);
    }
    if (quote == '`') continue;
    if (c == '\n') break;
    if (c == '\\' && position_ + 1 < text_.size() && text_[position_ + 1] != '\n') ++position_;
  }
  switch (quote) {
    case '"':
      return Error(begin, "the string is not closed: a \" is missing on its line");
    case '`':
      return Error(begin, "the string is not closed: a ` is missing");
    default:
      return Error(begin, "the character is not closed: a ' is missing (strings are in \" or `)");
  }
}

Token Lexer::Number(size_t begin, bool after_blank) {
  position_ = begin;
  if (At("+") || At("-")) ++position_;
  const bool hex = At("0x") || At("0X");
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (!absl::ascii_isalnum(c) && c != '_' && c != '.') break;
    ++position_;
    const char lower = absl::ascii_tolower(c);
    const bool exponent = hex ? lower == 'p' : lower == 'e';
    if (exponent && (At("+") || At("-"))) ++position_;
  }
  // "1-2" is no sum and "3-}}" no trim marker.
  if (At("+") || At("-")) {
    ++position_;
    return Error(begin, "bad number: a sign may only be in front; put a blank before \"-}}\"");
  }
  return Make(TokenKind::kNumber, begin, after_blank);
}

}  // namespace rally::go_template
