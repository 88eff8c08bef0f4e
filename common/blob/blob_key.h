#ifndef RALLY_COMMON_BLOB_BLOB_KEY_H_
#define RALLY_COMMON_BLOB_BLOB_KEY_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest.h"

namespace rally::blob {

// A well-formed digest in 40 bytes, for tables with millions of them. A value.
struct BlobKey {
  std::array<uint8_t, 32> hash = {};
  int64_t size_bytes = 0;

  // A digest that isn't well-formed gives the key of no blob.
  static BlobKey Of(const Digest& digest) { return Of(digest.hash, digest.size_bytes); }
  static BlobKey Of(absl::string_view hash, int64_t size_bytes) {
    BlobKey key;
    key.size_bytes = size_bytes;
    if (!IsValidHash(hash)) return key;
    const auto value = [](char c) {
      return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    };
    for (size_t i = 0; i < key.hash.size(); ++i) {
      key.hash[i] = static_cast<uint8_t>(value(hash[2 * i]) << 4 | value(hash[2 * i + 1]));
    }
    return key;
  }

  static const BlobKey& OfEmptyBlob() {
    static const BlobKey key = Of(EmptyBlobDigest());
    return key;
  }

  Digest ToDigest() const {
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
  friend bool operator!=(const BlobKey& a, const BlobKey& b) { return !(a == b); }
  // As the order of digests.
  friend bool operator<(const BlobKey& a, const BlobKey& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.size_bytes < b.size_bytes;
  }
  template <typename H>
  friend H AbslHashValue(H h, const BlobKey& key) {
    return H::combine(std::move(h), key.prefix(), key.size_bytes);
  }
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_BLOB_KEY_H_
