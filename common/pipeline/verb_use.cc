#include "common/pipeline/verb_use.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/image_reference.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"
#include "common/pipeline/verb_repairs.h"

namespace rally::pipeline {
namespace {

std::string NormalForm(const std::string& image) {
  if (IsOciPath(image)) return image;
  const absl::StatusOr<ImageReference> reference = ParseImageReference(image);
  return reference.ok() ? reference->ToString() : image;
}

Position PositionOfArgument(const CommandPositions& positions, size_t index) {
  return index < positions.args.size() ? positions.args[index] : positions.header;
}

void ReportNoImage(const VerbTable& verbs, const CommandPositions& positions, const Step& step,
                   DiagnosticList* diagnostics) {
  const std::vector<absl::string_view> known = verbs.Names();
  const std::string list = absl::StrCat(" (known: ", absl::StrJoin(known, ", "), ")");
  std::string message = absl::StrCat("step ", Quote(step.id), " has no image");
  if (step.args.empty()) {
    absl::StrAppend(&message, " and no args whose first could be a known verb", list);
    diagnostics->Error(positions.header, std::move(message));
    return;
  }
  absl::StrAppend(&message, " and ", Quote(step.args.front()), " is not a known verb", list);
  // No misspelling of a verb, but what people call one.
  const bool is_shell = step.args.front() == "bash" || step.args.front() == "shell";
  const absl::string_view near =
      is_shell && verbs.Find("sh") != nullptr ? "sh" : NearestWord(step.args.front(), known);
  if (!near.empty()) absl::StrAppend(&message, "; did you mean ", Quote(near), "?");
  diagnostics->Error(PositionOfArgument(positions, 0), std::move(message));
}

ContainerCommand CommandOf(const Verb& verb, const VerbUse& use) {
  ContainerCommand command;
  command.image = NormalForm(verb.image);
  if (!verb.prefix.empty()) {
    command.entry_point = verb.prefix.front();
    command.args.assign(verb.prefix.begin() + 1, verb.prefix.end());
  }
  if (verb.keep_verb) command.args.push_back(use.name);
  if (verb.join_rest) {
    command.args.push_back(absl::StrJoin(use.args, " "));
  } else {
    command.args.insert(command.args.end(), use.args.begin(), use.args.end());
  }
  return command;
}

}  // namespace

bool ResolveCommand(const VerbTable& verbs, const CommandPositions& positions, Step* step,
                    DiagnosticList* diagnostics) {
  step->verb.reset();
  step->command = ContainerCommand();
  if (!step->image.empty()) {
    step->command = {NormalForm(step->image), step->entry_point, step->args};
    return true;
  }
  const Verb* verb = step->args.empty() ? nullptr : verbs.Find(step->args.front());
  if (verb == nullptr) {
    ReportNoImage(verbs, positions, *step, diagnostics);
    return false;
  }
  VerbUse use;
  use.name = step->args.front();
  use.args.assign(step->args.begin() + 1, step->args.end());
  if (!step->entry_point.empty()) {
    // The verb lends its image only. What its arguments mean to another program isn't known, so
    // there is nothing to repair.
    step->command = {NormalForm(verb->image), step->entry_point, step->args};
  } else {
    std::vector<Position> rest_positions;
    if (positions.args.size() > 1) {
      rest_positions.assign(positions.args.begin() + 1, positions.args.end());
    }
    use.args = RepairArguments(use.name, std::move(use.args), PositionOfArgument(positions, 0),
                               rest_positions, diagnostics);
    step->command = CommandOf(*verb, use);
  }
  step->verb = std::move(use);
  return true;
}

}  // namespace rally::pipeline
