#ifndef RALLY_RALLYCTL_FINDINGS_RULES_H_
#define RALLY_RALLYCTL_FINDINGS_RULES_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic.h"

namespace rally::rallyctl {

// A kind of finding about a pipeline, for programs that count, filter or explain them.
struct Rule {
  const char* id;
  const char* description;
};

// In a fixed order; where a rule stands is RuleIndex.
size_t RuleCount();
const Rule& RuleAt(size_t index);

// The kind of a finding, by the words that each kind has in its text. The last two rules take what
// no other does, an error or a warning.
size_t RuleIndex(const pipeline::Diagnostic& diagnostic);
absl::string_view RuleId(const pipeline::Diagnostic& diagnostic);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FINDINGS_RULES_H_
