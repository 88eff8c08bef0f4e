#ifndef RALLY_AGENT_WORKSPACE_DIRECTORY_MESSAGES_H_
#define RALLY_AGENT_WORKSPACE_DIRECTORY_MESSAGES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/blob/blob_store.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// The Directory messages of the trees on this host, as files, in front of the remote store: an
// agent that has a tree reads it without a round trip. Everything but Read goes to the remote
// store. A file that is damaged counts as absent, so nothing here needs to survive a crash.
//
// Ownership: the remote store must outlive it. Threads: thread-safe. Errors: the remote store's.
class DirectoryMessages : public blob::BlobStore {
 public:
  // Runs something later, in order; false when it takes no more. It runs all before its end.
  using Later = std::function<bool(std::function<void()>)>;

  // `directory` is created when absent.
  DirectoryMessages(std::string directory, blob::BlobStore* remote, Later later);

  // Meant for Directory messages only: keeps what it had to fetch, later where that is possible.
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override;

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override;
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override;
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override;

  // Never asks the remote store.
  std::optional<std::string> ReadLocal(const blob::Digest& digest) const;

  absl::Status Keep(const blob::Digest& digest, const std::string& message);

  // Removes the files of all others. What is kept meanwhile may go, too.
  absl::Status RemoveAllBut(const absl::flat_hash_set<blob::Digest>& needed);

 private:
  // Of what waits to be kept.
  static constexpr int64_t kMaxLaterBytes = 32 << 20;

  void KeepAll(std::vector<blob::Digest> digests, std::vector<std::string> messages);

  const std::string directory_;
  FileDescriptor fd_;   // Of the directory.
  int open_error_ = 0;  // Why there is none.
  blob::BlobStore* const remote_;
  const Later later_;
  std::atomic<int64_t> later_bytes_{0};
  std::atomic<uint64_t> next_file_{0};
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DIRECTORY_MESSAGES_H_
