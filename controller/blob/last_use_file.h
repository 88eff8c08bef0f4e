#ifndef RALLY_CONTROLLER_BLOB_LAST_USE_FILE_H_
#define RALLY_CONTROLLER_BLOB_LAST_USE_FILE_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"

namespace rally::cas {

// When each blob was used last, kept over restarts in one file below the store's directory: 12
// bytes a blob, shard by shard. Losing it, or finding it damaged, costs nothing but a poor order of
// eviction for a while; nothing else is decided by it.
namespace last_use {

struct Use {
  uint64_t prefix;  // BlobKey::prefix
  uint32_t last_use;
};

// Reads the file shard by shard.
class Reader {
 public:
  // Marks the file, if there is one, as that of a process that has not ended well yet.
  explicit Reader(int directory_fd);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // When the file was written; 0 if there is none that can be read.
  uint32_t saved_at() const { return saved_at_; }
  // Whether its writer's process ended right after.
  bool clean() const { return clean_; }

  // The uses of the next shard; empty from the first damage on.
  absl::flat_hash_map<uint64_t, uint32_t> NextShard();

 private:
  FILE* file_ = nullptr;
  uint32_t saved_at_ = 0;
  bool clean_ = false;
  int64_t left_ = 0;  // uses that the file has room for
};

// Writes a new file, which takes the old one's place when it is whole.
class Writer {
 public:
  explicit Writer(int directory_fd);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void AddShard(absl::Span<const Use> uses);
  absl::Status Finish(uint32_t saved_at, bool clean);

 private:
  const int directory_fd_;
  FILE* file_ = nullptr;
  bool failed_ = false;
};

}  // namespace last_use
}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_LAST_USE_FILE_H_
