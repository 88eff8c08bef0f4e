#include "common/pipeline/go_template/budget.h"

#include "absl/strings/str_cat.h"

namespace rally::go_template {
namespace {

// A call on this many bytes counts as a further step.
constexpr size_t kBytesPerStep = 512;

}  // namespace

absl::Status Budget::Charge(size_t bytes) {
  const auto steps = static_cast<int64_t>(1 + bytes / kBytesPerStep);
  render_steps_ += steps;
  total_steps_ += steps;
  if (render_steps_ > kMaxRenderSteps) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the template takes more than ", kMaxRenderSteps, " steps"));
  }
  if (total_steps_ > kMaxTotalSteps) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the templates of this file take more than ", kMaxTotalSteps, " steps"));
  }
  return absl::OkStatus();
}

absl::Status Budget::CheckGrowth(size_t size, size_t bytes) const {
  if (bytes <= kMaxStringBytes && size <= kMaxStringBytes - bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("a text of the template grows over ", kMaxStringBytes >> 10, " KiB"));
}

absl::Status Budget::ChargeResult(size_t bytes) {
  total_bytes_ += static_cast<int64_t>(bytes);
  if (total_bytes_ <= kMaxTotalBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the templates of this file give more than ",
                                                   kMaxTotalBytes >> 20, " MiB of text"));
}

}  // namespace rally::go_template
