#ifndef RALLY_CONTROLLER_BLOB_ACTION_CACHE_STORE_H_
#define RALLY_CONTROLLER_BLOB_ACTION_CACHE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/digest.h"

struct sqlite3;

namespace rally::cas {

// Bytes by instance and action on disk, bounded: those not used for longest go first. It is one
// SQLite file, since eviction needs an order of use that survives restarts, and a file for each
// entry would cost an inode for some hundred bytes. What it returns is what was put, or nothing: a
// damaged entry is dropped, a file that can't be read is set aside and begun anew. After a power
// loss the last entries may be missing.
//
// Ownership: owns the file, which one process uses at a time. Threads: thread-safe, one at a time.
// Blocking: every method, on the disk.
// Errors: NotFound, ResourceExhausted (the disk is full), Unavailable (the disk fails).
class ActionCacheStore {
 public:
  struct Options {
    int64_t max_entries = 1'000'000;
    int64_t max_bytes = int64_t{1} << 30;
  };

  static absl::StatusOr<std::unique_ptr<ActionCacheStore>> Open(const std::string& path,
                                                                const Options& options);
  ~ActionCacheStore();
  ActionCacheStore(const ActionCacheStore&) = delete;
  ActionCacheStore& operator=(const ActionCacheStore&) = delete;

  absl::StatusOr<std::string> Get(absl::string_view instance, const blob::Digest& action)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // In place of what was there.
  absl::Status Put(absl::string_view instance, const blob::Digest& action, absl::string_view bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  int64_t entries() ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t bytes() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  ActionCacheStore(std::string path, const Options& options)
      : path_(std::move(path)), options_(options) {}

  absl::Status OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Initialise() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Execute(const char* sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Find(absl::string_view instance, const blob::Digest& action)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Insert(absl::string_view instance, const blob::Digest& action,
                      absl::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Remove(int64_t id, int64_t cost) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Touch(int64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Error(const char* doing) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets a file that SQLite can't use aside and begins a new one.
  absl::Status BeginAnew(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const Options options_;
  absl::Mutex mutex_;
  sqlite3* db_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int64_t entries_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Counts uses; an entry's `used` is the count at its last one.
  int64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_ACTION_CACHE_STORE_H_
