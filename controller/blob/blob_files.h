#ifndef RALLY_CONTROLLER_BLOB_BLOB_FILES_H_
#define RALLY_CONTROLLER_BLOB_BLOB_FILES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/digest.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/disk_budget.h"

namespace rally::cas {

// The files of a blob store: DIRECTORY/cas/<2 hex>/<62 hex>-<size>, DIRECTORY/quarantine/ for
// damaged ones, DIRECTORY/tmp/ for unfinished ones where a filesystem has no files without a name.
// It knows nothing of what files hold, nor who else changes one: two callers must not link and
// remove the same name at once.
//
// Ownership: owns everything below the directory, which one process uses at a time.
// Threads: thread-safe. Blocking: every method, on the disk.
// Errors: ResourceExhausted (disk full, or out of inodes or descriptors), NotFound, what errno
// says.
class BlobFiles {
 public:
  static constexpr int kShards = 256;

  // Creates what doesn't exist and removes what a crash left half written.
  static absl::StatusOr<std::unique_ptr<BlobFiles>> Open(const std::string& directory);
  ~BlobFiles();
  BlobFiles(const BlobFiles&) = delete;
  BlobFiles& operator=(const BlobFiles&) = delete;

  enum class State { kPresent, kAbsent, kWrongSize };
  // By the file's kind and size alone.
  State Look(const BlobKey& key) const;

  // A file that nobody sees. It goes when it is closed, or with its name if it has one.
  struct Unfinished {
    int fd = -1;
    std::string name;  // in tmp/; empty if it has none
  };
  absl::StatusOr<Unfinished> Create(const blob::Digest& digest);
  void Discard(const Unfinished& file);

  // Gives the blob's name to an unfinished file. AlreadyExists when something else has it.
  absl::Status Link(const blob::Digest& digest, const Unfinished& file);

  // For reading; NotFound if there is none. Never waits for a fifo.
  absl::StatusOr<int> OpenToRead(const blob::Digest& digest) const;

  // Takes the file that is `fd` out of the store, unless another one has its name by now: false.
  // A bounded number of damaged files is kept to be looked at.
  bool Quarantine(const blob::Digest& digest, int fd) ABSL_LOCKS_EXCLUDED(quarantine_mutex_);
  // Likewise whatever has the blob's name.
  bool QuarantineByName(const blob::Digest& digest);
  // Keeps a copy of a small blob's damaged bytes that lie in a file of others, if there is room.
  void KeepDamaged(const blob::Digest& digest, int fd, int64_t offset)
      ABSL_LOCKS_EXCLUDED(quarantine_mutex_);

  absl::Status Remove(const blob::Digest& digest);

  // Calls `found` for each name in one of the 256 directories that is a blob's.
  absl::Status List(int shard, const std::function<void(const BlobKey&)>& found) const;

  // Waits until all is on the disk.
  absl::Status Sync();

  DiskRoom Room() const;
  int root_fd() const { return root_fd_; }

 private:
  BlobFiles() = default;
  int ShardFd(const blob::Digest& digest) const;
  void CountQuarantine();
  bool TakeQuarantineRoom(int64_t bytes) ABSL_LOCKS_EXCLUDED(quarantine_mutex_);

  int root_fd_ = -1;
  int temporary_fd_ = -1;
  int quarantine_fd_ = -1;
  std::array<int, kShards> shard_fds_;
  // Whether this filesystem has files without a name; found out at Open.
  bool unnamed_files_ = false;
  // Whether the umask leaves a new file the mode that blobs have; found out at Open.
  bool created_with_mode_ = false;
  // Whether an open file can get a name directly; found out by the first that tries.
  std::atomic<bool> links_descriptors_{true};
  std::atomic<int64_t> next_temporary_{0};
  absl::Mutex quarantine_mutex_;
  int quarantine_files_ ABSL_GUARDED_BY(quarantine_mutex_) = 0;
  int64_t quarantine_bytes_ ABSL_GUARDED_BY(quarantine_mutex_) = 0;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_FILES_H_
