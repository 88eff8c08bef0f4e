#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_FIND_TEXT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_FIND_TEXT_H_

#include <string.h>

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rally::go_template {

// text.find(part), but in time linear in both whatever they hold: string_view's own needs their
// product for "aaa...b" in "aaa...".
inline size_t FindText(absl::string_view text, absl::string_view part) {
  if (part.empty()) return 0;
  if (text.empty()) return absl::string_view::npos;
  const void* found = ::memmem(text.data(), text.size(), part.data(), part.size());
  if (found == nullptr) return absl::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_FIND_TEXT_H_
