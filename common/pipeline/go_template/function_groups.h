#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_GROUPS_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_GROUPS_H_

#include "absl/types/span.h"
#include "common/pipeline/go_template/function.h"

namespace rally::go_template {

// The functions by what they are about, each group in the file of its name. The first four are Go's
// own, the others have the names and the argument order of the sprig library.

absl::Span<const Function> ComparisonFunctions();  // eq ne lt le gt ge not
absl::Span<const Function> ElementFunctions();     // len index slice
absl::Span<const Function> PrintFunctions();       // print println html js urlquery
absl::Span<const Function> PrintfFunctions();      // printf

absl::Span<const Function> DefaultFunctions();   // default empty coalesce ternary fail
absl::Span<const Function> StringFunctions();    // upper lower trim ... substr
absl::Span<const Function> ListFunctions();      // splitList join first ... sortAlpha
absl::Span<const Function> NumberFunctions();    // add sub mul div mod max min int
absl::Span<const Function> EncodingFunctions();  // toString toJson b64enc b64dec sha256sum
absl::Span<const Function> RegexFunctions();     // regexMatch regexReplaceAll

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_FUNCTION_GROUPS_H_
