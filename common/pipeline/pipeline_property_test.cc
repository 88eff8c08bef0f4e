// What holds for every pipeline, tried on thousands at random.
#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_lines.h"
#include "common/pipeline/graph_text.h"
#include "common/pipeline/parser.h"
#include "common/pipeline/pipeline_toml.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/random_pipeline.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

std::string QuotedList(const std::vector<std::string>& texts) {
  return absl::StrJoin(texts, ", ", [](std::string* out, const std::string& text) {
    absl::StrAppend(out, text.size(), Quote(text));
  });
}

std::string Codes(const std::optional<std::vector<int>>& codes) {
  return codes.has_value() ? absl::StrCat("{", absl::StrJoin(*codes, ","), "}") : "none";
}

// Each field that a writer decides about, one a line, to be compared and read.
std::string Written(const Step& step) {
  return absl::StrCat(
      "id ", step.id, "\n image ", step.image, "\n args ", QuotedList(step.args), "\n entryPoint ",
      Quote(step.entry_point), "\n workDir ", Quote(step.work_dir), "\n envs ",
      absl::StrJoin(step.envs, ", ",
                    [](std::string* out, const std::pair<std::string, std::string>& env) {
                      absl::StrAppend(out, env.first, "=", env.second.size(), Quote(env.second));
                    }),
      "\n secretEnvs ", QuotedList(step.secret_envs), "\n timeout ",
      absl::ToInt64Nanoseconds(step.timeout), "\n dependencies ",
      absl::StrJoin(step.dependencies, ","), step.implicit_dependency ? " implicit" : "",
      "\n exitedWith ", Codes(step.exited_with), "\n exitedWithout ", Codes(step.exited_without),
      "\n rerun ", static_cast<int>(step.rerun), "\n");
}

std::string Written(const Pipeline& pipeline) {
  std::string text =
      absl::StrCat(absl::ToInt64Nanoseconds(pipeline.step_timeout), " ",
                   absl::ToInt64Nanoseconds(pipeline.total_timeout), " ",
                   static_cast<int>(pipeline.conflict), "\npush ", QuotedList(pipeline.push), "\n");
  for (const Secret& secret : pipeline.secrets) {
    absl::StrAppend(&text, "secret ", secret.env, " ", secret.vault, " ", secret.name, " ",
                    secret.version, "\n");
  }
  for (const Step& step : pipeline.steps) absl::StrAppend(&text, Written(step));
  return text;
}

// What follows from it.
std::string Derived(const Pipeline& pipeline) {
  std::string text = absl::StrCat("order ", absl::StrJoin(pipeline.order, ","), "\n");
  for (const Step& step : pipeline.steps) {
    absl::StrAppend(&text, step.id, ": ", step.command.image, " ", Quote(step.command.entry_point),
                    " ", QuotedList(step.command.args), "\n");
    if (step.verb.has_value()) {
      absl::StrAppend(&text, " verb ", step.verb->name, " ", QuotedList(step.verb->args), "\n");
    }
  }
  return text;
}

// The order by its definition: again and again the earliest step whose dependencies are all out.
// Shorter than the number of steps when there is a cycle.
std::vector<int> OrderByDefinition(const Pipeline& pipeline) {
  std::vector<int> order;
  std::set<int> out;
  for (bool found = true; found;) {
    found = false;
    for (int i = 0; i < static_cast<int>(pipeline.steps.size()) && !found; ++i) {
      const std::vector<int>& dependencies = pipeline.steps[i].dependencies;
      found = out.count(i) == 0 &&
              std::all_of(dependencies.begin(), dependencies.end(),
                          [&out](int dependency) { return out.count(dependency) > 0; });
      if (!found) continue;
      order.push_back(i);
      out.insert(i);
    }
  }
  return order;
}

// The list of edges by its definition: root first, then by the file.
std::string EdgesByDefinition(const Pipeline& pipeline) {
  std::string text;
  const int count = static_cast<int>(pipeline.steps.size());
  for (int from = -1; from < count; ++from) {
    for (const Step& to : pipeline.steps) {
      const bool is_edge =
          from < 0 ? to.dependencies.empty()
                   : std::count(to.dependencies.begin(), to.dependencies.end(), from) == 1;
      if (is_edge) {
        absl::StrAppend(&text, from < 0 ? "root" : pipeline.steps[from].id, " ", to.id, "\n");
      }
    }
  }
  return text;
}

std::string Report(const ParseResult& result, const std::string& toml) {
  return absl::StrCat(absl::StrJoin(Lines(result), "\n"), "\n", toml);
}

constexpr int kRounds = 2000;

TEST(PipelinePropertyTest, EverySpellingIsReadAsItWasMeant) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    RandomPipeline random(seed);
    const Pipeline meant = random.Make(12);
    const std::string toml = random.Spell(meant);
    const ParseResult result = Parse(toml);
    ASSERT_TRUE(result.pipeline.has_value()) << Report(result, toml);
    ASSERT_EQ(Written(*result.pipeline), Written(meant)) << toml;
    for (const Step& step : result.pipeline->steps) {
      ASSERT_FALSE(step.command.image.empty());
      ASSERT_EQ(step.verb.has_value(), step.image.empty());
      if (!step.verb.has_value()) {
        ASSERT_EQ(step.command.args, step.args);
        ASSERT_EQ(step.command.entry_point, step.entry_point);
      } else {
        const std::vector<std::string> rest(step.args.begin() + 1, step.args.end());
        ASSERT_EQ(step.verb->name, step.args.front());
        ASSERT_EQ(step.verb->args, rest);
      }
    }
  }
}

TEST(PipelinePropertyTest, OrderAndEdgesAreThoseOfTheDefinitions) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    RandomPipeline random(seed);
    const Pipeline meant = random.Make(16);
    const std::string toml = random.Spell(meant);
    const ParseResult result = Parse(toml);
    ASSERT_TRUE(result.pipeline.has_value()) << Report(result, toml);
    ASSERT_EQ(result.pipeline->order, OrderByDefinition(meant)) << toml;
    ASSERT_EQ(GraphDigestInput(*result.pipeline), EdgesByDefinition(meant)) << toml;
  }
}

TEST(PipelinePropertyTest, EqualGraphsHaveEqualDigestsAndDifferentOnesDont) {
  int changed = 0;
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    RandomPipeline random(seed);
    const Pipeline meant = random.Make(10);
    const ParseResult one = Parse(random.Spell(meant));
    const ParseResult other = Parse(random.Spell(meant));
    ASSERT_TRUE(one.pipeline.has_value() && other.pipeline.has_value());
    const std::string digest_input = GraphDigestInput(*one.pipeline);
    ASSERT_EQ(digest_input, GraphDigestInput(*other.pipeline));
    for (const GraphFormat format : {GraphFormat::kText, GraphFormat::kDot, GraphFormat::kJson}) {
      ASSERT_EQ(RenderGraph(*one.pipeline, format), RenderGraph(*other.pipeline, format));
    }

    // One edge less.
    Pipeline changed_graph = meant;
    Step& step = changed_graph.steps[random.Below(static_cast<int>(meant.steps.size()))];
    if (step.dependencies.empty()) continue;
    ++changed;
    step.dependencies.erase(step.dependencies.begin() +
                            random.Below(static_cast<int>(step.dependencies.size())));
    step.implicit_dependency = false;
    const ParseResult less = Parse(random.Spell(changed_graph));
    ASSERT_TRUE(less.pipeline.has_value()) << Report(less, "");
    ASSERT_NE(GraphDigestInput(*less.pipeline), digest_input);
  }
  EXPECT_GT(changed, kRounds / 3);
}

TEST(PipelinePropertyTest, RenderedAndParsedAgainItIsTheSame) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    RandomPipeline random(seed);
    const Pipeline meant = random.Make(12);
    const ParseResult result = Parse(random.Spell(meant));
    ASSERT_TRUE(result.pipeline.has_value());
    const std::string toml = PipelineToml(*result.pipeline);
    const ParseResult again = Parse(toml);
    ASSERT_TRUE(again.pipeline.has_value()) << Report(again, toml);
    ASSERT_EQ(Written(*again.pipeline), Written(*result.pipeline)) << toml;
    ASSERT_EQ(Derived(*again.pipeline), Derived(*result.pipeline)) << toml;
    ASSERT_EQ(PipelineToml(*again.pipeline), toml);
  }
}

// The ids of "…in a cycle: a -> b -> a…".
std::vector<std::string> CycleOf(absl::string_view message) {
  const absl::string_view intro = "in a cycle: ";
  const size_t begin = message.find(intro);
  if (begin == absl::string_view::npos) return {};
  const absl::string_view rest = message.substr(begin + intro.size());
  return absl::StrSplit(rest.substr(0, rest.find(" (")), " -> ");
}

TEST(PipelinePropertyTest, CyclesAreFoundAndAreCycles) {
  int cyclic = 0;
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    RandomPipeline random(seed);
    Pipeline meant = random.Make(9);
    random.TangleUp(&meant);
    const std::string toml = random.Spell(meant);
    const ParseResult result = Parse(toml);
    const bool has_order = OrderByDefinition(meant).size() == meant.steps.size();
    ASSERT_EQ(result.pipeline.has_value(), has_order) << Report(result, toml);
    if (has_order) {
      ASSERT_EQ(result.pipeline->order, OrderByDefinition(meant)) << toml;
      continue;
    }
    ++cyclic;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      if (diagnostic.severity == Severity::kWarning) continue;
      const std::vector<std::string> names = CycleOf(diagnostic.message);
      ASSERT_GE(names.size(), 3u) << diagnostic.message;
      ASSERT_EQ(names.front(), names.back());
      std::vector<int> numbers;
      for (const std::string& name : names) {
        const auto found = std::find_if(meant.steps.begin(), meant.steps.end(),
                                        [&name](const Step& step) { return step.id == name; });
        ASSERT_NE(found, meant.steps.end()) << diagnostic.message;
        numbers.push_back(static_cast<int>(found - meant.steps.begin()));
      }
      ASSERT_EQ(*std::min_element(numbers.begin(), numbers.end()), numbers.front());
      for (size_t i = 0; i + 1 < numbers.size(); ++i) {
        const std::vector<int>& dependencies = meant.steps[numbers[i]].dependencies;
        ASSERT_EQ(std::count(dependencies.begin(), dependencies.end(), numbers[i + 1]), 1)
            << diagnostic.message << "\n"
            << toml;
      }
    }
  }
  EXPECT_GT(cyclic, kRounds / 5);
  EXPECT_LT(cyclic, kRounds * 4 / 5);
}

}  // namespace
}  // namespace rally::pipeline
