#ifndef RALLY_CONTROLLER_BLOB_PACK_TABLE_H_
#define RALLY_CONTROLLER_BLOB_PACK_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "controller/blob/blob_key.h"

// A pack is a file with many small blobs: a table of their digests with a hash of its own, then
// their bytes in the table's order. It is written once, and never changed.
namespace rally::cas {

struct PackedBlob {
  BlobKey key;
  int64_t offset = 0;  // Of its first byte in the file.
};

// What a pack with these blobs begins with. A blob has less than 4 GiB.
std::string MakePackTable(absl::Span<const BlobKey> keys);

struct PackTable {
  std::vector<PackedBlob> blobs;
  // Otherwise some of these aren't there.
  bool intact = true;
};

// Where the blobs of an open pack are. It doesn't read them. DataLoss when it is no whole pack;
// what errno says when it can't be read.
absl::StatusOr<PackTable> ReadPackTable(int fd);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_PACK_TABLE_H_
