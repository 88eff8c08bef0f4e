#ifndef RALLY_CONTROLLER_BLOB_BLOB_INDEX_H_
#define RALLY_CONTROLLER_BLOB_BLOB_INDEX_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/disk_budget.h"

namespace rally::cas {

// What a blob store knows of its blobs without asking the disk: which it has, when each was used
// last, until when it must stay, and how many pins hold it. It does no I/O. After a restart its
// shards are filled one by one; what a shard says of an unknown blob before that is "unknown".
//
// Who gives a blob its file, or takes it away, claims the blob first: so an upload never takes a
// file for stored that is being evicted, and an eviction never takes the file of a new upload.
//
// Threads: thread-safe; a lock per shard. Blocking: Claim, Use and Pin while somebody else has
//   claimed the blob, which is for one change of a directory. Errors: none.
class BlobIndex {
 public:
  static constexpr int kShards = 256;
  using Seconds = uint32_t;  // since 1970

  enum class Presence { kPresent, kAbsent, kUnknown };

  // What is known of the blob. If it is there: it is used now, and stays until `keep_until`.
  Presence Use(const BlobKey& key, Seconds now, Seconds keep_until = 0);

  // Only this caller changes the blob's file until Release, which says what came of it (kUnknown:
  // nothing is known that wasn't before), and counts as Use if the blob is there then.
  Presence Claim(const BlobKey& key);
  void Release(const BlobKey& key, Presence found, Seconds now, Seconds keep_until = 0);

  // Claims a blob to evict it, unless it is pinned, must stay, was used after `not_used_after`, or
  // is claimed.
  bool TryClaimToEvict(const BlobKey& key, Seconds now, Seconds not_used_after);

  // A pinned blob isn't evicted. Each pin needs its own Unpin. Blobs that aren't there can be
  // pinned: it holds once they are. Unpin counts as Use. Pin returns how many surely aren't there.
  int64_t Pin(absl::Span<const BlobKey> keys);
  void Unpin(absl::Span<const BlobKey> keys, Seconds now);

  // What the directory of one shard held.
  struct Found {
    BlobKey key;
    Seconds last_use = 0;
    Seconds keep_until = 0;
  };
  void Fill(int shard, absl::Span<const Found> found);
  // Whether all shards were filled.
  bool IsComplete() const { return filled_ == kShards; }

  // Calls `visit` for each blob of the shard that could be evicted now, under the shard's lock.
  void ForEachEvictable(int shard, Seconds now,
                        const std::function<void(const BlobKey&, Seconds last_use)>& visit);
  // Likewise for each that is there.
  void ForEach(int shard, const std::function<void(const BlobKey&, Seconds last_use)>& visit);

  // What is there, all together, and how much of it is pinned.
  DiskUse used() const { return {bytes_, blobs_}; }
  int64_t pinned_blobs() const { return pinned_; }
  int64_t entries();

 private:
  struct Entry {
    Seconds last_use = 0;
    Seconds keep_until = 0;
    uint32_t pins : 30;
    uint32_t present : 1;
    uint32_t claimed : 1;
    Entry() : pins(0), present(0), claimed(0) {}
  };
  using Entries = absl::flat_hash_map<BlobKey, Entry>;
  struct Shard {
    absl::Mutex mutex;
    Entries entries ABSL_GUARDED_BY(mutex);
    bool complete ABSL_GUARDED_BY(mutex) = false;
  };

  Entries::iterator FindUnclaimed(Shard& shard, const BlobKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void SetPresent(const BlobKey& key, Entry& entry, bool present);
  static bool MayGo(const Entry& entry, Seconds now) {
    return entry.present && !entry.claimed && entry.pins == 0 && entry.keep_until <= now;
  }

  std::array<Shard, kShards> shards_;
  std::atomic<int> filled_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> blobs_{0};
  std::atomic<int64_t> pinned_{0};
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_INDEX_H_
