#ifndef RALLY_AGENT_WORKSPACE_FILE_HASHER_H_
#define RALLY_AGENT_WORKSPACE_FILE_HASHER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/digest.h"
#include "common/blob/keep_going.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// Hashes the files of one capture while its walk goes on. A few small files are hashed at once by
// the caller; only more than that starts threads, at most one a core and eight. They take small
// files several at a time, since waking a thread costs as much as hashing one. Nothing more is
// hashed after an error, nor once `keep_going` has said no.
// Threads: used by one thread. Blocking: Add, while kMaxQueued files wait; Finish; Abandon and the
//   destructor, until those at work have noticed.
class FileHasher {
 public:
  static constexpr size_t kMaxQueued = 64;

  explicit FileHasher(blob::KeepGoing keep_going = nullptr) : keep_going_(std::move(keep_going)) {}
  ~FileHasher();
  FileHasher(const FileHasher&) = delete;
  FileHasher& operator=(const FileHasher&) = delete;

  // `*digest` is set by the time that Finish returns OK, and stays where it is until then. `path`
  // is for the message of an error.
  void Add(FileDescriptor file, int64_t size_bytes, std::string path, blob::Digest* digest);

  // The first error, if any.
  absl::Status Finish();

  // Gives up what isn't hashed yet. Afterwards no digest is written any more.
  void Abandon();

 private:
  struct Work {
    FileDescriptor file;
    int64_t size_bytes = 0;
    std::string path;
    blob::Digest* digest = nullptr;
  };

  static int64_t CostOf(const Work& work);
  absl::Status Hash(const Work& work);
  void Record(const absl::Status& status);
  void Run();
  void Join();

  const blob::KeepGoing keep_going_;
  std::atomic<bool> given_up_{false};
  int64_t inline_bytes_left_ = 512 << 10;
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  std::deque<Work> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t queued_cost_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status first_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_FILE_HASHER_H_
