#include "common/pipeline/random_pipeline.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/duration.h"

namespace rally::pipeline {
namespace {

// What may be written, and what it means.
struct Spelling {
  absl::string_view written;
  absl::string_view meant;
};

constexpr Spelling kPushes[] = {
    {"app", "docker.io/library/app:latest"},
    {"app:1.2", "docker.io/library/app:1.2"},
    {"index.docker.io/octo/app:a_b", "docker.io/octo/app:a_b"},
    {"localhost:5000/x", "localhost:5000/x:latest"},
    {"quay.io/shop/web:v1-rc", "quay.io/shop/web:v1-rc"},
};

constexpr absl::string_view kImages[] = {"ubuntu", "a/b:1", "oci:out/image", "localhost:5000/z"};

// Verbs whose arguments nobody repairs.
constexpr absl::string_view kVerbs[] = {"echo", "sh", "curl", "git", "write-log"};

constexpr absl::string_view kPieces[] = {
    "a",     "Z9",        " ",       "=",        "\"",  "'",          "\\",
    "\n",    "\t",        "\r\n",    "\x01",     "`",   "\x7F",       "\xC3\xA9",
    "{{",    "}}",        "{",       "}",        "{{-", "-}}",        "\xF0\x9F\x98\x80",
    "'''",   "\"\"\"",    "#",       "[[step]]", ",",   "{{/* */}}",  "\xE2\x80\xA8",
    "%s %d", "$PATH $$1", "\\u0041", "null",     "-",   "{{ .Build.", "\xEF\xBB\xBF",
};

template <typename Array>
const auto& PickFrom(const Array& array, RandomPipeline* random) {
  return array[random->Below(static_cast<int>(std::size(array)))];
}

// A basic string of TOML. Its escapes of all that isn't ASCII's letters mean the same to Go.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppend(&quoted, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

// A literal string of TOML, or "" when it can't be one.
std::string Literal(absl::string_view text) {
  if (HasControl(text) || absl::StrContains(text, '\'')) return "";
  return absl::StrCat("'", text, "'");
}

// A string over several lines, or "" when it can't be one.
std::string MultiLine(absl::string_view text) {
  const auto is_plain = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\n' || (byte >= 0x20 && byte != 0x7F && c != '"' && c != '\\');
  };
  if (!std::all_of(text.begin(), text.end(), is_plain)) return "";
  return absl::StrCat("\"\"\"\n", text, "\"\"\"");
}

}  // namespace

std::string RandomPipeline::SpellString(absl::string_view text) {
  std::string value(text);
  // A constant of a template may hold no bare newline, but any braces.
  if (absl::StrContains(text, "{{") || OneIn(4)) {
    const bool raw = OneIn(2) && !absl::StrContains(text, '`') && !absl::StrContains(text, '\r');
    value = raw ? absl::StrCat("{{`", text, "`}}") : absl::StrCat("{{ ", Quoted(text), " }}");
    if (OneIn(3)) value = absl::StrCat("{{/* here */ -}}  ", value);
    if (OneIn(3)) value = absl::StrCat(value, "{{ if false }}x{{ end }}");
  }
  std::string spelled;
  if (OneIn(3)) spelled = Literal(value);
  if (spelled.empty() && OneIn(3)) spelled = MultiLine(value);
  return spelled.empty() ? Quoted(value) : spelled;
}

std::string RandomPipeline::AnyText(int max_pieces) {
  std::string text;
  for (int i = Below(max_pieces + 1); i > 0; --i) {
    absl::StrAppend(&text, PickFrom(kPieces, this));
  }
  return text;
}

std::optional<std::vector<int>> RandomPipeline::AnyCodes() {
  if (!OneIn(4)) return std::nullopt;
  std::vector<int> codes;
  for (int code = 0; code < 256; ++code) {
    if (OneIn(60)) codes.push_back(code);
  }
  if (codes.empty()) codes.push_back(Below(256));
  return codes;
}

Step RandomPipeline::AnyStep(int number, int secrets) {
  Step step;
  // Two steps differ, if only in case.
  step.id = absl::StrCat(OneIn(2) ? "step" : "Step", OneIn(3) ? "." : "_-", number);
  if (OneIn(3)) {
    step.args.emplace_back(PickFrom(kVerbs, this));
  } else {
    step.image = std::string(PickFrom(kImages, this));
  }
  for (int i = Below(4); i > 0; --i) step.args.push_back(AnyText(6));
  if (OneIn(4)) step.entry_point = "/" + AnyText(3);
  if (OneIn(3)) step.work_dir = absl::StrCat(OneIn(2) ? "/" : "", "a b/", OneIn(2) ? "c" : "..d");
  for (int i = Below(3); i > 0; --i) step.envs.emplace_back(absl::StrCat("N_", i), AnyText(5));
  for (int i = 0; i < secrets; ++i) {
    if (OneIn(3)) step.secret_envs.push_back(absl::StrCat("S_", i));
  }
  if (OneIn(3))
    step.timeout = absl::Nanoseconds(1 + Below(2000000000)) + absl::Seconds(Below(7190));
  step.exited_with = AnyCodes();
  step.exited_without = AnyCodes();
  if (step.exited_with.has_value() && step.exited_without.has_value()) {
    // A code of the one that isn't of the other, or the step could never run.
    step.exited_with = {{7}};
    auto& without = *step.exited_without;
    without.erase(std::remove(without.begin(), without.end(), 7), without.end());
    if (without.empty()) step.exited_without.reset();
  }
  constexpr Rerun kReruns[] = {Rerun::kSafe, Rerun::kExclusive, Rerun::kNever};
  step.rerun = PickFrom(kReruns, this);
  return step;
}

Pipeline RandomPipeline::Make(int max_steps) {
  Pipeline pipeline;
  pipeline.step_timeout = OneIn(2) ? kDefaultStepTimeout : absl::Seconds(1 + Below(7200));
  pipeline.total_timeout =
      OneIn(2) ? kDefaultTotalTimeout : absl::Milliseconds(1 + Below(21600000));
  if (OneIn(3)) pipeline.conflict = ConflictPolicy::kError;
  for (const Spelling& push : kPushes) {
    if (OneIn(5)) pipeline.push.emplace_back(push.meant);
  }
  std::shuffle(pipeline.push.begin(), pipeline.push.end(), random_);
  const int secrets = Below(4);
  for (int i = 0; i < secrets; ++i) {
    const std::string env = absl::StrCat("S_", i);
    const std::string name = absl::StrCat("S-", i);
    const Secret secrets_of_all_kinds[] = {{env, "", name, ""},
                                           {env, "https://corp.vault.azure.net", name, ""},
                                           {env, "https://a.b-c:8443", name, ""},
                                           {env, "https://a.b", "x-Y", ""},
                                           {env, "https://a.b", "x-Y", "0a1"}};
    pipeline.secrets.push_back(PickFrom(secrets_of_all_kinds, this));
  }
  const int count = 1 + Below(max_steps);
  for (int i = 0; i < count; ++i) {
    pipeline.steps.push_back(AnyStep(i, secrets));
    if (pipeline.steps.back().timeout == absl::ZeroDuration()) {
      pipeline.steps.back().timeout = pipeline.step_timeout;
    }
  }
  // Earlier by a hidden order that isn't the file's, so that there are forward references.
  std::vector<int> rank(count);
  for (int i = 0; i < count; ++i) rank[i] = i;
  if (OneIn(2)) std::shuffle(rank.begin(), rank.end(), random_);
  const int sparseness = 1 + Below(6);
  for (int i = 0; i < count; ++i) {
    Step& step = pipeline.steps[i];
    if (i > 0 && rank[i - 1] < rank[i] && OneIn(3)) {
      step.dependencies = {i - 1};
      step.implicit_dependency = true;
      continue;
    }
    for (int other = 0; other < count; ++other) {
      if (rank[other] < rank[i] && OneIn(sparseness)) step.dependencies.push_back(other);
    }
  }
  return pipeline;
}

void RandomPipeline::TangleUp(Pipeline* pipeline) {
  const int count = static_cast<int>(pipeline->steps.size());
  const int sparseness = 1 + Below(2 * count);
  for (int i = 0; i < count; ++i) {
    Step& step = pipeline->steps[i];
    step.dependencies.clear();
    step.implicit_dependency = i > 0 && OneIn(3);
    if (step.implicit_dependency) step.dependencies = {i - 1};
    for (int other = 0; other < count && !step.implicit_dependency; ++other) {
      if (other != i && OneIn(sparseness)) step.dependencies.push_back(other);
    }
  }
}

std::string RandomPipeline::SpellDuration(absl::Duration duration) {
  if (duration % absl::Seconds(1) == absl::ZeroDuration() && OneIn(2)) {
    return absl::StrCat(absl::ToInt64Seconds(duration));
  }
  if (OneIn(2)) return SpellString(FormatGoDuration(duration));
  const int64_t minutes = duration / absl::Minutes(1);
  const int64_t rest = absl::ToInt64Nanoseconds(duration % absl::Minutes(1));
  return SpellString(absl::StrCat(OneIn(2) ? "+" : "", rest, "ns", minutes, "m"));
}

std::string RandomPipeline::SpellPath(absl::string_view path) {
  std::string spelled(path);
  if (OneIn(3)) spelled += "/";
  if (OneIn(3)) spelled += "/./x/..";
  if (OneIn(3) && !absl::StartsWith(path, "/")) spelled = "./" + spelled;
  return SpellString(spelled);
}

template <typename Element, typename Speller>
std::string RandomPipeline::SpellArray(const std::vector<Element>& elements, Speller spell) {
  const absl::string_view separator = OneIn(2) ? ", " : ",\n  # and\n  ";
  return absl::StrCat("[",
                      absl::StrJoin(elements, separator,
                                    [&](std::string* out, const Element& element) {
                                      absl::StrAppend(out, spell(element));
                                    }),
                      OneIn(3) && !elements.empty() ? ",]" : "]");
}

std::string RandomPipeline::SpellWhenAll(const Pipeline& pipeline, int number) {
  const Step& step = pipeline.steps[number];
  if (step.dependencies.empty()) {
    return number == 0 && OneIn(2) ? "" : absl::StrCat("whenAll = [", SpellString("-"), "]\n");
  }
  if (step.implicit_dependency) return OneIn(4) ? "whenAll = []\n" : "";
  std::vector<std::string> ids;
  for (const int dependency : step.dependencies) ids.push_back(pipeline.steps[dependency].id);
  std::shuffle(ids.begin(), ids.end(), random_);
  const auto spell = [this](const std::string& id) { return SpellString(id); };
  return absl::StrCat("whenAll = ", SpellArray(ids, spell), "\n");
}

std::string RandomPipeline::SpellStep(const Pipeline& pipeline, int number) {
  const Step& step = pipeline.steps[number];
  const auto spell_text = [this](const std::string& text) { return SpellString(text); };
  std::vector<std::string> lines = {absl::StrCat("id = ", SpellString(step.id), "\n")};
  const auto add = [&lines](absl::string_view key, const std::string& value) {
    lines.push_back(absl::StrCat(key, " = ", value, "\n"));
  };
  if (!step.image.empty()) add("image", SpellString(step.image));
  if (!step.args.empty() || OneIn(2)) add("args", SpellArray(step.args, spell_text));
  if (!step.entry_point.empty() || OneIn(4)) add("entryPoint", SpellString(step.entry_point));
  if (!step.work_dir.empty()) {
    add(OneIn(4) ? "workingDir" : "workDir", SpellPath(step.work_dir));
  } else if (OneIn(4)) {
    add("workDir", OneIn(2) ? "\"\"" : "\"./x/..\"");
  }
  if (!step.envs.empty() || OneIn(4)) {
    add("envs", SpellArray(step.envs, [this](const std::pair<std::string, std::string>& env) {
          return SpellString(absl::StrCat(env.first, "=", env.second));
        }));
  }
  if (!step.secret_envs.empty()) add("secretEnvs", SpellArray(step.secret_envs, spell_text));
  if (step.timeout != pipeline.step_timeout || OneIn(4)) {
    add("timeout", SpellDuration(step.timeout));
  }
  lines.push_back(SpellWhenAll(pipeline, number));
  for (const auto* codes : {&step.exited_with, &step.exited_without}) {
    if (!codes->has_value()) continue;
    std::vector<int> written = **codes;
    written.push_back(written[Below(static_cast<int>(written.size()))]);
    std::shuffle(written.begin(), written.end(), random_);
    add(codes == &step.exited_with ? "exitedWith" : "exitedWithout",
        SpellArray(written, [this](int code) {
          return OneIn(3) ? absl::StrCat("0x", absl::Hex(code)) : absl::StrCat(code);
        }));
  }
  if (step.rerun != Rerun::kSafe) {
    add("rerun", SpellString(step.rerun == Rerun::kNever ? "never" : "exclusive"));
  } else if (OneIn(4)) {
    add("rerun", SpellString("safe"));
  }
  std::shuffle(lines.begin(), lines.end(), random_);
  return absl::StrCat("[[step]]\n", absl::StrJoin(lines, OneIn(4) ? "\n# \xC3\xBC\n" : ""));
}

std::string RandomPipeline::Spell(const Pipeline& pipeline) {
  std::string text = OneIn(4) ? "\xEF\xBB\xBF" : "";
  if (pipeline.step_timeout != kDefaultStepTimeout || OneIn(2)) {
    absl::StrAppend(&text, "stepTimeout = ", SpellDuration(pipeline.step_timeout), "\n");
  }
  if (pipeline.total_timeout != kDefaultTotalTimeout || OneIn(2)) {
    absl::StrAppend(&text, "totalTimeout = ", SpellDuration(pipeline.total_timeout), "\n");
  }
  if (pipeline.conflict == ConflictPolicy::kError || OneIn(4)) {
    const bool error = pipeline.conflict == ConflictPolicy::kError;
    absl::StrAppend(&text, "conflict = ", SpellString(error ? "error" : "warn"), "\n");
  }
  std::vector<std::string> pushes = pipeline.push;
  // Twice is pushed once, where it is named first.
  if (!pushes.empty() && OneIn(3)) pushes.push_back(pushes.front());
  if (!pushes.empty() || OneIn(4)) {
    absl::StrAppend(&text, "push = ",
                    SpellArray(pushes,
                               [this](const std::string& meant) {
                                 for (const Spelling& push : kPushes) {
                                   if (push.meant == meant && OneIn(2))
                                     return SpellString(push.written);
                                 }
                                 return SpellString(meant);
                               }),
                    "\n");
  }
  std::vector<std::string> secrets;
  for (const Secret& secret : pipeline.secrets) {
    std::string& table = secrets.emplace_back("[[secrets]]\n");
    const bool is_named_by_env = absl::StartsWith(secret.name, "S-");
    if (!secret.vault.empty()) {
      std::string akv = absl::StrCat(secret.vault, "/secrets/", secret.name);
      if (is_named_by_env && OneIn(2)) akv = secret.vault;
      if (is_named_by_env && absl::StartsWith(secret.vault, "https://corp.") && OneIn(2)) {
        akv = "Corp";
      } else {
        if (!secret.version.empty()) absl::StrAppend(&akv, "/", secret.version);
        if (OneIn(3)) absl::StrAppend(&akv, "/");
      }
      absl::StrAppend(&table, "akv = ", SpellString(akv), "\n");
      if (is_named_by_env && absl::StrContains(akv, "/secrets/") && OneIn(2)) continue;
    }
    absl::StrAppend(&table, "secretEnv = ", SpellString(secret.env), "\n");
  }
  const bool secrets_first = OneIn(2);
  if (secrets_first) absl::StrAppend(&text, absl::StrJoin(secrets, "\n"));
  for (size_t i = 0; i < pipeline.steps.size(); ++i) {
    absl::StrAppend(&text, SpellStep(pipeline, static_cast<int>(i)));
  }
  if (!secrets_first) absl::StrAppend(&text, absl::StrJoin(secrets, "\n"));
  return text;
}

}  // namespace rally::pipeline
