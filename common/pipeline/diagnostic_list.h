#ifndef RALLY_COMMON_PIPELINE_DIAGNOSTIC_LIST_H_
#define RALLY_COMMON_PIPELINE_DIAGNOSTIC_LIST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic.h"

namespace rally::pipeline {

// A place in the file; both count from 1.
struct Position {
  int line = 0;
  int column = 0;
};

// The findings of one parse, collected in any order.
//
// It doesn't print. Threads: not thread-safe. Bounds: however much is wrong with a file, only as
// much as can be shown is kept, and a count.
class DiagnosticList {
 public:
  static constexpr int kMaxShown = 20;
  // More, as programs look for them in render's and lint's JSON.
  static constexpr int kMaxWarningsShown = 200;

  // Of a message of any bytes and any length, what can be shown is kept.
  void Error(Position at, std::string message);
  void Warning(Position at, std::string message);

  // Takes over what was found in another file, under that file's name.
  void AddAll(const DiagnosticList& found, absl::string_view file);

  int error_count() const { return error_count_; }
  int warning_count() const { return warning_count_; }

  // By file, the pipeline's own first, then by line and column. At most kMaxShown errors and
  // kMaxWarningsShown warnings; what is left out is counted at the end, on line 0 ("3 more
  // errors").
  std::vector<Diagnostic> Sorted() const;

 private:
  // Kept findings: above this many those are dropped that can't be among the ones shown.
  static constexpr size_t kMaxKept = 1024;

  void Add(Diagnostic diagnostic);
  // Sorts what is kept, and drops what isn't shown.
  static void KeepShown(std::vector<Diagnostic>* diagnostics);

  std::vector<Diagnostic> diagnostics_;
  int error_count_ = 0;
  int warning_count_ = 0;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DIAGNOSTIC_LIST_H_
