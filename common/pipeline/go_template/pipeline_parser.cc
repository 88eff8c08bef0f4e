#include "common/pipeline/go_template/pipeline_parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/constant.h"
#include "common/pipeline/go_template/unknown_name.h"

namespace rally::go_template {
namespace {

// Keeps the memory of a megabyte of braces in bounds.
constexpr size_t kMaxTreeBytes = size_t{16} << 20;
constexpr size_t kMaxVariables = 200;

bool BeginsOperand(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kField:
    case TokenKind::kDot:
    case TokenKind::kVariable:
    case TokenKind::kString:
    case TokenKind::kRawString:
    case TokenKind::kCharacter:
    case TokenKind::kNumber:
    case TokenKind::kBool:
    case TokenKind::kNil:
    case TokenKind::kLeftParenthesis:
      return true;
    default:
      return false;
  }
}

std::string Count(int arguments) {
  return absl::StrCat(arguments, arguments == 1 ? " argument" : " arguments");
}

std::string TakesArguments(int least, int most) {
  if (most == Function::kAnyNumber) return absl::StrCat("takes at least ", Count(least));
  if (least == most) return absl::StrCat("takes ", least == 0 ? "no arguments" : Count(least));
  return absl::StrCat("takes ", least, " to ", Count(most));
}

}  // namespace

// The part of a pipeline before := or =.
struct PipelineParser::Variables {
  int count = 0;
  bool assign = false;  // =
  Token names[Pipeline::kMaxVariables];
};

bool PipelineParser::Enter(size_t offset) {
  if (++depth_ <= kMaxDepth) return true;
  return cursor_.Fail(offset, absl::StrCat("blocks and parentheses nest deeper than ", kMaxDepth));
}

const Pipeline* PipelineParser::ParseAction(absl::string_view after, bool is_range) {
  const Pipeline* pipeline = ParsePipeline(after, is_range);
  if (pipeline == nullptr) return nullptr;
  if (!cursor_.Is(TokenKind::kClose)) {
    cursor_.FailUnexpected("in the action");
    return nullptr;
  }
  cursor_.Advance();
  return pipeline;
}

const Pipeline* PipelineParser::ParsePipeline(absl::string_view after, bool is_range) {
  auto* pipeline = tree_.New<Pipeline>();
  const uint32_t parts_before = parts_;
  Variables variables;
  if (!ParseVariables(is_range, &variables)) return nullptr;
  if (variables.count > 0) after = variables.assign ? "=" : ":=";

  pipeline->begin = cursor_.token().offset;
  const Command** link = &pipeline->first;
  for (bool piped = false;; piped = true) {
    const Command* command = ParseCommand(piped ? "|" : after, piped);
    if (command == nullptr) return nullptr;
    *link = command;
    link = const_cast<const Command**>(&command->next);
    pipeline->end = command->end;
    if (!cursor_.Is(TokenKind::kPipe)) break;
    cursor_.Advance();
  }
  pipeline->parts = parts_ - parts_before;

  // Only now: the names to the right of := mean what they meant before.
  if (!ResolveVariables(variables, pipeline)) return nullptr;
  return pipeline;
}

bool PipelineParser::ParseVariables(bool is_range, Variables* variables) {
  if (!cursor_.Is(TokenKind::kVariable)) return true;
  const TokenKind behind = cursor_.LookAhead().kind;
  if (behind != TokenKind::kDeclare && behind != TokenKind::kAssign &&
      behind != TokenKind::kComma) {
    return true;
  }
  while (true) {
    variables->names[variables->count++] = cursor_.token();
    cursor_.Advance();
    if (!cursor_.Is(TokenKind::kComma)) break;
    if (!is_range) {
      return cursor_.FailUnexpected("behind a variable: only range can set two");
    }
    if (variables->count == Pipeline::kMaxVariables) {
      return cursor_.FailUnexpected("behind a variable: range sets two at most");
    }
    cursor_.Advance();
    if (!cursor_.Is(TokenKind::kVariable)) {
      return cursor_.FailUnexpected("where range's second variable belongs");
    }
  }
  if (!cursor_.Is(TokenKind::kDeclare) && !cursor_.Is(TokenKind::kAssign)) {
    return cursor_.FailUnexpected("where \":=\" belongs");
  }
  variables->assign = cursor_.Is(TokenKind::kAssign);
  cursor_.Advance();
  return true;
}

bool PipelineParser::ResolveVariables(const Variables& variables, Pipeline* pipeline) {
  for (int i = 0; i < variables.count; ++i) {
    const Token& name = variables.names[i];
    if (variables.assign) {
      const std::optional<uint32_t> slot = scope_.Find(name.text);
      if (!slot.has_value()) {
        return cursor_.Fail(name.offset,
                            absl::StrCat(UndefinedVariable(name.text, scope_.names()),
                                         " (\"=\" changes a variable, \":=\" makes one)"));
      }
      pipeline->slots[i] = *slot;
    } else {
      pipeline->slots[i] = scope_.Declare(name.text);
      if (scope_.size() > kMaxVariables) {
        return cursor_.Fail(name.offset,
                            absl::StrCat("more than ", kMaxVariables, " variables at once"));
      }
      tree_.slots = std::max(tree_.slots, pipeline->slots[i] + 1);
    }
  }
  pipeline->variables = variables.count;
  return true;
}

const Command* PipelineParser::ParseCommand(absl::string_view after, bool piped) {
  if (!BeginsOperand(cursor_.token().kind)) {
    const TokenKind kind = cursor_.token().kind;
    const bool ends = kind == TokenKind::kPipe || kind == TokenKind::kClose ||
                      kind == TokenKind::kRightParenthesis;
    if (ends) {
      cursor_.Fail(cursor_.token().offset,
                   absl::StrCat("a value is missing after \"", after, "\""));
    } else {
      cursor_.FailUnexpected("where a value belongs");
    }
    return nullptr;
  }
  auto* command = tree_.New<Command>();
  Operand* first = ParseOperand();
  if (first == nullptr) return nullptr;
  command->first = first;
  int arguments = 0;
  Operand* last = first;
  while (cursor_.token().after_blank && BeginsOperand(cursor_.token().kind)) {
    Operand* argument = ParseOperand();
    if (argument == nullptr) return nullptr;
    // As an argument, a function's name is a call of its own without arguments.
    if (argument->IsCall() && !CheckCount(*argument, 0)) return nullptr;
    last->next = argument;
    last = argument;
    ++arguments;
  }
  if (BeginsOperand(cursor_.token().kind)) {
    cursor_.FailUnexpected("directly behind a value: a blank is missing");
    return nullptr;
  }
  command->end = last->end;
  if (!CheckArguments(*first, arguments, piped)) return nullptr;
  if (first->kind == Operand::Kind::kFunction) ConvertConstants(*first);
  return command;
}

bool PipelineParser::CheckArguments(const Operand& first, int arguments, bool piped) {
  if (first.IsCall()) return CheckCount(first, arguments + (piped ? 1 : 0));
  if (first.kind == Operand::Kind::kNil) {
    return cursor_.Fail(first.begin, "nil can only be an argument of a function");
  }
  if (!piped && arguments == 0) return true;
  const std::string excerpt = tree_.Excerpt(first.begin, first.end);
  if (piped) {
    return cursor_.Fail(first.begin,
                        absl::StrCat("\"|\" needs a function behind it, not ", excerpt));
  }
  return cursor_.Fail(first.begin,
                      absl::StrCat(excerpt, " is not a function and takes no arguments"));
}

bool PipelineParser::CheckCount(const Operand& call, int arguments) {
  const int least = call.function == nullptr ? 1 : call.function->min_arguments;
  const int most = call.function == nullptr ? Function::kAnyNumber : call.function->max_arguments;
  if (arguments >= least && (most == Function::kAnyNumber || arguments <= most)) return true;
  const absl::string_view name = call.function != nullptr           ? call.function->name
                                 : call.kind == Operand::Kind::kAnd ? "and"
                                                                    : "or";
  return cursor_.Fail(call.begin, absl::StrCat("\"", name, "\" ", TakesArguments(least, most),
                                               ", not ", arguments));
}

void PipelineParser::ConvertConstants(const Operand& call) {
  const Operand* argument = call.next;
  for (int i = 0; i < call.function->leading_ints && argument != nullptr; ++i) {
    if (argument->kind == Operand::Kind::kConstant) {
      Value& constant = tree_.constants[argument->index];
      constant = AsIntIfWhole(std::move(constant));
    }
    argument = argument->next;
  }
}

Operand* PipelineParser::ParseOperand() {
  const Token token = cursor_.token();
  if (tree_.bytes() > kMaxTreeBytes) {
    cursor_.Fail(token.offset, "the template is too long");
    return nullptr;
  }
  ++parts_;
  auto* operand = tree_.New<Operand>();
  operand->begin = token.offset;
  bool ok = true;
  bool fields_allowed = false;
  switch (token.kind) {
    case TokenKind::kIdentifier:
      ok = ParseName(operand);
      fields_allowed = true;
      break;
    case TokenKind::kVariable:
      ok = ParseVariable(operand);
      fields_allowed = true;
      break;
    case TokenKind::kLeftParenthesis:
      ok = ParseParentheses(operand);
      fields_allowed = true;
      break;
    case TokenKind::kField:
      // A field of the dot; the token is the first of its fields.
      fields_allowed = true;
      break;
    case TokenKind::kDot:
      cursor_.Advance();
      break;
    case TokenKind::kNil:
      operand->kind = Operand::Kind::kNil;
      cursor_.Advance();
      break;
    default:
      ok = ParseConstant(operand);
      break;
  }
  if (!ok || !ParseFields(fields_allowed, operand)) return nullptr;
  operand->end = cursor_.previous_end();
  return cursor_.failed() ? nullptr : operand;
}

bool PipelineParser::ParseName(Operand* operand) {
  const Token& token = cursor_.token();
  if (token.text == "and") {
    operand->kind = Operand::Kind::kAnd;
  } else if (token.text == "or") {
    operand->kind = Operand::Kind::kOr;
  } else {
    operand->kind = Operand::Kind::kFunction;
    operand->function = FindFunction(token.text);
    if (operand->function == nullptr) {
      return cursor_.Fail(token.offset, UnknownFunction(token.text));
    }
  }
  cursor_.Advance();
  // "name.field" is the field of what a call without arguments gives.
  const bool has_fields = cursor_.Is(TokenKind::kField) && !cursor_.token().after_blank;
  return !has_fields || CheckCount(*operand, 0);
}

bool PipelineParser::ParseVariable(Operand* operand) {
  const Token& token = cursor_.token();
  const std::optional<uint32_t> slot = scope_.Find(token.text);
  if (!slot.has_value()) {
    return cursor_.Fail(token.offset, UndefinedVariable(token.text, scope_.names()));
  }
  operand->kind = Operand::Kind::kVariable;
  operand->index = *slot;
  cursor_.Advance();
  return true;
}

bool PipelineParser::ParseParentheses(Operand* operand) {
  const size_t open = cursor_.token().offset;
  if (!Enter(open)) return false;
  cursor_.Advance();
  operand->kind = Operand::Kind::kPipeline;
  operand->pipeline = ParsePipeline("(", false);
  if (operand->pipeline == nullptr) return false;
  if (cursor_.Is(TokenKind::kClose)) {
    return cursor_.Fail(open, "the parenthesis is not closed: \")\" is missing");
  }
  if (!cursor_.Is(TokenKind::kRightParenthesis))
    return cursor_.FailUnexpected("in the parentheses");
  cursor_.Advance();
  Leave();
  return true;
}

bool PipelineParser::ParseFields(bool allowed, Operand* operand) {
  const Field** link = &operand->fields;
  while (cursor_.Is(TokenKind::kField) &&
         (!cursor_.token().after_blank || cursor_.token().offset == operand->begin)) {
    if (!allowed) return cursor_.FailUnexpected("directly behind a value that has no fields");
    auto* field = tree_.New<Field>();
    field->name = cursor_.token().text.substr(1);
    *link = field;
    link = &field->next;
    ++parts_;
    cursor_.Advance();
  }
  return true;
}

bool PipelineParser::ParseConstant(Operand* operand) {
  const Token& token = cursor_.token();
  switch (token.kind) {
    case TokenKind::kString:
      return AddConstant(ParseString(token.text), operand);
    case TokenKind::kRawString:
      return AddConstant(ParseRawString(token.text), operand);
    case TokenKind::kCharacter:
      return AddConstant(ParseCharacter(token.text), operand);
    case TokenKind::kNumber:
      return AddConstant(ParseNumber(token.text), operand);
    default:
      return AddConstant(Value(token.text == "true"), operand);
  }
}

bool PipelineParser::AddConstant(absl::StatusOr<Value> value, Operand* operand) {
  if (!value.ok()) {
    return cursor_.Fail(cursor_.token().offset, std::string(value.status().message()));
  }
  operand->kind = Operand::Kind::kConstant;
  operand->index = static_cast<uint32_t>(tree_.constants.size());
  tree_.constants.push_back(*std::move(value));
  cursor_.Advance();
  return true;
}

}  // namespace rally::go_template
