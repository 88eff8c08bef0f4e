#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_BOUNDED_TEXT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_BOUNDED_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// A string that a function makes, which asks the budget before it grows. The first refusal is kept
// and all later appends do nothing, so a function needs to look only at the end.
//
// Ownership: `budget` must outlive it. Threads: not thread-safe.
class BoundedText {
 public:
  explicit BoundedText(Budget* budget) : budget_(budget) {}

  void Append(absl::string_view text) {
    if (Fits(text.size())) text_.append(text.data(), text.size());
  }
  void Append(size_t count, char c) {
    if (Fits(count)) text_.append(count, c);
  }
  void Append(char c) {
    if (Fits(1)) text_.push_back(c);
  }
  // Whether `bytes` more would fit. If not, fails as appending them would.
  bool Fits(size_t bytes) {
    // Inline, since most functions append character by character.
    return (status_.ok() && text_.size() + bytes <= Budget::kMaxStringBytes) || Refuse(bytes);
  }
  // As AppendText of value_text.h.
  void AppendValue(const Value& value);

  // As Budget::Charge, for work that leaves no bytes behind.
  void Charge(size_t bytes);

  // The function found something wrong with its arguments.
  void Fail(absl::Status status);

  // Nothing more will be appended; loops may end early.
  bool failed() const { return !status_.ok(); }

  // The string as a value, its cost charged; or what went wrong.
  absl::StatusOr<Value> Finish();
  // The same for what is no result yet.
  absl::StatusOr<std::string> FinishText();

 private:
  bool Refuse(size_t bytes);

  Budget* const budget_;
  std::string text_;
  absl::Status status_;
};

// A copy of `text`, which is part of an argument.
absl::StatusOr<Value> NewString(absl::string_view text, Budget* budget);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_BOUNDED_TEXT_H_
