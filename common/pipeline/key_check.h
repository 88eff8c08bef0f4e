#ifndef RALLY_COMMON_PIPELINE_KEY_CHECK_H_
#define RALLY_COMMON_PIPELINE_KEY_CHECK_H_

#include <array>

#include "absl/types/span.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/string_renderer.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {

// One table of the document after its keys and types were checked and its strings rendered.
//
// Ownership: points into the document, which must outlive it.
class CheckedTable {
 public:
  // The value, or null when the key is absent or anything about it was refused.
  const TomlValue* Find(Key key) const {
    return WasRefused(key) ? nullptr : values_[static_cast<int>(key)];
  }

  // As Find, but also an array of which some elements were refused (IsRefused tells which): what is
  // wrong with the others is worth reporting too. And a string whose type is right, but whose
  // template can't be rendered.
  const TomlValue* FindPartly(Key key) const { return values_[static_cast<int>(key)]; }

  // Whether the key is there but was refused, with an error of its own. What would follow from its
  // absence must not be reported as well.
  bool WasRefused(Key key) const { return refused_[static_cast<int>(key)]; }

  // The string of a key that was meant to be "id", but isn't; null when there is none. Where others
  // name the step, they make no second mistake.
  const TomlValue* misspelt_id() const { return misspelt_id_; }

  // The tables of an array of tables, to be checked themselves; none when it is absent or refused.
  absl::Span<TomlValue> Tables(Key key) const {
    TomlValue* value = values_[static_cast<int>(key)];
    return value == nullptr ? absl::Span<TomlValue>() : value->elements();
  }

 private:
  friend CheckedTable CheckKeys(KeyLevel level, TomlValue* table, StringRenderer* renderer,
                                DiagnosticList* diagnostics);

  std::array<TomlValue*, kKeyCount> values_ = {};
  std::array<bool, kKeyCount> refused_ = {};
  const TomlValue* misspelt_id_ = nullptr;
};

// Of an element of an array that FindPartly gave.
inline bool IsRefused(const TomlValue& element) { return element.type() == TomlType::kTable; }

// Reports unknown keys, values of the wrong type, templates that can't be rendered and choices that
// don't exist. `table` must be a table; its strings become what their templates say.
CheckedTable CheckKeys(KeyLevel level, TomlValue* table, StringRenderer* renderer,
                       DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KEY_CHECK_H_
