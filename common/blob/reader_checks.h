#ifndef RALLY_COMMON_BLOB_READER_CHECKS_H_
#define RALLY_COMMON_BLOB_READER_CHECKS_H_

namespace rally::blob {

// Metadata of a BatchReadBlobs or Read call whose caller checks what it gets against the digest, so
// that a store which would do so, too, need not. Stores that don't know it ignore it. Who gets
// wrong bytes reads once more without it: then the store finds the damage and puts the blob aside.
inline constexpr char kReaderChecks[] = "rally-reader-checks";

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_READER_CHECKS_H_
