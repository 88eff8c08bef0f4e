#include "common/pipeline/go_template/evaluator.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/known_fields.h"
#include "common/pipeline/go_template/value_text.h"

namespace rally::go_template {
namespace {

// What Budget::Charge takes for an operand or field, so that a long expression costs more steps.
constexpr size_t kBytesPerPart = 32;

std::string WithArticle(Value::Kind kind) {
  return absl::StrCat(kind == Value::Kind::kInt ? "an " : "a ", KindName(kind));
}

// Walks the tree once. Methods that return bool return false after a failure, which is in failure_.
class Evaluator {
 public:
  Evaluator(const Tree& tree, const Value& data, const KnownFields& known, Budget* budget,
            std::string* text)
      : tree_(tree),
        budget_(*budget),
        text_(*text),
        data_(data),
        known_(known),
        slots_(tree.slots) {
    slots_[0] = data;
  }

  std::optional<Failure> Run() {
    RunList(tree_.root, data_);
    return std::move(failure_);
  }

 private:
  // How a list of statements ended.
  enum class Flow { kNext, kBreak, kContinue, kFailed };
  using Values = absl::InlinedVector<Value, 4>;
  // What came through the | in front of a command, and the text that made it.
  struct Piped {
    Value value;
    uint32_t begin;
    uint32_t end;
  };

  Flow RunList(const Statement* statement, const Value& dot);
  Flow RunBlock(const Statement& block, const Value& dot);
  Flow RunRange(const Statement& range, const Value& dot);
  // One pass; `key` is the index or the map's key.
  Flow RunPass(const Branch& loop, Value key, const Value& element);
  bool Print(const Pipeline& pipeline, const Value& value);

  bool Evaluate(const Pipeline& pipeline, const Value& dot, Value* result);
  // `piped` is null in the first command of a pipeline.
  bool EvaluateCommand(const Command& command, const Value& dot, const Piped* piped, Value* result);
  bool EvaluateOperand(const Operand& operand, const Value& dot, Value* result);
  bool EvaluateLogic(const Operand& call, const Value& dot, const Piped* piped, Value* result);
  bool Call(const Operand& call, const Piped* piped, const Values& arguments, Value* result);
  bool SelectField(const Operand& operand, const Field& field, Value* value);

  bool Charge(size_t offset, size_t parts = 0);
  bool Fail(size_t offset, std::string message);

  const Tree& tree_;
  Budget& budget_;
  std::string& text_;
  const Value& data_;
  const KnownFields& known_;
  Values slots_;
  std::optional<Failure> failure_;
};

bool Evaluator::Fail(size_t offset, std::string message) {
  failure_ = Failure{offset, std::move(message)};
  return false;
}

bool Evaluator::Charge(size_t offset, size_t parts) {
  const absl::Status status = budget_.Charge(parts * kBytesPerPart);
  return status.ok() || Fail(offset, std::string(status.message()));
}

Evaluator::Flow Evaluator::RunList(const Statement* statement, const Value& dot) {
  for (; statement != nullptr; statement = statement->next) {
    switch (statement->kind) {
      case Statement::Kind::kText: {
        const absl::Status status = budget_.CheckGrowth(text_.size(), statement->text.size());
        if (!status.ok()) {
          Fail(statement->begin, std::string(status.message()));
          return Flow::kFailed;
        }
        text_.append(statement->text.data(), statement->text.size());
        break;
      }
      case Statement::Kind::kAction: {
        Value value;
        if (!Evaluate(*statement->pipeline, dot, &value)) return Flow::kFailed;
        if (statement->pipeline->variables == 0 && !Print(*statement->pipeline, value)) {
          return Flow::kFailed;
        }
        break;
      }
      case Statement::Kind::kIf:
      case Statement::Kind::kWith: {
        const Flow flow = RunBlock(*statement, dot);
        if (flow != Flow::kNext) return flow;
        break;
      }
      case Statement::Kind::kRange: {
        const Flow flow = RunRange(*statement, dot);
        if (flow != Flow::kNext) return flow;
        break;
      }
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
  }
  return Flow::kNext;
}

bool Evaluator::Print(const Pipeline& pipeline, const Value& value) {
  if (value.is_nil()) {
    return Fail(pipeline.begin,
                absl::StrCat(tree_.Excerpt(pipeline.begin, pipeline.end), " has no value"));
  }
  const absl::Status status = AppendText(value, &budget_, &text_);
  if (status.ok()) return true;
  if (!absl::IsInvalidArgument(status)) {
    return Fail(pipeline.begin, std::string(status.message()));
  }
  return Fail(pipeline.begin,
              absl::StrCat(tree_.Excerpt(pipeline.begin, pipeline.end), ": ", status.message()));
}

// if, with
Evaluator::Flow Evaluator::RunBlock(const Statement& block, const Value& dot) {
  for (const Branch* branch = block.branches; branch != nullptr; branch = branch->next) {
    if (branch->condition == nullptr) return RunList(branch->body, dot);
    Value condition;
    if (!Evaluate(*branch->condition, dot, &condition)) return Flow::kFailed;
    if (IsTrue(condition)) {
      return RunList(branch->body, block.kind == Statement::Kind::kWith ? condition : dot);
    }
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::RunRange(const Statement& range, const Value& dot) {
  const Branch& loop = *range.branches;
  const Pipeline& pipeline = *loop.condition;
  Value elements;
  if (!Evaluate(pipeline, dot, &elements)) return Flow::kFailed;

  if (elements.kind() == Value::Kind::kList && !elements.AsList().empty()) {
    int64_t index = 0;
    for (const Value& element : elements.AsList()) {
      const Flow flow = RunPass(loop, Value(index++), element);
      if (flow == Flow::kBreak) break;
      if (flow == Flow::kFailed) return flow;
    }
    return Flow::kNext;
  }
  if (elements.kind() == Value::Kind::kMap && !elements.AsMap().empty()) {
    for (const auto& [key, element] : elements.AsMap()) {
      const bool needs_key = pipeline.variables == Pipeline::kMaxVariables;
      const Flow flow = RunPass(loop, needs_key ? Value(key) : Value(), element);
      if (flow == Flow::kBreak) break;
      if (flow == Flow::kFailed) return flow;
    }
    return Flow::kNext;
  }
  const bool is_empty = elements.is_nil() || elements.kind() == Value::Kind::kList ||
                        elements.kind() == Value::Kind::kMap;
  if (!is_empty) {
    Fail(pipeline.begin, absl::StrCat("range needs a list or a map, and ",
                                      tree_.Excerpt(pipeline.begin, pipeline.end), " is ",
                                      WithArticle(elements.kind())));
    return Flow::kFailed;
  }
  if (loop.next == nullptr) return Flow::kNext;
  // Go's way: a break in the else ends this range, which has no passes, and a continue the pass of
  // the range around it.
  const Flow flow = RunList(loop.next->body, dot);
  return flow == Flow::kBreak ? Flow::kNext : flow;
}

Evaluator::Flow Evaluator::RunPass(const Branch& loop, Value key, const Value& element) {
  const Pipeline& pipeline = *loop.condition;
  if (!Charge(pipeline.begin)) return Flow::kFailed;
  if (pipeline.variables == 1) {
    slots_[pipeline.slots[0]] = element;
  } else if (pipeline.variables == 2) {
    slots_[pipeline.slots[0]] = std::move(key);
    slots_[pipeline.slots[1]] = element;
  }
  return RunList(loop.body, element);
}

bool Evaluator::Evaluate(const Pipeline& pipeline, const Value& dot, Value* result) {
  if (!Charge(pipeline.begin, pipeline.parts)) return false;
  Piped piped;
  for (const Command* command = pipeline.first; command != nullptr; command = command->next) {
    const bool is_first = command == pipeline.first;
    if (!EvaluateCommand(*command, dot, is_first ? nullptr : &piped, result)) return false;
    if (command->next != nullptr) piped = Piped{std::move(*result), pipeline.begin, command->end};
  }
  for (int i = 0; i < pipeline.variables; ++i) slots_[pipeline.slots[i]] = *result;
  return true;
}

bool Evaluator::EvaluateCommand(const Command& command, const Value& dot, const Piped* piped,
                                Value* result) {
  const Operand& first = *command.first;
  if (!first.IsCall()) return EvaluateOperand(first, dot, result);
  if (first.kind != Operand::Kind::kFunction) return EvaluateLogic(first, dot, piped, result);
  Values arguments;
  for (const Operand* operand = first.next; operand != nullptr; operand = operand->next) {
    if (!EvaluateOperand(*operand, dot, &arguments.emplace_back())) return false;
  }
  if (piped != nullptr) arguments.push_back(piped->value);
  return Call(first, piped, arguments, result);
}

// `and` gives the first false argument, `or` the first true one, or else the last; what stands
// behind isn't evaluated.
bool Evaluator::EvaluateLogic(const Operand& call, const Value& dot, const Piped* piped,
                              Value* result) {
  const bool wanted = call.kind == Operand::Kind::kOr;
  for (const Operand* operand = call.next; operand != nullptr; operand = operand->next) {
    if (!EvaluateOperand(*operand, dot, result)) return false;
    if (IsTrue(*result) == wanted) return true;
  }
  if (piped != nullptr) *result = piped->value;
  return true;
}

bool Evaluator::Call(const Operand& call, const Piped* piped, const Values& arguments,
                     Value* result) {
  if (!Charge(call.begin)) return false;
  absl::StatusOr<Value> value = call.function->call(arguments, &budget_);
  if (value.ok()) {
    *result = *std::move(value);
    return true;
  }
  const absl::Status& status = value.status();
  if (absl::IsResourceExhausted(status)) return Fail(call.begin, std::string(status.message()));

  std::string problem = absl::StrCat(call.function->name, ": ", status.message());
  // The function may know that a value is missing, but not what it is called.
  const Operand* operand = call.next;
  for (const Value& argument : arguments) {
    if (argument.is_nil()) {
      const uint32_t begin = operand != nullptr ? operand->begin : piped->begin;
      const uint32_t end = operand != nullptr ? operand->end : piped->end;
      const std::string missing = absl::StrCat(tree_.Excerpt(begin, end), " has no value");
      if (absl::IsNotFound(status)) {
        return Fail(begin, absl::StrCat(call.function->name, ": ", missing));
      }
      return Fail(call.begin, absl::StrCat(problem, "; ", missing));
    }
    if (operand != nullptr) operand = operand->next;
  }
  return Fail(call.begin, std::move(problem));
}

bool Evaluator::EvaluateOperand(const Operand& operand, const Value& dot, Value* result) {
  switch (operand.kind) {
    case Operand::Kind::kDot:
      *result = dot;
      break;
    case Operand::Kind::kVariable:
      *result = slots_[operand.index];
      break;
    case Operand::Kind::kConstant:
      *result = tree_.constants[operand.index];
      break;
    case Operand::Kind::kNil:
      *result = Value();
      break;
    case Operand::Kind::kFunction:
      if (!Call(operand, nullptr, {}, result)) return false;
      break;
    case Operand::Kind::kAnd:
    case Operand::Kind::kOr:
      // The parser asks for arguments, which only a command has.
      return Fail(operand.begin, "an argument is missing");
    case Operand::Kind::kPipeline:
      if (!Evaluate(*operand.pipeline, dot, result)) return false;
      break;
  }
  for (const Field* field = operand.fields; field != nullptr; field = field->next) {
    if (!SelectField(operand, *field, result)) return false;
  }
  return true;
}

// Replaces *value by its field.
bool Evaluator::SelectField(const Operand& operand, const Field& field, Value* value) {
  if (value->is_nil()) return true;
  const size_t offset = tree_.OffsetOf(field);
  if (value->kind() != Value::Kind::kMap) {
    const std::string owner =
        offset > operand.begin ? tree_.Excerpt(operand.begin, offset) : "the dot";
    return Fail(offset, absl::StrCat(owner, " is ", WithArticle(value->kind()),
                                     " and has no field \"", field.name, "\""));
  }
  const Value::Map& fields = value->AsMap();
  const auto found = fields.find(field.name);
  if (found != fields.end()) {
    // By way of a copy: *value may own the map that the field is in.
    Value selected = found->second;
    *value = std::move(selected);
    return true;
  }
  std::string problem = known_.Problem(fields, field.name);
  if (!problem.empty()) return Fail(offset, std::move(problem));
  *value = Value();
  return true;
}

}  // namespace

std::optional<Failure> Evaluate(const Tree& tree, const Value& data, Budget* budget,
                                std::string* text) {
  const KnownFields known(data);
  std::optional<Failure> unknown = known.Check(tree);
  return unknown.has_value() ? unknown : Evaluator(tree, data, known, budget, text).Run();
}

}  // namespace rally::go_template
