#include "controller/blob/disk_budget.h"

#include <algorithm>
#include <limits>

namespace rally::cas {
namespace {

constexpr int64_t kBlockBytes = 4096;
constexpr int kHighPercent = 90;
constexpr int kLowPercent = 80;

int64_t Percent(int64_t whole, int percent) {
  return whole / 100 * percent + whole % 100 * percent / 100;
}

int64_t Limit(int64_t own, int64_t total, int64_t free, int64_t used, int keep_free_percent) {
  int64_t limit = std::numeric_limits<int64_t>::max();
  if (own > 0) limit = own;
  if (total > 0) {
    limit = std::min(limit, used + free - Percent(total, keep_free_percent));
  }
  return std::max<int64_t>(limit, 0);
}

}  // namespace

DiskUse UseOf(int64_t size_bytes) {
  // Sizes are claims of clients: the sum must not wrap.
  if (size_bytes > std::numeric_limits<int64_t>::max() / 4) {
    return {std::numeric_limits<int64_t>::max() / 4, 1};
  }
  return {(size_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes, 1};
}

DiskUse HardLimit(const DiskLimits& limits, const DiskRoom& room, const DiskUse& used) {
  return {
      Limit(limits.max_bytes, room.bytes, room.free_bytes, used.bytes, limits.keep_free_percent),
      Limit(limits.max_blobs, room.inodes, room.free_inodes, used.blobs, limits.keep_free_percent)};
}

DiskUse HighMark(const DiskUse& hard_limit) {
  return {Percent(hard_limit.bytes, kHighPercent), Percent(hard_limit.blobs, kHighPercent)};
}

DiskUse LowMark(const DiskUse& hard_limit) {
  return {Percent(hard_limit.bytes, kLowPercent), Percent(hard_limit.blobs, kLowPercent)};
}

}  // namespace rally::cas
