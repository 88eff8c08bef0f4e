#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_TOKEN_CURSOR_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_TOKEN_CURSOR_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/lexer.h"
#include "common/pipeline/go_template/syntax.h"

namespace rally::go_template {

// The token that a parser is at, and the first thing that is wrong. What the lexer finds wrong is
// kept before the parser sees the token, so whatever the parser then says doesn't count.
//
// Threads: not thread-safe.
class TokenCursor {
 public:
  explicit TokenCursor(absl::string_view text) : lexer_(text) { Advance(); }

  const Token& token() const { return token_; }
  bool Is(TokenKind kind) const { return token_.kind == kind; }
  bool IsKeyword(absl::string_view word) const {
    return token_.kind == TokenKind::kKeyword && token_.text == word;
  }

  void Advance();
  // The token behind the current one.
  Token LookAhead() const;
  // Where the token before the current one ended.
  size_t previous_end() const { return previous_end_; }

  // Keeps the first failure. Returns false, for the caller to return.
  bool Fail(size_t offset, std::string message);
  // The current token can't stand `where`: "in the arguments".
  bool FailUnexpected(absl::string_view where);

  bool failed() const { return failure_.has_value(); }
  std::optional<Failure> TakeFailure() { return std::move(failure_); }

 private:
  Lexer lexer_;
  Token token_;
  size_t previous_end_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_TOKEN_CURSOR_H_
