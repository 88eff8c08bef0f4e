#include "common/pipeline/pipeline_toml.h"

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/pipeline/duration.h"
#include "common/pipeline/key_table.h"

namespace rally::pipeline {
namespace {

// A template that gives "{{", for texts that hold it.
constexpr absl::string_view kOpenBraces = "{{`{{`}}";
// Longer lists are written with an element on each line.
constexpr size_t kMaxLineBytes = 90;

void AppendString(absl::string_view text, std::string* toml) {
  toml->push_back('"');
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '{' && absl::StartsWith(text.substr(i), "{{")) {
      toml->append(kOpenBraces.data(), kOpenBraces.size());
      ++i;
    } else if (c == '"' || c == '\\') {
      toml->push_back('\\');
      toml->push_back(c);
    } else if (c == '\n') {
      toml->append("\\n");
    } else if (c == '\t') {
      toml->append("\\t");
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppend(toml, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    } else {
      toml->push_back(c);
    }
  }
  toml->push_back('"');
}

void AppendKey(Key key, std::string* toml) { absl::StrAppend(toml, SpecOf(key).name, " = "); }

void AppendText(Key key, absl::string_view text, std::string* toml) {
  AppendKey(key, toml);
  AppendString(text, toml);
  toml->push_back('\n');
}

void AppendDuration(Key key, absl::Duration duration, std::string* toml) {
  AppendText(key, FormatGoDuration(duration), toml);
}

void AppendArray(Key key, const std::vector<std::string>& elements, std::string* toml) {
  AppendKey(key, toml);
  size_t bytes = 0;
  for (const std::string& element : elements) bytes += element.size() + 4;
  const bool one_line = bytes <= kMaxLineBytes;
  toml->push_back('[');
  for (size_t i = 0; i < elements.size(); ++i) {
    toml->append(one_line ? (i == 0 ? "" : ", ") : "\n  ");
    AppendString(elements[i], toml);
    if (!one_line) toml->push_back(',');
  }
  toml->append(one_line ? "]\n" : "\n]\n");
}

void AppendCodes(Key key, const std::optional<std::vector<int>>& codes, std::string* toml) {
  if (!codes.has_value()) return;
  AppendKey(key, toml);
  absl::StrAppend(toml, "[", absl::StrJoin(*codes, ", "), "]\n");
}

void AppendWhenAll(const Pipeline& pipeline, size_t number, std::string* toml) {
  const Step& step = pipeline.steps[number];
  if (step.implicit_dependency) return;
  std::vector<std::string> ids;
  for (const int dependency : step.dependencies) {
    ids.push_back(pipeline.steps[static_cast<size_t>(dependency)].id);
  }
  if (ids.empty()) {
    if (number == 0) return;
    ids = {"-"};
  }
  AppendArray(Key::kWhenAll, ids, toml);
}

void AppendStep(const Pipeline& pipeline, size_t number, std::string* toml) {
  const Step& step = pipeline.steps[number];
  toml->append("\n[[step]]\n");
  AppendText(Key::kId, step.id, toml);
  if (!step.image.empty()) AppendText(Key::kImage, step.image, toml);
  if (!step.args.empty()) AppendArray(Key::kArgs, step.args, toml);
  if (!step.entry_point.empty()) AppendText(Key::kEntryPoint, step.entry_point, toml);
  if (!step.work_dir.empty()) AppendText(Key::kWorkDir, step.work_dir, toml);
  if (!step.envs.empty()) {
    std::vector<std::string> envs;
    for (const auto& [name, value] : step.envs) envs.push_back(absl::StrCat(name, "=", value));
    AppendArray(Key::kEnvs, envs, toml);
  }
  if (!step.secret_envs.empty()) AppendArray(Key::kSecretEnvs, step.secret_envs, toml);
  if (step.timeout != pipeline.step_timeout) AppendDuration(Key::kTimeout, step.timeout, toml);
  AppendWhenAll(pipeline, number, toml);
  AppendCodes(Key::kExitedWith, step.exited_with, toml);
  AppendCodes(Key::kExitedWithout, step.exited_without, toml);
  if (step.rerun != Rerun::kSafe) {
    AppendText(Key::kRerun, step.rerun == Rerun::kNever ? "never" : "exclusive", toml);
  }
}

void AppendSecret(const Secret& secret, std::string* toml) {
  toml->append("\n[[secrets]]\n");
  if (!secret.vault.empty()) {
    AppendText(Key::kAkv,
               absl::StrCat(secret.vault, "/secrets/", secret.name,
                            secret.version.empty() ? "" : "/", secret.version),
               toml);
  }
  AppendText(Key::kSecretEnv, secret.env, toml);
}

}  // namespace

std::string PipelineToml(const Pipeline& pipeline) {
  std::string toml;
  // Written out, a default could be warned of as if its writer had chosen it.
  if (pipeline.step_timeout != kDefaultStepTimeout) {
    AppendDuration(Key::kStepTimeout, pipeline.step_timeout, &toml);
  }
  if (pipeline.total_timeout != kDefaultTotalTimeout) {
    AppendDuration(Key::kTotalTimeout, pipeline.total_timeout, &toml);
  }
  if (!pipeline.push.empty()) AppendArray(Key::kPush, pipeline.push, &toml);
  if (pipeline.conflict == ConflictPolicy::kError) AppendText(Key::kConflict, "error", &toml);
  for (size_t number = 0; number < pipeline.steps.size(); ++number) {
    AppendStep(pipeline, number, &toml);
  }
  for (const Secret& secret : pipeline.secrets) AppendSecret(secret, &toml);
  return toml;
}

}  // namespace rally::pipeline
