#ifndef RALLY_CONTROLLER_BLOB_DISK_STORE_H_
#define RALLY_CONTROLLER_BLOB_DISK_STORE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/blob/digest.h"

namespace rally::cas {

// Blobs as files: DIRECTORY/cas/<2 hex>/<62 hex>-<size>. What a file holds is never trusted: its
// size is checked before and its hash while it is read; a damaged one moves to DIRECTORY/quarantine
// and counts as missing from then on. It evicts nothing.
//
// Ownership: owns everything below the directory, which one process uses at a time. Readers and
//   writers must not outlive it.
// Threads: thread-safe; a Reader or Writer belongs to one thread at a time.
// Blocking: every method, on the disk; Sync until all is on it.
// Errors: NotFound (missing, or just found damaged before a byte was handed out), DataLoss (found
//   damaged after some bytes were), InvalidArgument (bytes that are not what the digest says),
//   ResourceExhausted (disk full, or out of inodes or descriptors).
class DiskStore {
 public:
  // Creates what doesn't exist and removes what a crash left half written.
  static absl::StatusOr<std::unique_ptr<DiskStore>> Open(const std::string& directory);
  ~DiskStore();
  DiskStore(const DiskStore&) = delete;
  DiskStore& operator=(const DiskStore&) = delete;

  // Those that aren't there, each occurrence, in order.
  absl::StatusOr<std::vector<blob::Digest>> FindMissing(absl::Span<const blob::Digest> digests);
  bool Contains(const blob::Digest& digest);

  // Receives one blob. Invisible until Commit; without it nothing stays.
  class Writer {
   public:
    ~Writer();
    absl::Status Append(absl::string_view bytes);
    // OK also if somebody else stored the same blob meanwhile. Durable after the store's Sync.
    absl::Status Commit();

   private:
    friend class DiskStore;
    Writer(DiskStore* store, blob::Digest digest, int fd, std::string temporary_name);

    DiskStore* const store_;
    const blob::Digest digest_;
    int fd_;                            // -1 for the empty blob, which is not on the disk.
    const std::string temporary_name_;  // Empty if the file has no name yet.
    blob::Hasher hasher_;
  };
  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const blob::Digest& digest);

  // Hands out one blob piece by piece. The last piece is handed out after the whole was verified,
  // so whoever got all pieces has the right bytes.
  class Reader {
   public:
    ~Reader();
    // Fills at most max_bytes; an empty result is the end.
    absl::Status Read(size_t max_bytes, std::string* piece);

   private:
    friend class DiskStore;
    Reader(DiskStore* store, blob::Digest digest, int fd, int64_t offset, int64_t limit);
    absl::Status HashUntil(int64_t offset);
    absl::Status ReadExactly(size_t bytes, std::string* piece);
    absl::Status Damaged(absl::string_view why);

    DiskStore* const store_;
    const blob::Digest digest_;
    const int fd_;  // -1 for the empty blob.
    const int64_t begin_;
    const int64_t end_;
    int64_t position_ = 0;  // Of the next byte to read from the file.
    bool handed_out_ = false;
    blob::Hasher hasher_;
  };
  // From `offset` on, `limit` bytes, or all for 0. OutOfRange if the offset isn't within the blob.
  absl::StatusOr<std::unique_ptr<Reader>> NewReader(const blob::Digest& digest, int64_t offset = 0,
                                                    int64_t limit = 0);

  // A whole small blob.
  absl::StatusOr<std::string> ReadAll(const blob::Digest& digest);
  absl::Status WriteAll(const blob::Digest& digest, absl::string_view bytes);

  // Makes all that was committed before survive a power loss. Call it before acknowledging
  // anything that refers to blobs; one call for many blobs. Costs nothing when nothing was
  // committed since the last one; callers that come together share one.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(sync_mutex_);

  // Whether Sync has nothing to do. Doesn't block.
  bool IsSynced() const { return linking_ == 0 && synced_ >= committed_; }

  // How many blobs were found damaged since Open.
  int64_t quarantined() const { return quarantined_; }

 private:
  DiskStore() = default;

  absl::Status Link(const blob::Digest& digest, int fd, const std::string& temporary_name);
  // Takes the file that is `fd` out of the store, unless another one has its name by now.
  void Quarantine(const blob::Digest& digest, int fd, absl::string_view why);
  int ShardFd(const blob::Digest& digest) const;

  int root_fd_ = -1;
  int temporary_fd_ = -1;
  int quarantine_fd_ = -1;
  std::array<int, 256> shard_fds_;
  // Whether this filesystem has files without a name; found out at Open.
  bool unnamed_files_ = false;
  std::atomic<int64_t> next_temporary_{0};

  // Blobs that got their names in this process, and how many of them are known to be on the disk.
  // What an earlier process left counts as one that isn't.
  std::atomic<int64_t> committed_{1};
  std::atomic<int> linking_{0};  // that may have their names, but aren't counted yet
  std::atomic<int64_t> synced_{0};
  absl::Mutex sync_mutex_;  // held by the one that syncs, for all who wait for it
  std::atomic<int64_t> quarantined_{0};
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DISK_STORE_H_
