#ifndef RALLY_CONTROLLER_BLOB_DISK_STORE_H_
#define RALLY_CONTROLLER_BLOB_DISK_STORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/blob/digest.h"
#include "common/file_descriptor.h"
#include "controller/blob/blob_files.h"
#include "controller/blob/blob_index.h"
#include "controller/blob/blob_packs.h"
#include "controller/blob/disk_budget.h"
#include "controller/worker_pool.h"

namespace rally::cas {

struct DiskStoreOptions {
  DiskLimits limits;
  // How long a blob surely stays after it was uploaded or FindMissing said that it is there, so
  // that its client can refer to it. Afterwards the one used the longest ago goes first.
  absl::Duration grace = absl::Minutes(10);
  // Evict nothing before AllowEviction: pins from before a restart come first.
  bool await_pins = false;
  // How long an upload to a full store waits for eviction.
  absl::Duration longest_wait_for_room = absl::Seconds(1);
  // How often it is kept on disk when blobs were used last.
  absl::Duration save_interval = absl::Minutes(5);
  // The time; steps of the wall clock should not show in it. Empty: a clock that is so.
  std::function<absl::Time()> clock;
};

// Blobs as files, many small ones that came together as one file, within a budget. What a file
// holds is never trusted: its size is checked before and its hash while it is read, unless who
// reads does that; a damaged one is put aside and counts as missing from then on. It serves at once
// after a restart, while it still finds out what it has, and counts it as it finds it: uploads
// meanwhile may exceed max_bytes and max_blobs, never the room on the disk. Whoever asks for a blob
// that has no file of its own waits until the tables of all packs were read. Blobs that are not
// pinned may be evicted after their grace. It knows nothing of trees and builds.
//
// Ownership: owns everything below the directory, which one process uses at a time. Readers and
//   writers must not outlive it.
// Threads: thread-safe; a Reader or Writer belongs to one thread at a time. One thread of its own
//   fills the index, evicts, and keeps the times of last use.
// Blocking: every method, on the disk; NewWriter for options.longest_wait_for_room when the store
//   is full; Sync until all is on the disk.
// Errors: NotFound (missing, or just found damaged before a byte was handed out), DataLoss (found
//   damaged after some bytes were), InvalidArgument (bytes that are not what the digest says,
//   or more than the whole store may take), ResourceExhausted (store or disk full, or out of inodes
//   or descriptors; goes by itself).
class DiskStore {
  // Where a blob's bytes are.
  struct Opened {
    FileDescriptor fd;
    int64_t begin = 0;  // Of the blob's first byte in the file.
    // If the file has others, too.
    std::optional<BlobPacks::Place> place;
  };

 public:
  // Creates what doesn't exist and removes what a crash left half written.
  static absl::StatusOr<std::unique_ptr<DiskStore>> Open(const std::string& directory,
                                                         DiskStoreOptions options = {});
  ~DiskStore();
  DiskStore(const DiskStore&) = delete;
  DiskStore& operator=(const DiskStore&) = delete;

  // Those that aren't there, each occurrence, in order. The others stay for the grace.
  absl::StatusOr<std::vector<blob::Digest>> FindMissing(absl::Span<const blob::Digest> digests);
  // Likewise for one, which must be well-formed.
  bool Contains(const blob::Digest& digest) { return Contains(BlobKey::Of(digest)); }
  bool Contains(const BlobKey& key) { return Finder(this).Contains(key); }

  // Contains for many, one after another: the file of those that came together is looked at once.
  // For one call: what became of the file later doesn't show. The store outlives it; one thread.
  class Finder {
   public:
    explicit Finder(DiskStore* store) : store_(*store) {}
    bool Contains(const BlobKey& key);

   private:
    DiskStore& store_;
    BlobPacks::FileSizes packs_;
  };

  // Receives one blob. Invisible until Commit; without it nothing stays.
  class Writer {
   public:
    ~Writer();
    absl::Status Append(absl::string_view bytes);
    // The same for many bytes, which are hashed on another of the threads while they are written,
    // if one is free.
    absl::Status Append(absl::Span<const absl::string_view> pieces,
                        controller::WorkerPool* threads);
    // OK also if somebody else stored the same blob meanwhile. Durable after the store's Sync.
    absl::Status Commit();

   private:
    friend class DiskStore;
    Writer(DiskStore* store, blob::Digest digest, BlobFiles::Unfinished file, DiskUse reserved);
    // All at once, of bytes whose hash was checked just now.
    absl::Status CommitVerified(absl::Span<const absl::string_view> pieces);

    DiskStore* const store_;
    const blob::Digest digest_;
    const BlobFiles::Unfinished file_;  // Without one for the empty blob, which is not on the disk.
    const DiskUse reserved_;
    blob::Hasher hasher_;
  };
  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const blob::Digest& digest);

  // Who compares what is read with the digest. A blob's size is always seen to.
  enum class Check { kHere, kByReader };

  // Hands out one blob piece by piece. With Check::kHere the last piece is handed out after the
  // whole was verified, so whoever got all pieces has the right bytes.
  class Reader {
   public:
    // The next bytes, at most max_bytes, to `to(how many)`; returns how many, 0 at the end.
    absl::StatusOr<size_t> Read(size_t max_bytes, const std::function<char*(size_t)>& to);
    // The same; an empty piece is the end.
    absl::Status Read(size_t max_bytes, std::string* piece);

   private:
    friend class DiskStore;
    Reader(DiskStore* store, blob::Digest digest, Opened file, int64_t offset, int64_t limit,
           Check check);
    absl::Status HashUntil(int64_t offset);
    absl::Status ReadExactly(size_t bytes, char* to);
    absl::Status Damaged(absl::string_view why);

    DiskStore* const store_;
    const blob::Digest digest_;
    const Opened file_;  // None for the empty blob.
    const int64_t begin_;
    const int64_t end_;
    const Check check_;
    int64_t position_ = 0;  // Of the blob's next byte to read.
    bool handed_out_ = false;
    blob::Hasher hasher_;
  };
  // From `offset` on, `limit` bytes, or all for 0. OutOfRange if the offset isn't within the blob.
  absl::StatusOr<std::unique_ptr<Reader>> NewReader(const blob::Digest& digest, int64_t offset = 0,
                                                    int64_t limit = 0, Check check = Check::kHere);

  // A whole small blob.
  absl::StatusOr<std::string> ReadAll(const blob::Digest& digest);

  // Whole small blobs, one after another. Those that came together are read the faster.
  class BatchReader {
   public:
    explicit BatchReader(DiskStore* store, Check check = Check::kHere)
        : store_(*store), check_(check) {}
    // To `to(size)`, which is asked for once there is a file with so many bytes.
    absl::Status Read(const blob::Digest& digest, const std::function<char*(size_t)>& to);

   private:
    DiskStore& store_;
    const Check check_;
    Opened last_;
  };

  absl::Status WriteAll(const blob::Digest& digest, absl::string_view bytes);
  absl::Status WriteAll(const blob::Digest& digest, absl::Span<const absl::string_view> pieces);

  // Blobs that come together, and what became of each.
  struct BatchBlob {
    blob::Digest digest;
    absl::Span<const absl::string_view> pieces;
  };
  std::vector<absl::Status> WriteBatch(absl::Span<const BatchBlob> blobs);

  // Makes all that was committed before survive a power loss. Call it before acknowledging
  // anything that refers to blobs; one call for many blobs. Costs nothing when nothing was
  // committed since the last one; callers that come together share one.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(sync_mutex_);

  // Whether Sync has nothing to do. Doesn't block.
  bool IsSynced() const { return linking_ == 0 && synced_ >= committed_; }

  // Blobs that stay until they are unpinned as often as they were pinned. A blob that isn't there
  // can be pinned, and stays once it is. Pins end with the process.
  void Pin(absl::Span<const BlobKey> keys);
  void Unpin(absl::Span<const BlobKey> keys);

  // With options.await_pins: all pins from before the start are there again.
  void AllowEviction() ABSL_LOCKS_EXCLUDED(room_mutex_);

  // How many blobs were found damaged, or were evicted, since Open.
  int64_t quarantined() const { return quarantined_; }
  int64_t evicted() const { return evicted_; }
  // What the blobs take that it knows of.
  DiskUse used() const { return index_.used(); }
  int64_t pinned_blobs() const { return index_.pinned_blobs(); }

  // Whether it has found all that a process before it left.
  bool IsIndexComplete() const { return index_.IsComplete(); }
  // Waits until the index is complete and one check of the budget, begun after the call, is done.
  void AwaitEviction() ABSL_LOCKS_EXCLUDED(room_mutex_);

 private:
  explicit DiskStore(DiskStoreOptions options);

  BlobIndex::Seconds Now() const;
  BlobIndex::Seconds GraceFrom(BlobIndex::Seconds now) const;
  // By the size of the file that has the blob.
  BlobFiles::State Look(const BlobKey& key, BlobPacks::FileSizes* packs);
  BlobFiles::State Look(const BlobKey& key);
  // NotFound if there is none. `last` is used again, and kept, if it has the blob.
  absl::Status OpenToRead(const blob::Digest& digest, const BlobKey& key, Opened* last);
  absl::Status ReadWhole(const blob::Digest& digest, const Opened& file, Check check, char* to);
  static absl::Status CheckContent(const blob::Digest& digest,
                                   absl::Span<const absl::string_view> pieces);
  // Stores bytes whose hash was checked just now, of a blob that wasn't there.
  absl::Status WriteVerified(const blob::Digest& digest,
                             absl::Span<const absl::string_view> pieces);
  // The same for many different ones of these, by their numbers: all or none.
  absl::Status WritePack(absl::Span<const BatchBlob> blobs, absl::Span<const size_t> numbers);
  // Looks at the file and corrects the index by it.
  bool Confirm(const BlobKey& key, BlobIndex::Seconds keep_until);
  absl::Status Link(const blob::Digest& digest, const BlobFiles::Unfinished& file);
  // Takes the blob's damaged file, or place in one, out of the store, unless it has another by now.
  void Quarantine(const blob::Digest& digest, const Opened& file, absl::string_view why);

  // Room for uploads.
  absl::Status Reserve(const DiskUse& wanted) ABSL_LOCKS_EXCLUDED(room_mutex_);
  void Unreserve(const DiskUse& reserved) ABSL_LOCKS_EXCLUDED(room_mutex_);
  absl::Status Full(const DiskUse& taken, const DiskUse& wanted, const DiskUse& hard_limit) const;

  // The store's own thread.
  void Upkeep() ABSL_LOCKS_EXCLUDED(room_mutex_);
  void FillIndex();
  void CheckBudget() ABSL_LOCKS_EXCLUDED(room_mutex_);
  // Whether that much was freed.
  bool Evict(DiskUse to_free);
  void EvictAmong(const std::vector<BlobKey>& keys, BlobIndex::Seconds not_used_after,
                  DiskUse* to_free);
  // Gives files of their own to blobs whose packs hold little else, or damage.
  void EmptySparsePacks();
  // Whether there was something to copy: it may be gone, or damaged and put aside now.
  absl::StatusOr<bool> CopyOutOfPack(const BlobKey& key, const BlobPacks::Place& place);
  void SaveLastUses(bool clean);
  bool IsStopping() ABSL_LOCKS_EXCLUDED(room_mutex_);

  const DiskStoreOptions options_;
  std::unique_ptr<BlobFiles> files_;
  std::unique_ptr<BlobPacks> packs_;
  BlobIndex index_;
  std::atomic<bool> used_since_save_{false};

  // Blobs that got their names in this process, and how many of them are known to be on the disk.
  // What an earlier process left counts as one that isn't.
  std::atomic<int64_t> committed_{1};
  std::atomic<int> linking_{0};  // that may have their names, but aren't counted yet
  std::atomic<int64_t> synced_{0};
  absl::Mutex sync_mutex_;  // held by the one that syncs, for all who wait for it
  std::atomic<int64_t> quarantined_{0};
  std::atomic<int64_t> evicted_{0};

  absl::Mutex room_mutex_;
  DiskUse reserved_ ABSL_GUARDED_BY(room_mutex_);
  DiskUse most_wanted_ ABSL_GUARDED_BY(room_mutex_);  // by uploads that wait
  bool may_evict_ ABSL_GUARDED_BY(room_mutex_);
  bool check_wanted_ ABSL_GUARDED_BY(room_mutex_) = false;
  int64_t checks_begun_ ABSL_GUARDED_BY(room_mutex_) = 0;
  int64_t checks_done_ ABSL_GUARDED_BY(room_mutex_) = 0;
  int64_t progress_ ABSL_GUARDED_BY(room_mutex_) = 0;  // changes when there may be more room
  // After a check that didn't find enough: looking again at once would find no more.
  absl::Time no_check_before_ ABSL_GUARDED_BY(room_mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(room_mutex_) = false;
  std::thread upkeep_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DISK_STORE_H_
