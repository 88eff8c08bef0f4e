#ifndef RALLY_COMMON_BLOB_FILE_DIGEST_H_
#define RALLY_COMMON_BLOB_FILE_DIGEST_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest.h"
#include "common/blob/keep_going.h"

namespace rally::blob {

// Reads from the descriptor's current offset to its end, or so many bytes. Blocks on the disk; a
// sparse file can be longer than the disk, so `keep_going` is asked after every piece.
absl::StatusOr<Digest> DigestOfFile(int fd,
                                    int64_t most_bytes = std::numeric_limits<int64_t>::max(),
                                    const KeepGoing& keep_going = nullptr);

// As pread, but fewer bytes than asked for are returned only at the file's end.
ssize_t ReadAt(int fd, int64_t offset, size_t bytes, char* to);

// Writes all bytes, however many calls it takes. ResourceExhausted when the disk is full.
absl::Status WriteAll(int fd, absl::string_view bytes);

// "what: strerror", with the code that the error number stands for: a full disk or quota is
// ResourceExhausted, others as absl::ErrnoToStatusCode says.
absl::Status ErrnoStatus(int error_number, absl::string_view what);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_FILE_DIGEST_H_
