#ifndef RALLY_CONTROLLER_BLOB_TRACE_H_
#define RALLY_CONTROLLER_BLOB_TRACE_H_

#include "common/blob/directory_reader.h"
#include "controller/core/command.h"
#include "controller/core/event.h"

namespace rally::controller {

// Finds where lost blobs of a step's input came from: the context, or the first of the command's
// steps whose output has the blob at a path where its input hasn't. Below a directory that can't be
// read nothing is found, but the directory itself is.
//
// Threads: any. Blocking: reads the context's directories and those that the steps changed.
// Errors: none; what isn't found is unknown.
core::BlobsTraced TraceInTrees(const core::TraceBlobs& command, blob::DirectoryReader& reader);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_BLOB_TRACE_H_
