#ifndef RALLY_COMMON_PIPELINE_SPELLING_H_
#define RALLY_COMMON_PIPELINE_SPELLING_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

// The Damerau-Levenshtein distance (insert, delete, replace, swap neighbours), or limit + 1 when it
// is over `limit`. Costs O(length), not O(length^2), for words that are far apart.
int EditDistance(absl::string_view a, absl::string_view b, int limit);

// The candidate that `word` was probably meant to be: equal but for case, or at most two edits away
// (and fewer than the candidate has letters). Among equals the earliest; "" when none is near.
absl::string_view NearestWord(absl::string_view word,
                              const std::vector<absl::string_view>& candidates);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_SPELLING_H_
