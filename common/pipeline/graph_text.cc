#include "common/pipeline/graph_text.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/dag.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kRootName = "root";
// Names in one list of the text form; more are counted.
constexpr size_t kMaxNamesShown = 8;
// What each step sees costs a pass over the graph for each; nobody reads it for more steps.
constexpr size_t kMaxStepsWithSeen = 1000;

std::vector<std::vector<int>> DependenciesOf(const Pipeline& pipeline) {
  std::vector<std::vector<int>> dependencies;
  dependencies.reserve(pipeline.steps.size());
  for (const Step& step : pipeline.steps) dependencies.push_back(step.dependencies);
  return dependencies;
}

// The nodes by their longest way from the root; each layer in the order of the file.
std::vector<std::vector<int>> Layers(const Pipeline& pipeline) {
  std::vector<size_t> layer_of(pipeline.steps.size(), 0);
  std::vector<std::vector<int>> layers;
  for (const int number : pipeline.order) {
    for (const int dependency : pipeline.steps[number].dependencies) {
      layer_of[number] = std::max(layer_of[number], layer_of[dependency] + 1);
    }
    if (layer_of[number] >= layers.size()) layers.resize(layer_of[number] + 1);
    layers[layer_of[number]].push_back(number);
  }
  for (std::vector<int>& layer : layers) std::sort(layer.begin(), layer.end());
  return layers;
}

std::string Names(const Pipeline& pipeline, const std::vector<int>& numbers) {
  std::vector<absl::string_view> names;
  for (const int number : numbers) {
    if (names.size() == kMaxNamesShown) break;
    names.push_back(pipeline.steps[number].id);
  }
  std::string text = absl::StrJoin(names, ", ");
  if (numbers.size() > names.size()) {
    absl::StrAppend(&text, " and ", numbers.size() - names.size(), " more");
  }
  return text;
}

// "1-3, 7", ascending.
std::string Codes(const std::vector<int>& codes) {
  std::vector<std::string> ranges;
  for (size_t first = 0; first < codes.size();) {
    size_t last = first;
    while (last + 1 < codes.size() && codes[last + 1] == codes[last] + 1) ++last;
    // Two in a row read better as two.
    if (last == first + 1) last = first;
    ranges.push_back(last == first ? absl::StrCat(codes[first])
                                   : absl::StrCat(codes[first], "-", codes[last]));
    first = last + 1;
  }
  return absl::StrJoin(ranges, ", ");
}

// "if any exited with 1-3 and none with 7"; "" without a condition that is looked at.
std::string Condition(const Step& step) {
  if (step.dependencies.empty()) return "";
  std::string text;
  if (step.exited_with.has_value()) {
    text = absl::StrCat("if any exited with ", Codes(*step.exited_with));
  }
  if (step.exited_without.has_value()) {
    absl::StrAppend(&text, text.empty() ? "if none exited with " : " and none with ",
                    Codes(*step.exited_without));
  }
  return text;
}

std::string Counted(size_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

// For example:
//   5 steps in 3 layers
//
//   layer 1
//     fetch   starts at once
//   layer 2
//     lint    waits for fetch
//     unit    waits for fetch
//   layer 3
//     image   waits for lint, unit; sees the files of fetch too
//     alarm   waits for unit; runs if any exited with 1-3; sees the files of fetch too
std::string RenderText(const Pipeline& pipeline) {
  const std::vector<std::vector<int>> layers = Layers(pipeline);
  size_t width = 0;
  for (const Step& step : pipeline.steps) width = std::max(width, step.id.size());
  const Ancestry ancestry(DependenciesOf(pipeline), pipeline.order);

  std::string text = absl::StrCat(Counted(pipeline.steps.size(), "step"), " in ",
                                  Counted(layers.size(), "layer"), "\n");
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    absl::StrAppend(&text, "\nlayer ", layer + 1, "\n");
    for (const int number : layers[layer]) {
      const Step& step = pipeline.steps[number];
      absl::StrAppend(&text, "  ", step.id, std::string(width - step.id.size() + 3, ' '));
      if (step.dependencies.empty()) {
        absl::StrAppend(&text, "starts at once\n");
        continue;
      }
      absl::StrAppend(&text, "waits for ", Names(pipeline, step.dependencies));
      if (step.implicit_dependency) absl::StrAppend(&text, ", the step before it");
      const std::string condition = Condition(step);
      if (!condition.empty()) absl::StrAppend(&text, "; runs ", condition);
      if (pipeline.steps.size() <= kMaxStepsWithSeen) {
        std::vector<int> seen = ancestry.AncestorsOf(number);
        seen.erase(std::remove_if(seen.begin(), seen.end(),
                                  [&step](int ancestor) {
                                    return std::binary_search(step.dependencies.begin(),
                                                              step.dependencies.end(), ancestor);
                                  }),
                   seen.end());
        if (!seen.empty()) {
          absl::StrAppend(&text, "; sees the files of ", Names(pipeline, seen), " too");
        }
      }
      absl::StrAppend(&text, "\n");
    }
  }
  return text;
}

std::string NodeName(const Pipeline& pipeline, int number) {
  return Quote(number == Edge::kRoot ? kRootName : absl::string_view(pipeline.steps[number].id));
}

std::string RenderDot(const Pipeline& pipeline) {
  std::string text =
      "digraph rally {\n"
      "  rankdir=LR;\n"
      "  node [shape=box];\n"
      "  \"root\" [shape=point];\n";
  for (const int number : pipeline.order) {
    const Step& step = pipeline.steps[number];
    const std::string condition = Condition(step);
    absl::StrAppend(&text, "  ", NodeName(pipeline, number));
    if (!condition.empty()) {
      absl::StrAppend(&text, " [label=\"", step.id, "\\n", condition, "\"]");
    }
    absl::StrAppend(&text, ";\n");
  }
  for (const Edge& edge : CanonicalEdges(DependenciesOf(pipeline))) {
    absl::StrAppend(&text, "  ", NodeName(pipeline, edge.from), " -> ", NodeName(pipeline, edge.to),
                    ";\n");
  }
  return absl::StrCat(text, "}\n");
}

std::string CodesJson(absl::string_view key, const std::vector<int>& codes) {
  return absl::StrCat("\"", key, "\": [", absl::StrJoin(codes, ", "), "]");
}

// Ids hold nothing that JSON would have to escape.
std::string RenderJson(const Pipeline& pipeline) {
  std::vector<std::string> order;
  std::vector<std::string> conditions;
  for (const int number : pipeline.order) {
    const Step& step = pipeline.steps[number];
    order.push_back(NodeName(pipeline, number));
    std::vector<std::string> codes;
    if (step.exited_with.has_value()) codes.push_back(CodesJson("exitedWith", *step.exited_with));
    if (step.exited_without.has_value()) {
      codes.push_back(CodesJson("exitedWithout", *step.exited_without));
    }
    if (codes.empty() || step.dependencies.empty()) continue;
    conditions.push_back(
        absl::StrCat("    ", order.back(), ": {", absl::StrJoin(codes, ", "), "}"));
  }
  std::vector<std::string> edges;
  for (const Edge& edge : CanonicalEdges(DependenciesOf(pipeline))) {
    edges.push_back(absl::StrCat("    [", NodeName(pipeline, edge.from), ", ",
                                 NodeName(pipeline, edge.to), "]"));
  }
  std::string text = absl::StrCat("{\n  \"order\": [", absl::StrJoin(order, ", "),
                                  "],\n  \"edges\": [\n", absl::StrJoin(edges, ",\n"), "\n  ]");
  if (!conditions.empty()) {
    absl::StrAppend(&text, ",\n  \"conditions\": {\n", absl::StrJoin(conditions, ",\n"), "\n  }");
  }
  return absl::StrCat(text, "\n}\n");
}

}  // namespace

std::string RenderGraph(const Pipeline& pipeline, GraphFormat format) {
  switch (format) {
    case GraphFormat::kText:
      return RenderText(pipeline);
    case GraphFormat::kDot:
      return RenderDot(pipeline);
    case GraphFormat::kJson:
      return RenderJson(pipeline);
  }
  return "";
}

std::string GraphDigestInput(const Pipeline& pipeline) {
  return EdgeListText(CanonicalEdges(DependenciesOf(pipeline)), [&pipeline](int number) {
    return absl::string_view(pipeline.steps[number].id);
  });
}

}  // namespace rally::pipeline
