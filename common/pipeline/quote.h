#ifndef RALLY_COMMON_PIPELINE_QUOTE_H_
#define RALLY_COMMON_PIPELINE_QUOTE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

// `text` as a message shows it: in double quotes, on one line, control characters escaped, and cut
// after about a hundred bytes, so that a hostile value can't fill a terminal or drive it.
std::string Quote(absl::string_view text);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_QUOTE_H_
