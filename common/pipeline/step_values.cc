#include "common/pipeline/step_values.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/duration.h"
#include "common/pipeline/env_name.h"
#include "common/pipeline/exit_conditions.h"
#include "common/pipeline/image_reference.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/verb_use.h"
#include "common/pipeline/workspace_path.h"

namespace rally::pipeline {
namespace {

constexpr size_t kMaxIdBytes = 63;
constexpr absl::string_view kReservedId = "root";

bool IsStepId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && absl::ascii_isalnum(id.front()) &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

// "\u0000" is a legal TOML escape, but no program can be given such a string.
bool HoldsNul(absl::string_view text) { return absl::StrContains(text, '\0'); }

void ReportNul(absl::string_view where, const TomlValue& value, DiagnosticList* diagnostics) {
  diagnostics->Error(value.position,
                     absl::StrCat(where, " ", Quote(value.string()),
                                  " holds a NUL byte, which no program can be given"));
}

std::string ElementLabel(absl::string_view key, size_t index) {
  return absl::StrCat(key, "[", index, "]");
}

// The names of a step's environment, each once. Most steps have few, and need no hash table.
class NameSet {
 public:
  bool Insert(absl::string_view name) {
    if (large_.empty() && small_.size() < kMaxSmall) {
      if (std::find(small_.begin(), small_.end(), name) != small_.end()) return false;
      small_.push_back(name);
      return true;
    }
    if (large_.empty()) large_.insert(small_.begin(), small_.end());
    return large_.insert(name).second;
  }

 private:
  static constexpr size_t kMaxSmall = 16;

  std::vector<absl::string_view> small_;
  absl::flat_hash_set<absl::string_view> large_;
};

bool ReadImage(const TomlValue& image, Step* step, DiagnosticList* diagnostics) {
  step->image = image.string();
  const absl::Status status = IsOciPath(image.string())
                                  ? ParseOciPath(image.string()).status()
                                  : ParseImageReference(image.string()).status();
  if (status.ok()) return true;
  diagnostics->Error(image.position, absl::StrCat("image ", Quote(image.string()),
                                                  " is not a valid reference: ", status.message()));
  return false;
}

// What Linux takes as one argument or one variable of a process that it starts: MAX_ARG_STRLEN, of
// which the terminating NUL is one.
constexpr size_t kMaxProcessString = (128 << 10) - 1;

// Of one of "args" or "envs".
bool CanBeGiven(const char* list, size_t index, const TomlValue& element,
                DiagnosticList* diagnostics) {
  const std::string& text = element.string();
  if (HoldsNul(text)) {
    ReportNul(ElementLabel(list, index), element, diagnostics);
    return false;
  }
  if (text.size() <= kMaxProcessString) return true;
  diagnostics->Error(element.position,
                     absl::StrCat(ElementLabel(list, index), " has ", text.size(),
                                  " bytes, and Linux gives a process at most ", kMaxProcessString,
                                  " in one string; put it into a file of the context"));
  return false;
}

void ReadArgs(const TomlValue& args, Step* step, DiagnosticList* diagnostics) {
  step->args.reserve(args.elements().size());
  for (size_t i = 0; i < args.elements().size(); ++i) {
    const TomlValue& element = args.elements()[i];
    if (IsRefused(element)) continue;
    CanBeGiven("args", i, element, diagnostics);
    step->args.push_back(element.string());
  }
}

void ReadWorkDir(const DraftStep& draft, Step* step, DiagnosticList* diagnostics) {
  const TomlValue* work_dir = draft.keys.Find(Key::kWorkDir);
  const TomlValue* alias = draft.keys.Find(Key::kWorkingDir);
  absl::string_view key = "workDir";
  if (alias != nullptr) {
    if (work_dir != nullptr) {
      const bool alias_later = std::pair(alias->position.line, alias->position.column) >
                               std::pair(work_dir->position.line, work_dir->position.column);
      diagnostics->Error((alias_later ? alias : work_dir)->position,
                         "\"workDir\" and \"workingDir\" are both set");
      return;
    }
    diagnostics->Warning(alias->position,
                         "\"workingDir\" is taken as \"workDir\", the key's proper name");
    work_dir = alias;
    key = "workingDir";
  }
  if (work_dir == nullptr) return;
  if (HoldsNul(work_dir->string())) {
    ReportNul(key, *work_dir, diagnostics);
    return;
  }
  step->work_dir = CleanPath(work_dir->string());
  if (LeavesItsStart(step->work_dir)) {
    diagnostics->Error(work_dir->position,
                       absl::StrCat(key, " ", Quote(work_dir->string()), " leaves the workspace"));
  }
}

void ReadEnvs(const TomlValue& envs, NameSet* names, Step* step, DiagnosticList* diagnostics) {
  step->envs.reserve(envs.elements().size());
  for (size_t i = 0; i < envs.elements().size(); ++i) {
    const TomlValue& element = envs.elements()[i];
    if (IsRefused(element)) continue;
    const absl::string_view text = element.string();
    const size_t equals = text.find('=');
    const absl::string_view name = text.substr(0, equals);
    if (equals == absl::string_view::npos || !IsEnvName(name)) {
      diagnostics->Error(element.position, absl::StrCat(ElementLabel("envs", i), " ", Quote(text),
                                                        " must be NAME=value"));
    } else if (!CanBeGiven("envs", i, element, diagnostics)) {
      continue;
    } else if (!names->Insert(name)) {
      diagnostics->Error(element.position, absl::StrCat(Quote(name), " is set twice"));
    } else {
      step->envs.emplace_back(std::string(name), std::string(text.substr(equals + 1)));
    }
  }
}

void ReadSecretEnvs(const TomlValue& secret_envs, NameSet* names, DeclaredSecrets* secrets,
                    Step* step, DiagnosticList* diagnostics) {
  step->secret_envs.reserve(secret_envs.elements().size());
  for (size_t i = 0; i < secret_envs.elements().size(); ++i) {
    const TomlValue& element = secret_envs.elements()[i];
    if (IsRefused(element)) continue;
    if (!secrets->Use(element.string())) {
      diagnostics->Error(element.position,
                         absl::StrCat(ElementLabel("secretEnvs", i), " ", Quote(element.string()),
                                      " is not declared by any [[secrets]]"));
    } else if (!names->Insert(element.string())) {
      diagnostics->Error(element.position, absl::StrCat(Quote(element.string()), " is set twice"));
    } else {
      step->secret_envs.push_back(element.string());
    }
  }
}

void ReadEnvironment(const CheckedTable& keys, DeclaredSecrets* secrets, Step* step,
                     DiagnosticList* diagnostics) {
  const TomlValue* envs = keys.FindPartly(Key::kEnvs);
  const TomlValue* secret_envs = keys.FindPartly(Key::kSecretEnvs);
  if (keys.WasRefused(Key::kSecretEnvs)) secrets->UseUnknown();
  NameSet names;
  if (envs != nullptr) ReadEnvs(*envs, &names, step, diagnostics);
  if (secret_envs != nullptr) ReadSecretEnvs(*secret_envs, &names, secrets, step, diagnostics);
}

Rerun ReadRerun(const CheckedTable& keys) {
  const TomlValue* rerun = keys.Find(Key::kRerun);
  if (rerun == nullptr) return Rerun::kSafe;
  if (rerun->string() == "exclusive") return Rerun::kExclusive;
  return rerun->string() == "never" ? Rerun::kNever : Rerun::kSafe;
}

// What the step runs, as far as it can be said after errors.
void ReadCommand(const VerbTable& verbs, DraftStep* draft, DiagnosticList* diagnostics) {
  const CheckedTable& keys = draft->keys;
  if (const TomlValue* args = keys.FindPartly(Key::kArgs)) {
    ReadArgs(*args, draft->step, diagnostics);
  }
  if (const TomlValue* entry_point = keys.Find(Key::kEntryPoint)) {
    if (HoldsNul(entry_point->string())) ReportNul("entryPoint", *entry_point, diagnostics);
    draft->step->entry_point = entry_point->string();
  }
  if (const TomlValue* image = keys.Find(Key::kImage)) {
    if (!ReadImage(*image, draft->step, diagnostics)) return;
  }
  if (!draft->has_valid_id || keys.WasRefused(Key::kImage) || keys.WasRefused(Key::kArgs)) return;
  CommandPositions positions;
  positions.header = draft->header;
  if (const TomlValue* args = keys.Find(Key::kArgs)) {
    positions.args.reserve(args->elements().size());
    for (const TomlValue& element : args->elements()) positions.args.push_back(element.position);
  }
  ResolveCommand(verbs, positions, draft->step, diagnostics);
}

}  // namespace

void ReadStepId(int number, DraftStep* draft, DiagnosticList* diagnostics) {
  if (draft->keys.WasRefused(Key::kId)) return;
  const TomlValue* id = draft->keys.Find(Key::kId);
  if (id == nullptr) {
    diagnostics->Error(draft->header, absl::StrCat("[[step]] number ", number, " has no \"id\""));
    if (const TomlValue* misspelt = draft->keys.misspelt_id()) {
      draft->id_position = misspelt->position;
      draft->step->id = misspelt->string();
    }
    return;
  }
  draft->id_position = id->position;
  draft->step->id = id->string();
  if (id->string() == kReservedId) {
    diagnostics->Error(id->position, absl::StrCat("id ", Quote(id->string()), " is reserved"));
    return;
  }
  if (!IsStepId(id->string())) {
    diagnostics->Error(
        id->position,
        absl::StrCat("id ", Quote(id->string()),
                     " may hold only letters, digits, \"_\", \".\" and \"-\", must start with a "
                     "letter or a digit, and be 1 to ",
                     kMaxIdBytes, " characters long"));
    return;
  }
  draft->has_valid_id = true;
}

void ReadStepValues(const StepRules& rules, DeclaredSecrets* secrets, DraftStep* draft,
                    DiagnosticList* diagnostics) {
  Step& step = *draft->step;
  const CheckedTable& keys = draft->keys;
  ReadCommand(rules.verbs, draft, diagnostics);
  ReadWorkDir(*draft, &step, diagnostics);
  ReadEnvironment(keys, secrets, &step, diagnostics);
  ReadExitConditions(keys, &step, diagnostics);
  step.rerun = ReadRerun(keys);
  step.timeout = rules.default_timeout;
  if (const TomlValue* timeout = keys.Find(Key::kTimeout)) {
    step.timeout = ReadTimeout("timeout", *timeout, rules.max_timeout, diagnostics)
                       .value_or(rules.default_timeout);
  }
}

std::optional<absl::Duration> ReadTimeout(absl::string_view key, const TomlValue& value,
                                          absl::Duration max, DiagnosticList* diagnostics) {
  // As it is written, for messages.
  const auto refuse = [&](absl::string_view problem) {
    diagnostics->Error(value.position, absl::StrCat(key, " ",
                                                    value.type() == TomlType::kInteger
                                                        ? absl::StrCat(value.integer())
                                                        : Quote(value.string()),
                                                    ": ", problem));
    return std::nullopt;
  };
  absl::Duration timeout;
  if (value.type() == TomlType::kInteger) {
    timeout = absl::Seconds(value.integer());  // Saturates; never wraps.
  } else {
    const absl::StatusOr<absl::Duration> parsed = ParseGoDuration(value.string());
    if (!parsed.ok()) return refuse(parsed.status().message());
    timeout = *parsed;
  }
  if (timeout <= absl::ZeroDuration()) return refuse("must be greater than zero");
  if (timeout > max) {
    return refuse(absl::StrCat("exceeds the maximum of ", FormatGoDuration(max)));
  }
  return timeout;
}

}  // namespace rally::pipeline
