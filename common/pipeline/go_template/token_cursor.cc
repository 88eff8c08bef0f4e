#include "common/pipeline/go_template/token_cursor.h"

#include "absl/strings/str_cat.h"

namespace rally::go_template {

void TokenCursor::Advance() {
  previous_end_ = token_.offset + token_.text.size();
  token_ = lexer_.Next();
  if (token_.kind == TokenKind::kError) Fail(token_.offset, std::string(lexer_.error()));
}

Token TokenCursor::LookAhead() const {
  Lexer ahead = lexer_;
  return ahead.Next();
}

bool TokenCursor::Fail(size_t offset, std::string message) {
  if (!failure_.has_value()) failure_ = Failure{offset, std::move(message)};
  return false;
}

bool TokenCursor::FailUnexpected(absl::string_view where) {
  const std::string what =
      token_.kind == TokenKind::kEnd ? "end of the text" : absl::StrCat("\"", token_.text, "\"");
  return Fail(token_.offset, absl::StrCat("unexpected ", what, " ", where));
}

}  // namespace rally::go_template
