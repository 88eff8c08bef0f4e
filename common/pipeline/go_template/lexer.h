#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_LEXER_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_LEXER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace rally::go_template {

enum class TokenKind {
  kText,        // Between actions; never empty, already cut by the trim markers beside it.
  kOpen,        // {{ or {{- with its blank
  kClose,       // }} or -}} with its blank
  kIdentifier,  // upper
  kKeyword,     // if, else, end, range, with, break, continue, define, template, block
  kField,       // .name
  kDot,         // . alone
  kVariable,    // $name, or $ alone
  kString,      // "interpreted"
  kRawString,   // `raw`
  kCharacter,   // 'a'
  kNumber,      // As far as it looks like one; ParseNumber says whether it is.
  kBool,        // true, false
  kNil,
  kPipe,     // |
  kDeclare,  // :=
  kAssign,   // =
  kComma,
  kLeftParenthesis,
  kRightParenthesis,
  kEnd,    // Of the text; from then on always.
  kError,  // Lexer::error() says what is wrong at this token.
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  bool after_blank = false;  // Inside an action: a blank or newline stands before it.
  size_t offset = 0;
  absl::string_view text;  // As written, quotes and dot included.
};

// Cuts a template into tokens, one by one. Comments never appear. It doesn't know which order of
// tokens makes sense, nor what constants are worth.
//
// A copy reads on by itself from the same place: that is how a parser looks ahead. Tokens point
// into the text, which must outlive them. Threads: not thread-safe.
class Lexer {
 public:
  explicit Lexer(absl::string_view text) : text_(text) {}

  Token Next();

  // A string literal, because a copy of the lexer should cost nothing.
  absl::string_view error() const { return error_; }

 private:
  Token NextOutside();
  Token NextInside();
  // Past the comment whose {{ is at `open` and whose /* is at position_.
  bool SkipComment();
  // At position_, where a name can neither go on nor end.
  Token BadName();
  Token Word(size_t begin, bool after_blank);
  Token FieldOrVariable(size_t begin, bool after_blank);
  Token Quoted(size_t begin, bool after_blank);
  Token Number(size_t begin, bool after_blank);
  // The token from `begin` to position_.
  Token Make(TokenKind kind, size_t begin, bool after_blank) const;
  Token Error(size_t begin, absl::string_view message);

  absl::string_view Rest() const { return text_.substr(position_); }
  bool At(absl::string_view prefix) const;
  size_t SkipWord();
  bool AtWordEnd() const;

  absl::string_view text_;
  size_t position_ = 0;
  size_t open_ = 0;  // Where the action began that position_ is in.
  bool inside_ = false;
  bool trim_next_text_ = false;
  absl::string_view error_;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_LEXER_H_
