#ifndef RALLY_CONTROLLER_SUBMISSION_H_
#define RALLY_CONTROLLER_SUBMISSION_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/blob/blob_store.h"
#include "common/blob/directory_reader.h"
#include "common/pipeline/parser.h"
#include "controller/core/event.h"
#include "rally/v1/build.pb.h"

namespace rally::controller {

// Checks what a client submitted, trusting nothing of it, and makes the event that the core takes.
// `now` is what templates see as the date of the build. Blocks on the blob store, for a time in
// proportion to the context tree.
// Errors: InvalidArgument with every error of the pipeline, one a line; FailedPrecondition naming
// blobs of the context that are missing, or what this controller can't do for the pipeline.
absl::StatusOr<core::BuildSubmitted> CheckSubmission(const v1::SubmitRequest& request,
                                                     const pipeline::ParseOptions& options,
                                                     absl::Time now, blob::BlobStore& store,
                                                     blob::DirectoryReader& reader);

// [a-z0-9], short enough to type, random enough not to meet another.
std::string NewBuildId();

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SUBMISSION_H_
