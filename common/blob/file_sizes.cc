#include "common/blob/file_sizes.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/size.h"

namespace rally::blob {
namespace {

// Of a longer path the first part says where to look.
constexpr size_t kMaxShownPathBytes = 1000;

std::string Shown(const std::string& path) {
  const bool whole = path.size() <= kMaxShownPathBytes;
  return absl::StrCat("'", absl::CEscape(path.substr(0, kMaxShownPathBytes)), whole ? "'" : "...'");
}

std::string Shown(int64_t bytes) { return absl::StrCat(bytes, " bytes (", SizeText(bytes), ")"); }

}  // namespace

absl::Status FileSizes::Add(int64_t bytes, absl::FunctionRef<std::string()> path) {
  if (bytes > limits_.max_file_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(Shown(path()), " has ", Shown(bytes), ", more than the ",
                     SizeText(limits_.max_file_bytes), " that a file may have; ", advice_));
  }
  // Neither is more than a limit, so that the sum fits.
  total_bytes_ += bytes;
  if (total_bytes_ <= limits_.max_total_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "with ", Shown(path()), ", which has ", Shown(bytes), ", the files have more than the ",
      SizeText(limits_.max_total_bytes), " that a workspace may have in all; ", advice_));
}

}  // namespace rally::blob
