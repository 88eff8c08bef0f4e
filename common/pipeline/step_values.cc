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
#include "common/pipeline/image_reference.h"
#include "common/pipeline/quote.h"
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

bool IsEnvName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// "\u0000" is a legal TOML escape, but no program can be given such a string.
bool CheckNoNul(absl::string_view where, const TomlValue& value, DiagnosticList* diagnostics) {
  if (!absl::StrContains(value.string, absl::string_view("\0", 1))) return true;
  diagnostics->Error(value.position,
                     absl::StrCat(where, " ", Quote(value.string),
                                  " holds a NUL byte, which no program can be given"));
  return false;
}

void ReadImage(const TomlValue& image, Step* step, DiagnosticList* diagnostics) {
  step->image = image.string;
  const absl::Status status = IsOciPath(image.string) ? ParseOciPath(image.string).status()
                                                      : ParseImageReference(image.string).status();
  if (status.ok()) return;
  diagnostics->Error(image.position, absl::StrCat("image ", Quote(image.string),
                                                  " is not a valid reference: ", status.message()));
}

void ReadArgs(const TomlValue& args, Step* step, DiagnosticList* diagnostics) {
  step->args.reserve(args.elements.size());
  for (size_t i = 0; i < args.elements.size(); ++i) {
    CheckNoNul(absl::StrCat("args[", i, "]"), args.elements[i], diagnostics);
    step->args.push_back(args.elements[i].string);
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
  if (work_dir == nullptr || !CheckNoNul(key, *work_dir, diagnostics)) return;
  step->work_dir = CleanPath(work_dir->string);
  if (LeavesItsStart(step->work_dir)) {
    diagnostics->Error(work_dir->position,
                       absl::StrCat(key, " ", Quote(work_dir->string), " leaves the workspace"));
  }
}

void ReadEnvs(const TomlValue& envs, Step* step, DiagnosticList* diagnostics) {
  absl::flat_hash_set<absl::string_view> names;
  for (size_t i = 0; i < envs.elements.size(); ++i) {
    const TomlValue& element = envs.elements[i];
    const absl::string_view text = element.string;
    const std::string where = absl::StrCat("envs[", i, "]");
    const size_t equals = text.find('=');
    const absl::string_view name = text.substr(0, equals);
    if (equals == absl::string_view::npos || !IsEnvName(name)) {
      diagnostics->Error(element.position,
                         absl::StrCat(where, " ", Quote(text), " must be NAME=value"));
      continue;
    }
    if (!CheckNoNul(where, element, diagnostics)) continue;
    if (!names.insert(name).second) {
      diagnostics->Error(element.position, absl::StrCat(Quote(name), " is set twice"));
      continue;
    }
    step->envs.emplace_back(std::string(name), std::string(text.substr(equals + 1)));
  }
}

// Until verbs exist, a step without an image has nothing to run in.
void ReportMissingImage(const DraftStep& draft, DiagnosticList* diagnostics) {
  if (!draft.has_valid_id || draft.keys.WasRefused(Key::kArgs)) return;
  const TomlValue* args = draft.keys.Find(Key::kArgs);
  const std::string message = absl::StrCat("step ", Quote(draft.step.id), " has no image");
  if (args == nullptr || args->elements.empty()) {
    diagnostics->Error(draft.header, message);
    return;
  }
  const TomlValue& verb = args->elements.front();
  diagnostics->Error(verb.position,
                     absl::StrCat(message, " and ", Quote(verb.string),
                                  " is not a known verb (verbs are not supported yet; set "
                                  "\"image\")"));
}

}  // namespace

void ReadStepId(int number, DraftStep* draft, DiagnosticList* diagnostics) {
  if (draft->keys.WasRefused(Key::kId)) return;
  const TomlValue* id = draft->keys.Find(Key::kId);
  if (id == nullptr) {
    diagnostics->Error(draft->header, absl::StrCat("[[step]] number ", number, " has no \"id\""));
    return;
  }
  draft->id_position = id->position;
  draft->step.id = id->string;
  if (id->string == kReservedId) {
    diagnostics->Error(id->position, absl::StrCat("id ", Quote(id->string), " is reserved"));
    return;
  }
  if (!IsStepId(id->string)) {
    diagnostics->Error(
        id->position,
        absl::StrCat("id ", Quote(id->string),
                     " may hold only letters, digits, \"_\", \".\" and \"-\", must start with a "
                     "letter or a digit, and be 1 to ",
                     kMaxIdBytes, " characters long"));
    return;
  }
  draft->has_valid_id = true;
}

void ReadStepValues(absl::Duration default_timeout, absl::Duration max_timeout, DraftStep* draft,
                    DiagnosticList* diagnostics) {
  Step& step = draft->step;
  const CheckedTable& keys = draft->keys;
  if (const TomlValue* image = keys.Find(Key::kImage)) {
    ReadImage(*image, &step, diagnostics);
  } else if (!keys.WasRefused(Key::kImage)) {
    ReportMissingImage(*draft, diagnostics);
  }
  if (const TomlValue* args = keys.Find(Key::kArgs)) ReadArgs(*args, &step, diagnostics);
  if (const TomlValue* entry_point = keys.Find(Key::kEntryPoint)) {
    CheckNoNul("entryPoint", *entry_point, diagnostics);
    step.entry_point = entry_point->string;
  }
  ReadWorkDir(*draft, &step, diagnostics);
  if (const TomlValue* envs = keys.Find(Key::kEnvs)) ReadEnvs(*envs, &step, diagnostics);
  step.timeout = default_timeout;
  if (const TomlValue* timeout = keys.Find(Key::kTimeout)) {
    step.timeout =
        ReadTimeout("timeout", *timeout, max_timeout, diagnostics).value_or(default_timeout);
  }
}

std::optional<absl::Duration> ReadTimeout(absl::string_view key, const TomlValue& value,
                                          absl::Duration max, DiagnosticList* diagnostics) {
  std::string written;
  absl::Duration timeout;
  if (value.type == TomlType::kInteger) {
    written = absl::StrCat(value.integer);
    timeout = absl::Seconds(value.integer);  // Saturates; never wraps.
  } else {
    written = Quote(value.string);
    const absl::StatusOr<absl::Duration> parsed = ParseGoDuration(value.string);
    if (!parsed.ok()) {
      diagnostics->Error(value.position,
                         absl::StrCat(key, " ", written, ": ", parsed.status().message()));
      return std::nullopt;
    }
    timeout = *parsed;
  }
  if (timeout <= absl::ZeroDuration()) {
    diagnostics->Error(value.position,
                       absl::StrCat(key, " ", written, ": must be greater than zero"));
    return std::nullopt;
  }
  if (timeout > max) {
    diagnostics->Error(value.position, absl::StrCat(key, " ", written, ": exceeds the maximum of ",
                                                    FormatGoDuration(max)));
    return std::nullopt;
  }
  return timeout;
}

}  // namespace rally::pipeline
