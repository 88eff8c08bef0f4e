#include "common/pipeline/go_template/bounded_text.h"

#include <utility>

#include "common/pipeline/go_template/value_text.h"

namespace rally::go_template {
namespace {

// Each byte of a string that is made counts as so many that are only read: it was looked at one by
// one, and what a template keeps in variables and lists is bounded by its steps alone.
constexpr size_t kCostOfMaking = 4;

}  // namespace

bool BoundedText::Refuse(size_t bytes) {
  if (status_.ok()) status_ = budget_->CheckGrowth(text_.size(), bytes);
  return status_.ok();
}

void BoundedText::Charge(size_t bytes) {
  if (status_.ok()) status_ = budget_->Charge(bytes);
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
