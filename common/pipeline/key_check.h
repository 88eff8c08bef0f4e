#ifndef RALLY_COMMON_PIPELINE_KEY_CHECK_H_
#define RALLY_COMMON_PIPELINE_KEY_CHECK_H_

#include <array>

#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {

// One table of the document after its keys and types were checked: what is left to look at are
// values of the right type, whose strings are literal.
//
// Ownership: points into the document, which must outlive it.
class CheckedTable {
 public:
  // The value, or null when the key is absent or was refused.
  const TomlValue* Find(Key key) const { return values_[static_cast<int>(key)]; }

  // Whether the key is there but was refused, with an error of its own. What would follow from its
  // absence must not be reported as well.
  bool WasRefused(Key key) const { return refused_[static_cast<int>(key)]; }

 private:
  friend CheckedTable CheckKeys(const TomlValue& table, KeyLevel level,
                                DiagnosticList* diagnostics);

  std::array<const TomlValue*, kKeyCount> values_ = {};
  std::array<bool, kKeyCount> refused_ = {};
};

// Reports unknown keys, values of the wrong type, templates, and what this version doesn't support.
// `table` must be a table.
CheckedTable CheckKeys(const TomlValue& table, KeyLevel level, DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KEY_CHECK_H_
