#ifndef RALLY_CONTROLLER_SUBMISSION_H_
#define RALLY_CONTROLLER_SUBMISSION_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/blob/digest.h"
#include "common/pipeline/parser.h"
#include "controller/core/event.h"
#include "rally/v1/build.pb.h"

namespace rally::controller {

// The blobs of a tree that the store lacks, as blob::FindMissingInTree answers.
using FindMissingInTree =
    std::function<absl::StatusOr<std::vector<blob::Digest>>(const blob::Digest& root)>;

// Checks what a client submitted, trusting nothing of it, and makes the event that the core takes.
// `now` is what templates see as the date of the build. Blocks on `find_missing`, for a time in
// proportion to the context tree.
// Errors: InvalidArgument with every error of the pipeline, one a line; FailedPrecondition naming
// blobs of the context that are missing, or what this controller can't do for the pipeline.
absl::StatusOr<core::BuildSubmitted> CheckSubmission(const v1::SubmitRequest& request,
                                                     const pipeline::ParseOptions& options,
                                                     absl::Time now,
                                                     const FindMissingInTree& find_missing);

// [a-z0-9], short enough to type, random enough not to meet another.
std::string NewBuildId();

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SUBMISSION_H_
