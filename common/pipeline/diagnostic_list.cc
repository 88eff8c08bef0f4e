#include "common/pipeline/diagnostic_list.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/pipeline/utf8.h"

namespace rally::pipeline {

namespace {

// What a template says through `fail` may be long, and may be any bytes.
constexpr size_t kMaxMessageBytes = 2000;

std::string Presentable(std::string message) {
  const bool too_long = message.size() > kMaxMessageBytes;
  if (!too_long && IsValidUtf8(message)) return message;
  std::string presentable;
  absl::string_view rest = message;
  while (!rest.empty() && presentable.size() < kMaxMessageBytes) {
    const Utf8Character character = FirstCharacter(rest);
    AppendUtf8(character.code, &presentable);
    rest.remove_prefix(character.size);
  }
  if (!rest.empty()) presentable += "...";
  return presentable;
}

}  // namespace

void DiagnosticList::Error(Position at, std::string message) {
  ++error_count_;
  Add({Severity::kError, at.line, at.column, Presentable(std::move(message))});
}

void DiagnosticList::Warning(Position at, std::string message) {
  ++warning_count_;
  Add({Severity::kWarning, at.line, at.column, Presentable(std::move(message))});
}

void DiagnosticList::AddAll(const DiagnosticList& found, absl::string_view file) {
  error_count_ += found.error_count_;
  warning_count_ += found.warning_count_;
  for (Diagnostic diagnostic : found.diagnostics_) {
    diagnostic.file = std::string(file);
    Add(std::move(diagnostic));
  }
}

void DiagnosticList::Add(Diagnostic diagnostic) {
  diagnostics_.push_back(std::move(diagnostic));
  if (diagnostics_.size() > kMaxKept) KeepShown(&diagnostics_);
}

void DiagnosticList::KeepShown(std::vector<Diagnostic>* diagnostics) {
  // The message is part of the order, so that equal files give equal lists whatever order a hash
  // map handed its keys out in.
  std::sort(diagnostics->begin(), diagnostics->end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column, a.message) <
           std::tie(b.file, b.line, b.column, b.message);
  });
  int errors = 0;
  int warnings = 0;
  std::vector<Diagnostic> shown;
  for (Diagnostic& diagnostic : *diagnostics) {
    const bool is_shown = diagnostic.severity == Severity::kError ? ++errors <= kMaxShown
                                                                  : ++warnings <= kMaxWarningsShown;
    if (is_shown) shown.push_back(std::move(diagnostic));
  }
  *diagnostics = std::move(shown);
}

std::vector<Diagnostic> DiagnosticList::Sorted() const {
  std::vector<Diagnostic> shown = diagnostics_;
  KeepShown(&shown);
  const auto add_rest = [&shown](Severity severity, int rest, const char* noun) {
    if (rest <= 0) return;
    shown.push_back({severity, 0, 0, absl::StrCat(rest, " more ", noun, rest == 1 ? "" : "s")});
  };
  add_rest(Severity::kError, error_count_ - kMaxShown, "error");
  add_rest(Severity::kWarning, warning_count_ - kMaxWarningsShown, "warning");
  return shown;
}

}  // namespace rally::pipeline
