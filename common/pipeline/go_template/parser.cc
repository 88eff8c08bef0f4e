#include "common/pipeline/go_template/parser.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/pipeline_parser.h"
#include "common/pipeline/go_template/token_cursor.h"
#include "common/pipeline/go_template/variable_scope.h"

namespace rally::go_template {
namespace {

std::string InBraces(absl::string_view word) { return absl::StrCat("{{ ", word, " }}"); }

// Parses statements: text, actions and blocks. What is within an action is the PipelineParser's.
class TemplateParser {
 public:
  explicit TemplateParser(Tree* tree)
      : tree_(*tree), cursor_(tree->text()), pipelines_(&cursor_, &scope_, tree) {}

  std::optional<Failure> Parse() {
    if (ParseStatements(&tree_.root) && !cursor_.Is(TokenKind::kEnd)) {
      cursor_.Fail(cursor_.token().offset, absl::StrCat(InBraces(cursor_.token().text),
                                                        " without a block that it belongs to"));
    }
    return cursor_.TakeFailure();
  }

 private:
  // Up to the end of the text or the `end` or `else` of an open block: that keyword is then the
  // current token. False after a failure.
  bool ParseStatements(const Statement** link);
  Statement* ParseAction();
  Statement* ParseBlock(Statement::Kind kind);
  bool ParseBranches(Statement* block, absl::string_view word);
  // Behind `else`: whether an `if` follows, which makes a branch with a condition.
  bool ParseElse(Statement::Kind kind, absl::string_view word, bool* else_if);
  Statement* ParseJump(Statement::Kind kind);
  bool ExpectClose(absl::string_view word);

  Tree& tree_;
  TokenCursor cursor_;
  VariableScope scope_;
  PipelineParser pipelines_;
  int ranges_ = 0;  // Around the current token.
};

bool TemplateParser::ParseStatements(const Statement** link) {
  while (true) {
    Statement* statement = nullptr;
    if (cursor_.Is(TokenKind::kText)) {
      statement = tree_.New<Statement>();
      statement->begin = cursor_.token().offset;
      statement->text = cursor_.token().text;
      cursor_.Advance();
    } else if (cursor_.Is(TokenKind::kOpen)) {
      cursor_.Advance();
      if (cursor_.IsKeyword("end") || cursor_.IsKeyword("else")) return !cursor_.failed();
      statement = ParseAction();
      if (statement == nullptr) return false;
    } else {
      return !cursor_.failed();
    }
    *link = statement;
    link = &statement->next;
  }
}

Statement* TemplateParser::ParseAction() {
  if (cursor_.IsKeyword("if")) return ParseBlock(Statement::Kind::kIf);
  if (cursor_.IsKeyword("with")) return ParseBlock(Statement::Kind::kWith);
  if (cursor_.IsKeyword("range")) return ParseBlock(Statement::Kind::kRange);
  if (cursor_.IsKeyword("break")) return ParseJump(Statement::Kind::kBreak);
  if (cursor_.IsKeyword("continue")) return ParseJump(Statement::Kind::kContinue);
  if (cursor_.Is(TokenKind::kKeyword)) {
    // define, template, block
    cursor_.Fail(cursor_.token().offset,
                 absl::StrCat("\"", cursor_.token().text,
                              "\" is not available: every string is a template of its own and has "
                              "nothing to share parts with"));
    return nullptr;
  }
  auto* statement = tree_.New<Statement>();
  statement->kind = Statement::Kind::kAction;
  statement->begin = cursor_.token().offset;
  statement->pipeline = pipelines_.ParseAction("{{", false);
  return statement->pipeline != nullptr ? statement : nullptr;
}

Statement* TemplateParser::ParseBlock(Statement::Kind kind) {
  const Token keyword = cursor_.token();
  if (!pipelines_.Enter(keyword.offset)) return nullptr;
  cursor_.Advance();
  auto* block = tree_.New<Statement>();
  block->kind = kind;
  block->begin = keyword.offset;
  scope_.OpenBlock();
  if (!ParseBranches(block, keyword.text)) return nullptr;
  scope_.CloseBlock();
  pipelines_.Leave();
  return block;
}

bool TemplateParser::ParseBranches(Statement* block, absl::string_view word) {
  const Branch** link = &block->branches;
  bool conditional = true;
  while (true) {
    const bool is_loop = conditional && block->kind == Statement::Kind::kRange;
    auto* branch = tree_.New<Branch>();
    *link = branch;
    link = &branch->next;
    if (conditional) {
      branch->condition = pipelines_.ParseAction(word, is_loop);
      if (branch->condition == nullptr) return false;
    }
    // What the condition declares is seen in the branches behind it too; what the body declares
    // is not.
    scope_.OpenBlock();
    ranges_ += is_loop ? 1 : 0;
    if (!ParseStatements(&branch->body)) return false;
    ranges_ -= is_loop ? 1 : 0;
    scope_.CloseBlock();

    if (cursor_.Is(TokenKind::kEnd)) {
      return cursor_.Fail(
          block->begin,
          absl::StrCat(InBraces(word), " is not closed: ", InBraces("end"), " is missing"));
    }
    if (cursor_.IsKeyword("end")) {
      cursor_.Advance();
      return ExpectClose("end");
    }
    if (!conditional) {
      return cursor_.Fail(cursor_.token().offset,
                          absl::StrCat("a second ", InBraces("else"), " of the same ", word));
    }
    cursor_.Advance();
    if (!ParseElse(block->kind, word, &conditional)) return false;
  }
}

bool TemplateParser::ParseElse(Statement::Kind kind, absl::string_view word, bool* else_if) {
  *else_if = kind == Statement::Kind::kIf && cursor_.IsKeyword("if");
  if (*else_if) {
    cursor_.Advance();
    return true;
  }
  if (cursor_.Is(TokenKind::kKeyword)) {
    return cursor_.Fail(cursor_.token().offset,
                        absl::StrCat("\"else ", cursor_.token().text, "\" is not part of a ", word,
                                     ": put a block of its own behind ", InBraces("else")));
  }
  return ExpectClose("else");
}

Statement* TemplateParser::ParseJump(Statement::Kind kind) {
  const Token keyword = cursor_.token();
  if (ranges_ == 0) {
    cursor_.Fail(keyword.offset, absl::StrCat(InBraces(keyword.text), " outside of a range"));
    return nullptr;
  }
  cursor_.Advance();
  if (!ExpectClose(keyword.text)) return nullptr;
  auto* jump = tree_.New<Statement>();
  jump->kind = kind;
  jump->begin = keyword.offset;
  return jump;
}

bool TemplateParser::ExpectClose(absl::string_view word) {
  if (!cursor_.Is(TokenKind::kClose)) {
    return cursor_.FailUnexpected(absl::StrCat("behind \"", word, "\""));
  }
  cursor_.Advance();
  return !cursor_.failed();
}

}  // namespace

std::optional<Failure> Parse(Tree* tree) { return TemplateParser(tree).Parse(); }

}  // namespace rally::go_template
