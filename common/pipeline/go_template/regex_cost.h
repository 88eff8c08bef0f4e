#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_REGEX_COST_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_REGEX_COST_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rally::go_template {

// What it takes to find all matches of an expression in a text, in bytes of Budget::Charge.
//
// RE2 reads on behind a match for as long as a better one may still begin at the same place, and
// the next search reads that again. x(.*y)? looks for a y up to the end of the text from each x, so
// that the time is quadratic. Two kinds of expressions can't do that, and are told by their looks:
//
// - What has no repetition without end reads no further than its longest match.
// - A row of single characters, each with its repetition, reads no further than to the end of the
//   next match. If a search were still reading there, at some character of the row, the next match
//   would have come past the same character of the row at the same place of the text: from there
//   the search could have gone on to the same end, to the better match that it was looking for.
//   That needs a row: alternatives and parts that repeat as a whole pass each other by.
//
// So a text is charged once for these and for each search for the others.
class RegexCost {
 public:
  // `program_size` is RE2's, `groups` counts those whose places are asked for.
  RegexCost(absl::string_view expression, size_t program_size, size_t groups);

  // Before the first search.
  size_t OfText(size_t bytes) const;
  // Of each search, with so many bytes left.
  size_t OfSearch(size_t bytes_left) const;

 private:
  // How far behind a match its search may have read.
  enum class Reach { kToNextMatch, kLongestMatch, kToEnd };

  static Reach ReachOf(absl::string_view expression);

  const Reach reach_;
  const size_t program_size_;
  const size_t byte_cost_;
};

// Of one search for whether there is a match at all.
size_t RegexTestCost(size_t program_size, size_t bytes);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_REGEX_COST_H_
