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

TEST(RenderGraphTest, Conditions) {
  const ParseResult result = Parse(R"(
[[step]]
id = "build"
image = "i"
[[step]]
id = "alarm"
image = "i"
exitedWith = [3, 1, 2, 9, 255, 8]
[[step]]
id = "calm"
image = "i"
whenAll = ["build"]
exitedWithout = [1, 0]
[[step]]
id = "both"
image = "i"
whenAll = ["build", "calm"]
exitedWith = [0]
exitedWithout = [7]
[[step]]
id = "alone"
image = "i"
whenAll = ["-"]
exitedWith = [1]
)");
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(RenderGraph(*result.pipeline, GraphFormat::kText),
            "5 steps in 3 layers\n"
            "\n"
            "layer 1\n"
            "  build   starts at once\n"
            "  alone   starts at once\n"
            "\n"
            "layer 2\n"
            "  alarm   waits for build, the step before it; runs if any exited with 1-3, 8, 9, "
            "255\n"
            "  calm    waits for build; runs if none exited with 0, 1\n"
            "\n"
            "layer 3\n"
            "  both    waits for build, calm; runs if any exited with 0 and none with 7\n");
  EXPECT_EQ(RenderGraph(*result.pipeline, GraphFormat::kDot),
            "digraph rally {\n"
            "  rankdir=LR;\n"
            "  node [shape=box];\n"
            "  \"root\" [shape=point];\n"
            "  \"build\";\n"
            "  \"alarm\" [label=\"alarm\\nif any exited with 1-3, 8, 9, 255\"];\n"
            "  \"calm\" [label=\"calm\\nif none exited with 0, 1\"];\n"
            "  \"both\" [label=\"both\\nif any exited with 0 and none with 7\"];\n"
            "  \"alone\";\n"
            "  \"root\" -> \"build\";\n"
            "  \"root\" -> \"alone\";\n"
            "  \"build\" -> \"alarm\";\n"
            "  \"build\" -> \"calm\";\n"
            "  \"build\" -> \"both\";\n"
            "  \"calm\" -> \"both\";\n"
            "}\n");
  EXPECT_EQ(RenderGraph(*result.pipeline, GraphFormat::kJson),
            "{\n"
            "  \"order\": [\"build\", \"alarm\", \"calm\", \"both\", \"alone\"],\n"
            "  \"edges\": [\n"
            "    [\"root\", \"build\"],\n"
            "    [\"root\", \"alone\"],\n"
            "    [\"build\", \"alarm\"],\n"
            "    [\"build\", \"calm\"],\n"
            "    [\"build\", \"both\"],\n"
            "    [\"calm\", \"both\"]\n"
            "  ],\n"
            "  \"conditions\": {\n"
            "    \"alarm\": {\"exitedWith\": [1, 2, 3, 8, 9, 255]},\n"
            "    \"calm\": {\"exitedWithout\": [0, 1]},\n"
            "    \"both\": {\"exitedWith\": [0], \"exitedWithout\": [7]}\n"
            "  }\n"
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
