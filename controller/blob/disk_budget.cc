#include "controller/blob/disk_budget.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/size.h"

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

int64_t MostBytes(const DiskLimits& limits, const DiskRoom& room) {
  return Limit(limits.max_bytes, room.bytes, room.bytes, 0, limits.keep_free_percent);
}

std::string DescribeFull(const DiskLimits& limits, const DiskUse& taken, const DiskUse& wanted,
                         const DiskUse& hard_limit) {
  const bool lacks_bytes = taken.bytes + wanted.bytes > hard_limit.bytes;
  const bool by_flag = lacks_bytes ? limits.max_bytes > 0 && limits.max_bytes <= hard_limit.bytes
                                   : limits.max_blobs > 0 && limits.max_blobs <= hard_limit.blobs;
  const std::string may =
      lacks_bytes ? SizeText(hard_limit.bytes) : absl::StrCat(hard_limit.blobs, " blobs");
  const absl::string_view flag = lacks_bytes ? "--blob-bytes" : "--blob-files";
  return absl::StrCat(
      "the blob store is full: its ", taken.blobs,
      taken.blobs == 1 ? " blob takes " : " blobs take ", SizeText(taken.bytes), ", ",
      SizeText(wanted.bytes), " more are wanted, and ",
      by_flag ? absl::StrCat(flag, " lets it have ", may, ". Try again later, or raise ", flag,
                             " of rally-controller")
              : absl::StrCat("its disk leaves it ", may,
                             ". Try again later, or free some space on the controller's disk"));
}

std::string DescribeTooBig(const DiskLimits& limits, const DiskUse& wanted, int64_t most_bytes) {
  const bool by_flag = limits.max_bytes > 0 && limits.max_bytes <= most_bytes;
  return absl::StrCat("it takes ", SizeText(wanted.bytes),
                      " and can never fit: the whole blob store ",
                      by_flag ? absl::StrCat("may take ", SizeText(most_bytes),
                                             ". Raise --blob-bytes of rally-controller, or leave "
                                             "the file out")
                              : absl::StrCat("has ", SizeText(most_bytes),
                                             " of its disk. Give the controller a larger disk, or "
                                             "leave the file out"));
}

DiskUse HighMark(const DiskUse& hard_limit) {
  return {Percent(hard_limit.bytes, kHighPercent), Percent(hard_limit.blobs, kHighPercent)};
}

DiskUse LowMark(const DiskUse& hard_limit) {
  return {Percent(hard_limit.bytes, kLowPercent), Percent(hard_limit.blobs, kLowPercent)};
}

}  // namespace rally::cas
