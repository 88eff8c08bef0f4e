#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_BUDGET_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace rally::go_template {

// What rendering may cost, so that no text makes it hang or fill memory. One for all strings of a
// document; StartRender begins the next string.
//
// Threads: not thread-safe. Errors: ResourceExhausted, worded for the writer of the template.
class Budget {
 public:
  // Of every string that a template makes, its result included.
  static constexpr size_t kMaxStringBytes = size_t{64} << 10;
  // Actions, calls and loop passes of one render, and of all renders together. Work on long strings
  // counts as more.
  static constexpr int64_t kMaxRenderSteps = 100'000;
  static constexpr int64_t kMaxTotalSteps = 1'000'000;
  // Of all results together.
  static constexpr int64_t kMaxTotalBytes = int64_t{8} << 20;

  void StartRender() { render_steps_ = 0; }

  // Whether the bounds of all renders together are exceeded: no other render can succeed.
  bool IsExhausted() const {
    return total_steps_ > kMaxTotalSteps || total_bytes_ > kMaxTotalBytes;
  }

  // What it takes, in bytes of Charge, to decode a character, and to visit an element of a list or
  // map, even when nothing is made of it.
  static constexpr size_t kCharacterCost = 16;
  static constexpr size_t kElementCost = 64;

  // One step that touches `bytes` bytes.
  absl::Status Charge(size_t bytes = 0);

  // `bytes` more of a string that has `size` bytes so far; before they are appended.
  absl::Status CheckGrowth(size_t size, size_t bytes) const;

  // A render gave a result of that size.
  absl::Status ChargeResult(size_t bytes);

 private:
  int64_t render_steps_ = 0;
  int64_t total_steps_ = 0;
  int64_t total_bytes_ = 0;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_BUDGET_H_
