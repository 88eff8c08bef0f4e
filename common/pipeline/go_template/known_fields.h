#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_KNOWN_FIELDS_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_KNOWN_FIELDS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/syntax.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// The two maps of the data that are complete: the top level, and the one under its "Build". A field
// that they don't have is a mistake, where a field that any other map doesn't have is nil.
//
// Ownership: the data must outlive it. Threads: may be used by several at once.
class KnownFields {
 public:
  explicit KnownFields(const Value& data);

  // What to say about the field `name`, which `map` doesn't have; "" when that is no mistake.
  std::string Problem(const Value::Map& map, absl::string_view name) const;

  // The first mistake that shows without evaluating: fields of $, and of the dot where it is the
  // data still, and constants that `index` takes for fields of them. Finds it in branches that are
  // not taken, too.
  std::optional<Failure> Check(const Tree& tree) const;

 private:
  const Value::Map* root_ = nullptr;
  const Value::Map* build_ = nullptr;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_KNOWN_FIELDS_H_
