#include "rallyctl/trees/tree_changes.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rallyctl/render/status_words.h"

namespace rally::rallyctl {
namespace {

using blob::DeltaEntry;

// What is on both sides comes as text, so that differences can be compared.
using OnSides = std::function<void(const DeltaEntry&, std::string before, std::string after)>;

// One side of a change, without its time: "" when nothing is there.
std::string ContentOf(const blob::NamedEntry& entry) {
  if (entry.file != nullptr) {
    return absl::StrCat("file ", blob::DigestOfNode(*entry.file).ToString(), " ",
                        blob::ModeOf(*entry.file));
  }
  if (entry.symlink != nullptr) return absl::StrCat("link ", entry.symlink->target());
  return entry.directory != nullptr ? "folder" : "";
}

class ChangeVisitor final : public blob::PathVisitor {
 public:
  explicit ChangeVisitor(const OnSides* on_sides) : on_sides_(on_sides) {}

  void Visit(const blob::NamedEntry& before, const blob::NamedEntry& after) override {
    (*on_sides_)(blob::MakeDeltaEntry(path(), before, after), ContentOf(before), ContentOf(after));
  }
  void VisitModes(uint32_t before, uint32_t after) override {
    // The root's own is all that "chmod 700 ." changes.
    (*on_sides_)(blob::MakeModeEntry(path().empty() ? "." : path(), before, after),
                 absl::StrCat("folder ", before), absl::StrCat("folder ", after));
  }

 private:
  const OnSides* const on_sides_;
};

absl::Status ForEachSides(blob::DirectoryReader& reader, const blob::Digest& before,
                          const blob::Digest& after, const OnSides& on_sides) {
  ChangeVisitor visitor(&on_sides);
  return blob::WalkDelta(reader, &before, &after, visitor);
}

std::string Ending(const v1::Step& step) {
  return absl::StrCat(Word(step.status()), step.has_exit_code() && step.exit_code() != 0
                                               ? absl::StrCat(" with exit code ", step.exit_code())
                                               : "");
}

}  // namespace

absl::Status ForEachChange(blob::DirectoryReader& reader, const blob::Digest& before,
                           const blob::Digest& after, const OnChange& on_change) {
  return ForEachSides(
      reader, before, after,
      [&](const DeltaEntry& entry, const std::string&, const std::string&) { on_change(entry); });
}

absl::Status ForEachContentChange(blob::DirectoryReader& reader, const blob::Digest& before,
                                  const blob::Digest& after, const OnChange& on_change) {
  return ForEachChange(reader, before, after, [&](const DeltaEntry& entry) {
    if (!entry.only_mtime) on_change(entry);
  });
}

absl::Status ForEachNewDifference(blob::DirectoryReader& reader, const StepTrees& first,
                                  const StepTrees& second, const OnChange& on_change) {
  absl::flat_hash_map<std::string, std::pair<std::string, std::string>> known;
  absl::Status status =
      ForEachSides(reader, first.input, second.input,
                   [&](const DeltaEntry& entry, std::string before, std::string after) {
                     if (!entry.only_mtime)
                       known[entry.path] = {std::move(before), std::move(after)};
                   });
  if (!status.ok()) return status;
  return ForEachSides(
      reader, first.output, second.output,
      [&](const DeltaEntry& entry, const std::string& before, const std::string& after) {
        if (entry.only_mtime) return;
        const auto found = known.find(entry.path);
        if (found != known.end() && found->second == std::make_pair(before, after)) return;
        on_change(entry);
      });
}

absl::StatusOr<Parting> FindParting(blob::DirectoryReader& reader, const v1::Build& first,
                                    const v1::Build& second) {
  auto order = StepOrder(first);
  if (!order.ok()) return order.status();
  for (const int i : *order) {
    const v1::Step& step = first.steps(i);
    const v1::Step* const other = FindStep(second, step.id());
    Parting parting;
    parting.step = step.id();
    if (other == nullptr) {
      parting.outcome = absl::StrCat("only build ", first.id(), " has it");
      return parting;
    }
    if (Ending(step) != Ending(*other)) {
      parting.outcome =
          absl::StrCat(Ending(step), " in ", first.id(), ", ", Ending(*other), " in ", second.id());
    }
    const auto trees = TreesOf(step);
    const auto other_trees = TreesOf(*other);
    if (trees.ok() && other_trees.ok()) {
      parting.has_trees = true;
      parting.first = *trees;
      parting.second = *other_trees;
      bool differs = !parting.outcome.empty();
      absl::Status status = ForEachNewDifference(reader, *trees, *other_trees,
                                                 [&differs](const DeltaEntry&) { differs = true; });
      if (!status.ok()) return status;
      if (!differs) continue;
    } else if (parting.outcome.empty()) {
      continue;
    }
    return parting;
  }
  for (const v1::Step& step : second.steps()) {
    if (FindStep(first, step.id()) != nullptr) continue;
    Parting parting;
    parting.step = step.id();
    parting.outcome = absl::StrCat("only build ", second.id(), " has it");
    return parting;
  }
  return Parting();
}

}  // namespace rally::rallyctl
