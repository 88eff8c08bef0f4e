#ifndef RALLY_CONTROLLER_BLOB_BLOB_KEY_H_
#define RALLY_CONTROLLER_BLOB_BLOB_KEY_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest.h"

namespace rally::cas {

// A well-formed digest in 40 bytes, for tables with millions of them. A value.
struct BlobKey {
  std::array<uint8_t, 32> hash = {};
  int64_t size_bytes = 0;

  // A digest that isn't well-formed gives the key of no blob.
  static BlobKey Of(const blob::Digest& digest) {
    BlobKey key;
    const std::string bytes = absl::HexStringToBytes(digest.hash);
    memcpy(key.hash.data(), bytes.data(), std::min(bytes.size(), key.hash.size()));
    key.size_bytes = digest.size_bytes;
    return key;
  }

  blob::Digest ToDigest() const {
    return {absl::BytesToHexString(
                absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size())),
            size_bytes};
  }

  int shard() const { return hash[0]; }

  // Enough of the hash to tell blobs of one shard apart; a collision costs nothing but precision.
  uint64_t prefix() const {
    uint64_t bits;
    memcpy(&bits, hash.data() + 1, sizeof(bits));
    return bits;
  }

  friend bool operator==(const BlobKey& a, const BlobKey& b) {
    return a.hash == b.hash && a.size_bytes == b.size_bytes;
  }
  template <typename H>
  friend H AbslHashValue(H h, const BlobKey& key) {
    return H::combine(std::move(h), key.prefix(), key.size_bytes);
  }
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_KEY_H_
