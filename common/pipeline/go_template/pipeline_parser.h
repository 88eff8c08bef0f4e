#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_PIPELINE_PARSER_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_PIPELINE_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/syntax.h"
#include "common/pipeline/go_template/token_cursor.h"
#include "common/pipeline/go_template/variable_scope.h"

namespace rally::go_template {

// Parses what stands within an action: variables, commands, operands. It finds functions and
// variables by their names, and says already what no evaluation could make good: an unknown name, a
// wrong number of arguments, arguments of what is no function.
//
// Ownership: all three must outlive it; nodes belong to the tree. Threads: not thread-safe.
// Errors: null, and the failure is in the cursor.
class PipelineParser {
 public:
  // Blocks and parentheses inside each other.
  static constexpr int kMaxDepth = 100;

  PipelineParser(TokenCursor* cursor, VariableScope* scope, Tree* tree)
      : cursor_(*cursor), scope_(*scope), tree_(*tree) {}

  // From the current token to the }} that ends the action, which is skipped. `after` names what the
  // pipeline belongs to: "{{" or a keyword. Only a range may have two variables.
  const Pipeline* ParseAction(absl::string_view after, bool is_range);

  // One block or parenthesis deeper. False, with a failure, when that is too deep.
  bool Enter(size_t offset);
  void Leave() { --depth_; }

 private:
  struct Variables;

  // Ends before the first token that belongs to no command.
  const Pipeline* ParsePipeline(absl::string_view after, bool is_range);
  bool ParseVariables(bool is_range, Variables* variables);
  bool ResolveVariables(const Variables& variables, Pipeline* pipeline);
  const Command* ParseCommand(absl::string_view after, bool piped);
  bool CheckArguments(const Operand& first, int arguments, bool piped);
  bool CheckCount(const Operand& call, int arguments);
  // Constants of a call that are ints though they are written as floats.
  void ConvertConstants(const Operand& call);
  Operand* ParseOperand();
  bool ParseConstant(Operand* operand);
  bool ParseName(Operand* operand);
  bool ParseVariable(Operand* operand);
  bool ParseParentheses(Operand* operand);
  bool ParseFields(bool allowed, Operand* operand);
  bool AddConstant(absl::StatusOr<Value> value, Operand* operand);

  TokenCursor& cursor_;
  VariableScope& scope_;
  Tree& tree_;
  int depth_ = 0;
  uint32_t parts_ = 0;  // Operands and fields so far.
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_PIPELINE_PARSER_H_
