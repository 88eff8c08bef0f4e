#include "common/pipeline/go_template/known_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/unknown_name.h"

namespace rally::go_template {
namespace {

constexpr absl::string_view kBuildKey = "Build";

const Value::Map* MapUnder(const Value::Map& map, absl::string_view key) {
  const auto found = map.find(key);
  if (found == map.end() || found->second.kind() != Value::Kind::kMap) return nullptr;
  return &found->second.AsMap();
}

// Walks a tree in the order of its text. Methods return false at the first mistake.
class FieldCheck {
 public:
  FieldCheck(const Tree& tree, const KnownFields& known, const Value::Map& root)
      : tree_(tree), known_(known), root_(root) {}

  std::optional<Failure> Run() {
    CheckList(tree_.root, true);
    return std::move(failure_);
  }

 private:
  bool CheckList(const Statement* statement, bool dot_is_root) {
    for (; statement != nullptr; statement = statement->next) {
      if (statement->pipeline != nullptr && !CheckPipeline(*statement->pipeline, dot_is_root)) {
        return false;
      }
      const bool keeps_dot = statement->kind == Statement::Kind::kIf;
      for (const Branch* branch = statement->branches; branch != nullptr; branch = branch->next) {
        const bool is_else = branch->condition == nullptr;
        if (!is_else && !CheckPipeline(*branch->condition, dot_is_root)) return false;
        if (!CheckList(branch->body, dot_is_root && (keeps_dot || is_else))) return false;
      }
    }
    return true;
  }

  bool CheckPipeline(const Pipeline& pipeline, bool dot_is_root) {
    for (const Command* command = pipeline.first; command != nullptr; command = command->next) {
      for (const Operand* operand = command->first; operand != nullptr; operand = operand->next) {
        if (!CheckOperand(*operand, dot_is_root)) return false;
      }
      if (!CheckIndex(*command->first, dot_is_root)) return false;
    }
    for (int i = 0; i < pipeline.variables; ++i) {
      if (pipeline.slots[i] == 0) dollar_is_root_ = false;
    }
    return true;
  }

  bool CheckOperand(const Operand& operand, bool dot_is_root) {
    if (operand.kind == Operand::Kind::kPipeline) {
      return CheckPipeline(*operand.pipeline, dot_is_root);
    }
    const Value::Map* map = MapBeforeFields(operand, dot_is_root);
    for (const Field* field = operand.fields; field != nullptr && map != nullptr;
         field = field->next) {
      if (!CheckName(*map, field->name, tree_.OffsetOf(*field))) return false;
      map = MapUnder(*map, field->name);
    }
    return true;
  }

  // index .Build "ID", where the names are constants.
  bool CheckIndex(const Operand& call, bool dot_is_root) {
    const bool is_index = call.IsCall() && call.function != nullptr &&
                          call.function->name == "index" && call.next != nullptr;
    if (!is_index) return true;
    const Value::Map* map = MapBeforeFields(*call.next, dot_is_root);
    for (const Field* field = call.next->fields; field != nullptr && map != nullptr;
         field = field->next) {
      map = MapUnder(*map, field->name);
    }
    for (const Operand* name = call.next->next; name != nullptr && map != nullptr;
         name = name->next) {
      if (name->kind != Operand::Kind::kConstant) return true;
      const Value& constant = tree_.constants[name->index];
      if (!constant.is_string()) return true;
      if (!CheckName(*map, constant.AsString(), name->begin)) return false;
      map = MapUnder(*map, constant.AsString());
    }
    return true;
  }

  // What the operand is, but for its fields, if that is known to be the data.
  const Value::Map* MapBeforeFields(const Operand& operand, bool dot_is_root) const {
    const bool of_dot = operand.kind == Operand::Kind::kDot && dot_is_root;
    const bool of_dollar =
        operand.kind == Operand::Kind::kVariable && operand.index == 0 && dollar_is_root_;
    return of_dot || of_dollar ? &root_ : nullptr;
  }

  bool CheckName(const Value::Map& map, absl::string_view name, size_t offset) {
    if (map.find(name) != map.end()) return true;
    std::string problem = known_.Problem(map, name);
    if (problem.empty()) return true;
    failure_ = Failure{offset, std::move(problem)};
    return false;
  }

  const Tree& tree_;
  const KnownFields& known_;
  const Value::Map& root_;
  bool dollar_is_root_ = true;  // Nothing else was assigned to it.
  std::optional<Failure> failure_;
};

}  // namespace

KnownFields::KnownFields(const Value& data) {
  if (data.kind() != Value::Kind::kMap) return;
  root_ = &data.AsMap();
  build_ = MapUnder(*root_, kBuildKey);
}

std::string KnownFields::Problem(const Value::Map& map, absl::string_view name) const {
  if (&map == root_) return UnknownField("", name, map);
  if (&map == build_) return UnknownField(absl::StrCat(".", kBuildKey), name, map);
  return "";
}

std::optional<Failure> KnownFields::Check(const Tree& tree) const {
  if (root_ == nullptr) return std::nullopt;
  return FieldCheck(tree, *this, *root_).Run();
}

}  // namespace rally::go_template
