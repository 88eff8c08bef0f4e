#include "common/pipeline/graph_text.h"

#include "common/pipeline/parser.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

Pipeline Example() {
  ParseResult result = Parse(R"(
[[step]]
id = "fetch"
image = "git"
[[step]]
id = "lint"
image = "go"
[[step]]
id = "unit"
image = "go"
whenAll = ["fetch"]
[[step]]
id = "image"
image = "builder"
whenAll = ["unit", "lint"]
[[step]]
id = "docs"
image = "docs"
whenAll = ["-"]
)");
  EXPECT_TRUE(result.pipeline.has_value());
  return result.pipeline.value_or(Pipeline());
}

TEST(RenderGraphTest, Text) {
  EXPECT_EQ(RenderGraph(Example(), GraphFormat::kText),
            "5 steps in 3 layers\n"
            "\n"
            "layer 1\n"
            "  fetch   starts at once\n"
            "  docs    starts at once\n"
            "\n"
            "layer 2\n"
            "  lint    waits for fetch, the step before it\n"
            "  unit    waits for fetch\n"
            "\n"
            "layer 3\n"
            "  image   waits for lint, unit; sees the files of fetch too\n");
}

TEST(RenderGraphTest, Dot) {
  EXPECT_EQ(RenderGraph(Example(), GraphFormat::kDot),
            "digraph rally {\n"
            "  rankdir=LR;\n"
            "  node [shape=box];\n"
            "  \"root\" [shape=point];\n"
            "  \"fetch\";\n"
            "  \"lint\";\n"
            "  \"unit\";\n"
            "  \"image\";\n"
            "  \"docs\";\n"
            "  \"root\" -> \"fetch\";\n"
            "  \"root\" -> \"docs\";\n"
            "  \"fetch\" -> \"lint\";\n"
            "  \"fetch\" -> \"unit\";\n"
            "  \"lint\" -> \"image\";\n"
            "  \"unit\" -> \"image\";\n"
            "}\n");
}

TEST(RenderGraphTest, Json) {
  EXPECT_EQ(RenderGraph(Example(), GraphFormat::kJson),
            "{\n"
            "  \"order\": [\"fetch\", \"lint\", \"unit\", \"image\", \"docs\"],\n"
            "  \"edges\": [\n"
            "    [\"root\", \"fetch\"],\n"
            "    [\"root\", \"docs\"],\n"
            "    [\"fetch\", \"lint\"],\n"
            "    [\"fetch\", \"unit\"],\n"
            "    [\"lint\", \"image\"],\n"
            "    [\"unit\", \"image\"]\n"
            "  ]\n"
            "}\n");
}

TEST(RenderGraphTest, LongListsAreCounted) {
  Pipeline pipeline;
  Step join;
  join.id = "join";
  for (int i = 0; i < 20; ++i) {
    Step step;
    step.id = "s" + std::to_string(i);
    pipeline.steps.push_back(step);
    pipeline.order.push_back(i);
    join.dependencies.push_back(i);
  }
  pipeline.steps.push_back(join);
  pipeline.order.push_back(20);
  const std::string text = RenderGraph(pipeline, GraphFormat::kText);
  EXPECT_NE(text.find("waits for s0, s1, s2, s3, s4, s5, s6, s7 and 12 more\n"), std::string::npos)
      << text;
}

TEST(GraphDigestInputTest, DependsOnTheGraphOnly) {
  EXPECT_EQ(GraphDigestInput(Example()),
            "root fetch\n"
            "root docs\n"
            "fetch lint\n"
            "fetch unit\n"
            "lint image\n"
            "unit image\n");
}

}  // namespace
}  // namespace rally::pipeline
