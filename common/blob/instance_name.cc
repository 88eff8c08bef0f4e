#include "common/blob/instance_name.h"

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rally::blob {
namespace {

constexpr size_t kMaxInstanceBytes = 1024;
constexpr size_t kMaxShownBytes = 200;

constexpr std::array<absl::string_view, 7> kReserved = {
    "blobs",      "uploads",      "actions",         "actionResults",
    "operations", "capabilities", "compressed-blobs"};

}  // namespace

bool IsReservedSegment(absl::string_view segment) {
  return std::find(kReserved.begin(), kReserved.end(), segment) != kReserved.end();
}

absl::Status CheckInstanceName(absl::string_view instance) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "instance name '", absl::CHexEscape(instance.substr(0, kMaxShownBytes)), "': ", why));
  };
  if (instance.empty()) return absl::OkStatus();
  if (instance.size() > kMaxInstanceBytes) return refuse("too long");
  for (absl::string_view segment : absl::StrSplit(instance, '/')) {
    if (segment.empty()) return refuse("it has an empty segment");
    if (IsReservedSegment(segment)) {
      return refuse(absl::StrCat("'", segment, "' can't be part of it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rally::blob
