#include "common/pipeline/pipeline_json.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/pipeline/dag.h"
#include "common/pipeline/image_reference.h"
#include "nlohmann/json.hpp"

namespace rally::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int kIndent = 2;
constexpr absl::string_view kWorkspace = "/workspace";

// Where the step starts, in its container.
std::string AbsoluteWorkDir(absl::string_view work_dir) {
  if (work_dir.empty()) return std::string(kWorkspace);
  return absl::StartsWith(work_dir, "/") ? std::string(work_dir)
                                         : absl::StrCat(kWorkspace, "/", work_dir);
}

const char* RerunName(Rerun rerun) {
  switch (rerun) {
    case Rerun::kSafe:
      return "safe";
    case Rerun::kExclusive:
      return "exclusive";
    case Rerun::kNever:
      return "never";
  }
  return "";
}

Json CodesJson(const std::optional<std::vector<int>>& codes) {
  return codes.has_value() ? Json(*codes) : Json(nullptr);
}

// `ids` names the steps by number.
Json StepJson(const Step& step, const std::vector<absl::string_view>& ids) {
  Json when_all = Json::array();
  for (const int dependency : step.dependencies) {
    when_all.push_back(std::string(ids[static_cast<size_t>(dependency)]));
  }
  Json envs = Json::array();
  for (const auto& [name, value] : step.envs) envs.push_back(absl::StrCat(name, "=", value));

  Json json = {{"args", step.args}};
  if (step.verb.has_value()) {
    json["verb"] = step.verb->name;
    json["verbImage"] = step.command.image;
    json["verbArgs"] = step.verb->args;
  } else {
    json["verb"] = nullptr;
  }
  json["imageRef"] = step.command.image;
  json["entryPoint"] = step.entry_point;
  json["workDir"] = AbsoluteWorkDir(step.work_dir);
  json["envs"] = std::move(envs);
  json["secretEnvs"] = step.secret_envs;
  json["timeout_ns"] = absl::ToInt64Nanoseconds(step.timeout);
  json["whenAll"] = std::move(when_all);
  json["implicit"] = step.implicit_dependency;
  json["exitedWith"] = CodesJson(step.exited_with);
  json["exitedWithout"] = CodesJson(step.exited_without);
  json["rerun"] = RerunName(step.rerun);
  json["command"] = {{"image", step.command.image},
                     {"entryPoint", step.command.entry_point},
                     {"args", step.command.args}};
  return json;
}

void AddPipeline(const Pipeline& pipeline, Json* json) {
  std::vector<absl::string_view> ids;
  std::vector<std::vector<int>> dependencies;
  for (const Step& step : pipeline.steps) {
    ids.push_back(step.id);
    dependencies.push_back(step.dependencies);
  }
  Json order = Json::array();
  for (const int number : pipeline.order) {
    order.push_back(std::string(ids[static_cast<size_t>(number)]));
  }
  Json edges = Json::array();
  for (const Edge& edge : CanonicalEdges(dependencies)) {
    const absl::string_view from =
        edge.from == Edge::kRoot ? "root" : ids[static_cast<size_t>(edge.from)];
    edges.push_back({std::string(from), std::string(ids[static_cast<size_t>(edge.to)])});
  }
  Json steps = Json::object();
  for (const Step& step : pipeline.steps) steps[step.id] = StepJson(step, ids);
  Json secrets = Json::object();
  for (const Secret& secret : pipeline.secrets) {
    secrets[secret.env] = {
        {"vault", secret.vault}, {"name", secret.name}, {"version", secret.version}};
  }
  (*json)["order"] = std::move(order);
  (*json)["edges"] = std::move(edges);
  (*json)["steps"] = std::move(steps);
  (*json)["stepTimeout_ns"] = absl::ToInt64Nanoseconds(pipeline.step_timeout);
  (*json)["totalTimeout_ns"] = absl::ToInt64Nanoseconds(pipeline.total_timeout);
  (*json)["push"] = pipeline.push;
  (*json)["secrets"] = std::move(secrets);
  (*json)["conflict"] = pipeline.conflict == ConflictPolicy::kError ? "error" : "warn";
}

Json ErrorJson(const Diagnostic& diagnostic) {
  Json json = {{"line", diagnostic.line}, {"column", diagnostic.column}};
  json["message"] = diagnostic.message;
  if (!diagnostic.file.empty()) json["file"] = diagnostic.file;
  return json;
}

// "LINE:COLUMN: MESSAGE", the file in front if it isn't the pipeline's.
std::string WarningText(const Diagnostic& diagnostic) {
  return absl::StrCat(diagnostic.file, diagnostic.file.empty() ? "" : ":", diagnostic.line, ":",
                      diagnostic.column, ": ", diagnostic.message);
}

}  // namespace

std::string PipelineJson(const ParseResult& result) {
  Json json = {{"ok", result.pipeline.has_value()}};
  Json errors = Json::array();
  Json warnings = Json::array();
  for (const Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity == Severity::kError) {
      errors.push_back(ErrorJson(diagnostic));
    } else {
      warnings.push_back(WarningText(diagnostic));
    }
  }
  if (result.pipeline.has_value()) {
    AddPipeline(*result.pipeline, &json);
  } else {
    json["errors"] = std::move(errors);
  }
  json["warnings"] = std::move(warnings);
  // A message may quote half a character.
  return absl::StrCat(json.dump(kIndent, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace rally::pipeline
