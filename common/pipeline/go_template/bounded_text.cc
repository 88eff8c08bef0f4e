#include "common/pipeline/go_template/bounded_text.h"

#include <utility>

#include "common/pipeline/go_template/value_text.h"

namespace rally::go_template {
namespace {

// Making a string of this times fewer bytes costs as much as reading them: what a template keeps in
// variables and lists is bounded by its steps alone.
constexpr size_t kCostOfMaking = 2;

}  // namespace

bool BoundedText::Fits(size_t bytes) {
  if (status_.ok()) status_ = budget_->CheckGrowth(text_.size(), bytes);
  return status_.ok();
}

void BoundedText::Append(absl::string_view text) {
  if (Fits(text.size())) text_.append(text.data(), text.size());
}

void BoundedText::Append(size_t count, char c) {
  if (Fits(count)) text_.append(count, c);
}

void BoundedText::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void BoundedText::AppendValue(const Value& value) {
  if (status_.ok()) status_ = AppendText(value, budget_, &text_);
}

absl::StatusOr<std::string> BoundedText::FinishText() {
  if (status_.ok()) status_ = budget_->Charge(kCostOfMaking * text_.size());
  if (!status_.ok()) return status_;
  return std::move(text_);
}

absl::StatusOr<Value> BoundedText::Finish() {
  absl::StatusOr<std::string> text = FinishText();
  if (!text.ok()) return text.status();
  return Value(*std::move(text));
}

absl::StatusOr<Value> NewString(absl::string_view text, Budget* budget) {
  BoundedText copy(budget);
  copy.Append(text);
  return copy.Finish();
}

}  // namespace rally::go_template
