#ifndef RALLY_COMMON_BLOB_DELTA_CONFLICTS_H_
#define RALLY_COMMON_BLOB_DELTA_CONFLICTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/blob/delta.h"

namespace rally::blob {

// The conflicts between unordered ones of the deltas, as Join reports them.
absl::StatusOr<std::vector<Conflict>> FindConflicts(DirectoryReader& reader,
                                                    absl::Span<const StepTrees> deltas,
                                                    const OrderedPredicate& ordered);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DELTA_CONFLICTS_H_
