#ifndef RALLY_COMMON_BLOB_FILE_SIZES_H_
#define RALLY_COMMON_BLOB_FILE_SIZES_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/blob/tree.h"

namespace rally::blob {

// Adds up the files of which a tree is to be made, so that too much is refused by what stat says of
// it, before anybody reads it: a sparse file of terabytes costs nothing to make, and hours to hash.
class FileSizes {
 public:
  // `advice` ends the message: what a person can do. Both outlive this.
  FileSizes(const TreeLimits& limits, absl::string_view advice)
      : limits_(limits), advice_(advice) {}

  // ResourceExhausted, naming file, size and limit, for a file that is too large, and for the one
  // with which all of them are.
  absl::Status Add(int64_t bytes, absl::FunctionRef<std::string()> path);

 private:
  const TreeLimits& limits_;
  const absl::string_view advice_;
  int64_t total_bytes_ = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_FILE_SIZES_H_
