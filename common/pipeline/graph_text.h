#ifndef RALLY_COMMON_PIPELINE_GRAPH_TEXT_H_
#define RALLY_COMMON_PIPELINE_GRAPH_TEXT_H_

#include <string>

#include "common/pipeline/model.h"

namespace rally::pipeline {

enum class GraphFormat {
  kText,  // For people: the steps in layers, what each waits for, on which condition, and whose
          // files it sees.
  kDot,   // For Graphviz; conditions are in the labels.
  kJson,  // {"order": [ids], "edges": [[from, to]]}; "root" is where steps start at once. With
          // "conditions": {id: {"exitedWith": [codes], "exitedWithout": [codes]}} if there are any.
};

// Draws the graph; ends in a newline. Equal pipelines give equal bytes.
std::string RenderGraph(const Pipeline& pipeline, GraphFormat format);

// The canonical list of edges, "FROM TO\n" each. Its SHA-256 is the graph's digest.
std::string GraphDigestInput(const Pipeline& pipeline);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_GRAPH_TEXT_H_
