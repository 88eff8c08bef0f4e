#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_GO_QUOTE_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_GO_QUOTE_H_

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/bounded_text.h"

namespace rally::go_template {

enum class QuoteCharacters {
  kPrintable,  // é stays é
  kAscii,      // é becomes \u00e9
};

// `text` as a Go string literal in double quotes.
void AppendQuoted(absl::string_view text, QuoteCharacters characters, BoundedText* out);

// One character as a Go literal in single quotes.
void AppendQuotedCharacter(char32_t code, QuoteCharacters characters, BoundedText* out);

// Whether Go can write it between backquotes: one line, valid UTF-8, no control characters but tab.
bool CanBackquote(absl::string_view text);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_GO_QUOTE_H_
