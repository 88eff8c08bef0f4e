#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_SYNTAX_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_SYNTAX_H_

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/function.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// The syntax of a template: what the parser makes and the evaluator reads. Nodes live in their Tree
// and hold no memory of their own; lists are linked by `next`. Names are resolved: variables are
// slots, functions are pointers.
//
//   Statement  text, or {{ pipeline }}, or a block with branches
//   Pipeline   command | command | ...
//   Command    operand operand ...          a function with its arguments, or a lone operand
//   Operand    . $x "text" upper (pipeline), each with .fields behind it

struct Pipeline;

struct Field {
  absl::string_view name;  // Without the dot; points into the template.
  const Field* next = nullptr;
};

struct Operand {
  enum class Kind : uint8_t {
    kDot,
    kVariable,  // `index` is its slot
    kConstant,  // `index` is its place in Tree::constants
    kNil,
    kFunction,
    kAnd,
    kOr,
    kPipeline,  // in parentheses
  };
  Kind kind = Kind::kDot;
  uint32_t index = 0;
  uint32_t begin = 0;  // in the template, fields included
  uint32_t end = 0;
  const Function* function = nullptr;
  const Pipeline* pipeline = nullptr;
  const Field* fields = nullptr;
  const Operand* next = nullptr;

  // Takes the operands behind it in its command as arguments.
  bool IsCall() const {
    return fields == nullptr &&
           (kind == Kind::kFunction || kind == Kind::kAnd || kind == Kind::kOr);
  }
};

struct Command {
  uint32_t end = 0;
  const Operand* first = nullptr;
  const Command* next = nullptr;
};

struct Pipeline {
  static constexpr int kMaxVariables = 2;  // range $index, $element :=

  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t parts = 0;  // Operands and fields, nested ones too: what evaluating it once costs.
  uint32_t slots[kMaxVariables] = {};  // Of the variables that take its value.
  uint8_t variables = 0;
  const Command* first = nullptr;
};

struct Branch;

struct Statement {
  enum class Kind : uint8_t { kText, kAction, kIf, kWith, kRange, kBreak, kContinue };
  Kind kind = Kind::kText;
  uint32_t begin = 0;                  // Of the text, or of the keyword.
  absl::string_view text;              // kText
  const Pipeline* pipeline = nullptr;  // kAction
  const Branch* branches = nullptr;    // kIf, kWith, kRange; at least one
  const Statement* next = nullptr;
};

struct Branch {
  const Pipeline* condition = nullptr;  // Null for {{ else }}, which is the last.
  const Statement* body = nullptr;      // Null when empty.
  const Branch* next = nullptr;
};

// What is wrong, and where in the template.
struct Failure {
  size_t offset = 0;
  std::string message;
};

// Owns the nodes of one template. The text must outlive it.
//
// Threads: not thread-safe while it is built.
class Tree {
 public:
  explicit Tree(absl::string_view text) : text_(text), memory_(first_, sizeof(first_)) {}
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  template <typename Node>
  Node* New() {
    static_assert(std::is_trivially_destructible_v<Node>, "nobody destroys the nodes of a tree");
    bytes_ += sizeof(Node);
    return new (memory_.allocate(sizeof(Node), alignof(Node))) Node();
  }

  // Taken by nodes so far.
  size_t bytes() const { return bytes_; }

  absl::string_view text() const { return text_; }

  // Of the dot before its name.
  size_t OffsetOf(const Field& field) const { return field.name.data() - text_.data() - 1; }

  // The template between two offsets as one short line, to name an expression in a message.
  std::string Excerpt(size_t begin, size_t end) const;

  const Statement* root = nullptr;  // Null when there is nothing.
  std::vector<Value> constants;
  uint32_t slots = 1;  // Variables alive at once; slot 0 is $.

 private:
  absl::string_view text_;
  size_t bytes_ = 0;
  // Most templates are one or two actions: they fit in here, without an allocation.
  alignas(std::max_align_t) char first_[1024];
  std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_SYNTAX_H_
