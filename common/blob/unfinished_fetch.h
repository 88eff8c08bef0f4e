#ifndef RALLY_COMMON_BLOB_UNFINISHED_FETCH_H_
#define RALLY_COMMON_BLOB_UNFINISHED_FETCH_H_

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rally::blob {

// Where `rallyctl fetch` puts what isn't whole yet, beside its result: a folder of this name, with
// so many hexadecimal digits behind it. Contexts leave it out.
inline constexpr char kUnfinishedFetchPrefix[] = ".rally-fetch-";
inline constexpr size_t kUnfinishedFetchDigits = 12;

inline bool IsUnfinishedFetch(absl::string_view name) {
  return absl::ConsumePrefix(&name, kUnfinishedFetchPrefix) &&
         name.size() == kUnfinishedFetchDigits &&
         std::all_of(name.begin(), name.end(), absl::ascii_isxdigit);
}

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_UNFINISHED_FETCH_H_
