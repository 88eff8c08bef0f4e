#ifndef RALLY_COMMON_PIPELINE_VALUES_H_
#define RALLY_COMMON_PIPELINE_VALUES_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/go_template/value.h"
#include "common/pipeline/parameters.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {

// What templates see as .Values: tables merged in the order in which they are added. The later wins
// at every depth; arrays are replaced, but a table and something else under one name is an error.
//
// It doesn't read files. Threads: not thread-safe. Errors: reported to the list, in a file under
// the file's name and in a --set at line 0; all that follow are still checked.
class Values {
 public:
  static constexpr size_t kMaxFiles = 64;
  static constexpr size_t kMaxFileBytes = size_t{1} << 20;
  static constexpr size_t kMaxAllFilesBytes = size_t{4} << 20;
  static constexpr size_t kMaxSets = 1000;
  static constexpr size_t kMaxSetBytes = size_t{64} << 10;
  // Tables and arrays inside each other. What holds the values adds two more.
  static constexpr int kMaxDepth = go_template::Value::kMaxDepth - 2;

  explicit Values(DiagnosticList* diagnostics);
  ~Values();

  void AddFile(const ValuesFile& file);

  // "a.b=c": the text behind the first "=" under the name before it, whose dots lead into tables.
  void AddSet(absl::string_view set);

  go_template::Value::Map Merged() const;

 private:
  struct Node;
  struct Source;

  void Merge(const TomlValue& table, const std::string& path, int depth, const Source& source,
             Node* into);

  DiagnosticList& diagnostics_;
  const std::unique_ptr<Node> root_;
  size_t files_ = 0;
  size_t file_bytes_ = 0;
  size_t sets_ = 0;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_VALUES_H_
