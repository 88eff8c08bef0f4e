#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNICODE_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNICODE_H_

namespace rally::go_template {

// Properties of characters by Unicode 13, the same on every machine and in every locale.

// The simple mappings: always one character for one.
char32_t ToUpper(char32_t code);
char32_t ToLower(char32_t code);

bool IsSpace(char32_t code);

// Letters, marks, numbers, punctuation, symbols and the blank: what Go's %q shows as it is.
bool IsPrintable(char32_t code);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNICODE_H_
