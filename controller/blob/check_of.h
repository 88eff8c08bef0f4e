#ifndef RALLY_CONTROLLER_BLOB_CHECK_OF_H_
#define RALLY_CONTROLLER_BLOB_CHECK_OF_H_

#include "common/blob/reader_checks.h"
#include "controller/blob/disk_store.h"
#include "grpcpp/server_context.h"

namespace rally::cas {

// Whether the caller of a reading call checks what it gets.
inline DiskStore::Check CheckOf(const grpc::CallbackServerContext& context) {
  return context.client_metadata().count(blob::kReaderChecks) > 0 ? DiskStore::Check::kByReader
                                                                  : DiskStore::Check::kHere;
}

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_CHECK_OF_H_
