#ifndef RALLY_COMMON_BLOB_DIGEST_H_
#define RALLY_COMMON_BLOB_DIGEST_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rally::blob {

// The name of a blob: the SHA-256 of its bytes and their number. A right hash with a wrong size
// names no blob. A value; an arbitrary one need not be well-formed, ParseDigest's result is.
struct Digest {
  std::string hash;  // 64 lower-case hexadecimal digits.
  int64_t size_bytes = 0;

  // "hash/size", as in resource names.
  std::string ToString() const;

  friend bool operator==(const Digest& a, const Digest& b) {
    return a.size_bytes == b.size_bytes && a.hash == b.hash;
  }
  friend bool operator!=(const Digest& a, const Digest& b) { return !(a == b); }
  friend bool operator<(const Digest& a, const Digest& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.size_bytes < b.size_bytes;
  }
  template <typename H>
  friend H AbslHashValue(H h, const Digest& d) {
    return H::combine(std::move(h), d.hash, d.size_bytes);
  }
  friend std::ostream& operator<<(std::ostream& out, const Digest& d) {
    return out << d.ToString();
  }
};

// Exactly 64 lower-case hexadecimal digits.
bool IsValidHash(absl::string_view hash);

// InvalidArgument unless both parts are well-formed.
absl::Status ValidateDigest(absl::string_view hash, int64_t size_bytes);

// The same checks, which everything from outside has to pass before it becomes a Digest
// (hashes end up in file names).
absl::StatusOr<Digest> MakeDigest(absl::string_view hash, int64_t size_bytes);

// Parses "hash/size": digits only, no sign, no leading zero, nothing around it.
absl::StatusOr<Digest> ParseDigest(absl::string_view text);

Digest DigestOf(absl::string_view bytes);
// Of bytes that lie in pieces.
Digest DigestOf(absl::Span<const absl::string_view> pieces);

// The blob without bytes, which every store has always.
const Digest& EmptyBlobDigest();

// The directory without entries and properties; its message has no bytes, so it is the empty blob.
const Digest& EmptyTreeDigest();

// SHA-256 of bytes that come in pieces.
// Threads: not thread-safe. Blocking: never. Errors: none.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&& other) noexcept;
  Hasher& operator=(Hasher&& other) noexcept;

  void Update(absl::string_view bytes);
  int64_t size_bytes() const { return size_bytes_; }

  // The digest of all bytes so far; the hasher starts afresh.
  Digest Finish();

 private:
  void Reset();

  void* context_;  // EVP_MD_CTX, owned.
  int64_t size_bytes_ = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DIGEST_H_
