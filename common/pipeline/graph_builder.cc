#include "common/pipeline/graph_builder.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/dag.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kAtOnce = "-";
// Of a cycle with more steps than this, the middle is left out of the message.
constexpr size_t kMaxNamesShown = 12;

// Whether the step has a name that isn't known: its template can't be rendered.
bool HasUnknownName(const DraftStep& draft) {
  return draft.keys.WasRefused(Key::kId) && draft.keys.FindPartly(Key::kId) != nullptr;
}

// Resolves the edges of one pipeline.
//
// Ownership: refers to the index, the drafts and the diagnostics. Threads: not thread-safe.
class EdgeResolver {
 public:
  EdgeResolver(const StepIndex& index, const std::vector<DraftStep>& drafts,
               DiagnosticList* diagnostics)
      : index_(index),
        drafts_(drafts),
        diagnostics_(*diagnostics),
        named_by_(drafts.size(), kNobody),
        names_are_known_(absl::c_none_of(drafts, HasUnknownName)) {}

  // What the step waits for, ascending.
  std::vector<int> Resolve(int number) {
    const DraftStep& draft = drafts_[number];
    if (!draft.has_valid_id) return {};
    const TomlValue* when_all = draft.keys.FindPartly(Key::kWhenAll);
    if (when_all == nullptr && draft.keys.WasRefused(Key::kWhenAll)) return {};
    const absl::Span<const TomlValue> entries =
        when_all == nullptr ? absl::Span<const TomlValue>() : when_all->elements();
    if (entries.empty()) {
      if (when_all != nullptr) {
        diagnostics_.Warning(when_all->position,
                             "whenAll = [] is the same as no whenAll: the step waits for the one "
                             "before it; write [\"-\"] to start at once");
      }
      if (number == 0) return {};
      draft.step->implicit_dependency = true;
      return {number - 1};
    }
    if (entries.size() == 1 && entries.front().string() == kAtOnce) return {};
    return ResolveEntries(number, entries);
  }

 private:
  static constexpr int kNobody = -1;

  std::vector<int> ResolveEntries(int number, absl::Span<const TomlValue> entries) {
    const std::string& id = drafts_[number].step->id;
    std::vector<int> dependencies;
    dependencies.reserve(entries.size());
    bool mixed = false;
    // An unknown step that is named twice is one mistake as well; as is one that is named thrice.
    absl::flat_hash_set<absl::string_view> unknown;
    absl::flat_hash_set<absl::string_view> repeated;
    for (const TomlValue& entry : entries) {
      if (IsRefused(entry)) continue;
      if (entry.string() == kAtOnce) {
        if (!mixed) {
          diagnostics_.Error(entry.position, absl::StrCat("whenAll of step ", Quote(id),
                                                          " mixes \"-\" with other entries"));
        }
        mixed = true;
        continue;
      }
      const auto found = index_.find(entry.string());
      const bool first = found == index_.end()
                             ? unknown.insert(entry.string()).second
                             : std::exchange(named_by_[found->second], number) != number;
      if (!first) {
        if (repeated.insert(entry.string()).second) {
          diagnostics_.Error(entry.position, absl::StrCat("step ", Quote(id), " waits for ",
                                                          Quote(entry.string()), " twice"));
        }
      } else if (found == index_.end()) {
        ReportUnknown(id, entry);
      } else if (found->second == number) {
        diagnostics_.Error(entry.position, absl::StrCat("step ", Quote(id), " waits for itself"));
      } else {
        dependencies.push_back(found->second);
      }
    }
    absl::c_sort(dependencies);
    return dependencies;
  }

  void ReportUnknown(absl::string_view id, const TomlValue& entry) {
    if (!names_are_known_) return;
    std::string message = absl::StrCat("step ", Quote(id), " waits for ", Quote(entry.string()),
                                       ", which is not a step");
    // Each search looks at all ids; nobody reads more of them than are shown.
    if (++unknown_count_ <= DiagnosticList::kMaxShown) {
      const absl::string_view nearest =
          entry.string() == "root" ? kAtOnce : NearestWord(entry.string(), IdsOfOthers(id));
      if (!nearest.empty()) absl::StrAppend(&message, "; did you mean ", Quote(nearest), "?");
    }
    diagnostics_.Error(entry.position, message);
  }

  // A step can't wait for itself, however much its name looks like what was meant.
  std::vector<absl::string_view> IdsOfOthers(absl::string_view id) const {
    std::vector<absl::string_view> ids;
    for (const DraftStep& draft : drafts_) {
      if (draft.has_valid_id && draft.step->id != id) ids.push_back(draft.step->id);
    }
    return ids;
  }

  const StepIndex& index_;
  const std::vector<DraftStep>& drafts_;
  DiagnosticList& diagnostics_;
  // Of each step, the last one whose whenAll named it.
  std::vector<int> named_by_;
  const bool names_are_known_;
  int unknown_count_ = 0;
};

std::string JoinShortened(const std::vector<absl::string_view>& names,
                          absl::string_view separator) {
  if (names.size() <= kMaxNamesShown) return absl::StrJoin(names, separator);
  const size_t head = kMaxNamesShown - 3;
  const std::vector<absl::string_view> first(names.begin(), names.begin() + head);
  const std::vector<absl::string_view> last(names.end() - 2, names.end());
  return absl::StrCat(absl::StrJoin(first, separator), separator, "(", names.size() - head - 2,
                      " more)", separator, absl::StrJoin(last, separator));
}

// Where the step says that it waits for `dependency`; for an implicit edge, its header.
Position PositionOfEdge(const DraftStep& draft, absl::string_view dependency) {
  const TomlValue* when_all = draft.keys.FindPartly(Key::kWhenAll);
  if (when_all == nullptr) return draft.header;
  for (const TomlValue& entry : when_all->elements()) {
    if (entry.string() == dependency) return entry.position;
  }
  return when_all->position;
}

void ReportCycle(const std::vector<DraftStep>& drafts, const std::vector<int>& cycle,
                 DiagnosticList* diagnostics) {
  std::vector<absl::string_view> names;
  std::vector<absl::string_view> implicit;
  for (const int number : cycle) {
    const Step& step = *drafts[number].step;
    names.push_back(step.id);
    if (step.implicit_dependency) implicit.push_back(step.id);
  }
  names.push_back(names.front());
  std::string message =
      absl::StrCat("steps wait for each other in a cycle: ", JoinShortened(names, " -> "));
  if (!implicit.empty()) {
    absl::StrAppend(&message, " (without whenAll, so waiting for the step before: ",
                    JoinShortened(implicit, ", "), ")");
  }
  diagnostics->Error(PositionOfEdge(drafts[cycle.front()], names[1]), message);
}

}  // namespace

StepIndex IndexSteps(std::vector<DraftStep>* drafts, DiagnosticList* diagnostics) {
  StepIndex index;
  index.reserve(drafts->size());
  for (size_t number = 0; number < drafts->size(); ++number) {
    DraftStep& draft = (*drafts)[number];
    if (draft.id_position.line == 0) continue;
    const auto [found, inserted] = index.emplace(draft.step->id, static_cast<int>(number));
    if (inserted || !draft.has_valid_id) continue;
    draft.has_valid_id = false;
    diagnostics->Error(
        draft.id_position,
        absl::StrCat("id ", Quote(draft.step->id), " is already used at line ",
                     (*drafts)[static_cast<size_t>(found->second)].id_position.line));
  }
  // "root" may not be waited for, even where somebody tried to name a step so.
  index.erase("root");
  return index;
}

std::vector<int> BuildGraph(const StepIndex& index, std::vector<DraftStep>* drafts,
                            DiagnosticList* diagnostics) {
  const int errors_before = diagnostics->error_count();
  EdgeResolver resolver(index, *drafts, diagnostics);
  std::vector<std::vector<int>> dependencies;
  dependencies.reserve(drafts->size());
  for (size_t number = 0; number < drafts->size(); ++number) {
    dependencies.push_back(resolver.Resolve(static_cast<int>(number)));
  }
  absl::StatusOr<std::vector<int>> order = TopologicalOrder(dependencies);
  if (!order.ok()) {
    for (const std::vector<int>& cycle : FindCycles(dependencies)) {
      ReportCycle(*drafts, cycle, diagnostics);
    }
  }
  for (size_t number = 0; number < drafts->size(); ++number) {
    (*drafts)[number].step->dependencies = std::move(dependencies[number]);
  }
  if (diagnostics->error_count() > errors_before) return {};
  return *std::move(order);
}

}  // namespace rally::pipeline
