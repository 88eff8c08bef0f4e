#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory_reader.h"
#include "nlohmann/json.hpp"
#include "rallyctl/commands/command.h"
#include "rallyctl/trees/build_trees.h"
#include "rallyctl/trees/change_text.h"
#include "rallyctl/trees/tree_changes.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::string build_id;
  std::string other;  // a step, or a build; empty: the whole build
};

using Walk = std::function<absl::Status(const OnChange&)>;

// Prints changes as they are found: as lines, or as the elements of a JSON array.
class ChangePrinter {
 public:
  explicit ChangePrinter(const Invocation* invocation) : invocation_(*invocation) {}

  absl::StatusOr<ChangeCounts> Print(const Walk& walk) {
    Terminal& terminal = invocation_.terminal();
    ChangeCounts counts;
    absl::Status status = walk([&](const blob::DeltaEntry& change) {
      if (invocation_.json()) {
        terminal.Out(absl::StrCat(counts.total() == 0 ? "\n" : ",\n", "    ", ChangeJson(change)));
      } else {
        terminal.Out(ChangeText(change, terminal.out_colour()));
      }
      counts.Add(change);
      if (counts.total() % kFlushEvery == 0) terminal.Flush();
    });
    if (!status.ok()) return status;
    return counts;
  }

  // {FIELDS, "changes": [...], "added": N, ...}
  absl::StatusOr<ChangeCounts> PrintObject(const nlohmann::ordered_json& fields, const Walk& walk) {
    Terminal& terminal = invocation_.terminal();
    terminal.Out("{\n");
    for (const auto& [name, value] : fields.items()) {
      terminal.Out(absl::StrCat("  \"", name, "\": ", value.dump(), ",\n"));
    }
    terminal.Out("  \"changes\": [");
    auto counts = Print(walk);
    if (!counts.ok()) return counts;
    terminal.Out(absl::StrCat(
        counts->total() == 0 ? "" : "\n  ", "],\n  \"added\": ", counts->added,
        ",\n  \"changed\": ", counts->changed, ",\n  \"removed\": ", counts->removed, "\n}\n"));
    return counts;
  }

 private:
  static constexpr int64_t kFlushEvery = 1000;
  const Invocation& invocation_;
};

absl::StatusOr<v1::Build> GetBuild(Connection& connection, const std::string& id) {
  v1::GetBuildRequest request;
  request.set_build_id(id);
  v1::Build build;
  absl::Status status = connection.Call([&](grpc::ClientContext* context) {
    return connection.builds()->GetBuild(context, request, &build);
  });
  if (!status.ok()) return status;
  return build;
}

// What one build, or one step of it, did.
absl::StatusOr<ExitStatus> DiffOne(Invocation& invocation, blob::DirectoryReader& reader,
                                   const v1::Build& build, const v1::Step* step) {
  StepTrees trees;
  if (step != nullptr) {
    auto known = TreesOf(*step);
    if (!known.ok()) return known.status();
    trees = *std::move(known);
  } else {
    auto context = ContextOf(build);
    if (!context.ok()) return context.status();
    auto workspace = WorkspaceOf(build);
    if (!workspace.ok()) return workspace.status();
    trees = {*std::move(context), *std::move(workspace)};
  }
  const Walk walk = [&](const OnChange& on_change) {
    return ForEachChange(reader, trees.input, trees.output, on_change);
  };
  ChangePrinter printer(&invocation);
  if (invocation.json()) {
    nlohmann::ordered_json fields;
    fields["build"] = build.id();
    if (step != nullptr) fields["step"] = step->id();
    fields["input"] = trees.input.ToString();
    fields["output"] = trees.output.ToString();
    auto counts = printer.PrintObject(fields, walk);
    if (!counts.ok()) return counts.status();
    return ExitStatus::kSuccess;
  }
  auto counts = printer.Print(walk);
  if (!counts.ok()) return counts.status();
  invocation.Say(counts->total() == 0
                     ? absl::StrCat(step != nullptr ? absl::StrCat("step ", step->id())
                                                    : absl::StrCat("build ", build.id()),
                                    " changed nothing")
                     : CountsText(*counts));
  return ExitStatus::kSuccess;
}

// Where two builds parted.
absl::StatusOr<ExitStatus> DiffBuilds(Invocation& invocation, blob::DirectoryReader& reader,
                                      const v1::Build& first, const v1::Build& second) {
  auto context = ContextOf(first);
  if (!context.ok()) return context.status();
  auto other_context = ContextOf(second);
  if (!other_context.ok()) return other_context.status();
  auto parting = FindParting(reader, first, second);
  if (!parting.ok()) return parting.status();
  const Walk contexts = [&](const OnChange& on_change) {
    return ForEachContentChange(reader, *context, *other_context, on_change);
  };
  const Walk outputs = [&](const OnChange& on_change) {
    if (!parting->has_trees) return absl::OkStatus();
    return ForEachNewDifference(reader, parting->first, parting->second, on_change);
  };
  Terminal& terminal = invocation.terminal();
  ChangePrinter printer(&invocation);
  if (invocation.json()) {
    nlohmann::ordered_json fields;
    fields["builds"] = {first.id(), second.id()};
    bool context_differs = false;
    absl::Status status =
        contexts([&context_differs](const blob::DeltaEntry&) { context_differs = true; });
    if (!status.ok()) return status;
    fields["context_differs"] = context_differs;
    fields["step"] = nullptr;
    if (!parting->step.empty()) fields["step"] = parting->step;
    if (!parting->outcome.empty()) fields["outcome"] = parting->outcome;
    auto counts = printer.PrintObject(fields, outputs);
    if (!counts.ok()) return counts.status();
    return ExitStatus::kSuccess;
  }
  auto differences = printer.Print(contexts);
  if (!differences.ok()) return differences.status();
  if (differences->total() > 0) {
    invocation.Say(absl::StrCat("the contexts differ: ", CountsText(*differences)));
  }
  if (parting->step.empty()) {
    invocation.Say(differences->total() > 0 ? "no step made another difference"
                                            : "the builds don't differ");
    return ExitStatus::kSuccess;
  }
  terminal.Out(absl::StrCat("step ", parting->step, parting->outcome.empty() ? "" : ": ",
                            parting->outcome, "\n"));
  auto counts = printer.Print(outputs);
  if (!counts.ok()) return counts.status();
  invocation.Say(absl::StrCat(
      "step ", parting->step, " is the first that differs: ",
      counts->total() == 0 && !parting->outcome.empty() ? parting->outcome : CountsText(*counts)));
  return ExitStatus::kSuccess;
}

absl::StatusOr<ExitStatus> Diff(Invocation& invocation, const Flags& flags) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto opened = invocation.ConnectAndWait();
  if (!opened.ok()) return opened.status();
  Connection& connection = **opened;
  auto build = GetBuild(connection, flags.build_id);
  if (!build.ok()) return build.status();
  blob::CasClient store(connection.channel(), connection.StoreOptions());
  blob::CachingDirectoryReader reader(&store);
  const v1::Step* const step = FindStep(*build, flags.other);
  if (step != nullptr || flags.other.empty()) return DiffOne(invocation, reader, *build, step);
  auto other = GetBuild(connection, flags.other);
  if (absl::IsNotFound(other.status())) {
    return absl::NotFoundError(absl::StrCat("build ", build->id(), " has no step \"", flags.other,
                                            "\", and there is no such build"));
  }
  if (!other.ok()) return other.status();
  return DiffBuilds(invocation, reader, *build, *other);
}

}  // namespace

void AddDiff(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("diff", "What a build or step changed, or where two builds parted");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("STEP_OR_BUILD", flags->other,
                      "A step: what it added, changed and removed. Another build: the first step "
                      "whose output differs (all that BUILD changed)");
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Diff(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
