#include "agent/workspace/lost_blobs.h"

#include <fcntl.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/blob/directory.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"
#include "glog/logging.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

// Of blobs that are in memory at once.
constexpr int64_t kBatchBytes = 2 * 1024 * 1024;
constexpr size_t kBatchBlobs = 500;

bool IsLoss(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// Calls `each` with parts of the list that fit into memory; a larger blob is a part of its own.
absl::Status InBatches(absl::Span<const Digest> digests,
                       const std::function<absl::Status(absl::Span<const Digest>)>& each) {
  while (!digests.empty()) {
    size_t count = 0;
    int64_t bytes = 0;
    do {
      bytes += digests[count++].size_bytes;
    } while (count < digests.size() && count < kBatchBlobs &&
             bytes + digests[count].size_bytes <= kBatchBytes);
    absl::Status status = each(digests.subspan(0, count));
    if (!status.ok()) return status;
    digests.remove_prefix(count);
  }
  return absl::OkStatus();
}

// Reads blobs of the remote store and sorts out those that it has lost.
class Probe {
 public:
  Probe(blob::BlobStore& remote, std::vector<Digest>* lost) : remote_(remote), lost_(lost) {}

  using OnRead = std::function<void(const std::string& bytes)>;

  // Calls `on_read` with each that is there.
  absl::Status Read(absl::Span<const Digest> digests, const OnRead& on_read) {
    const auto missing = remote_.FindMissing(digests);
    if (!missing.ok()) return missing.status();
    const absl::flat_hash_set<Digest> absent(missing->begin(), missing->end());
    std::vector<Digest> said_to_be_there;
    for (const Digest& digest : digests) {
      if (absent.contains(digest)) {
        Lose(digest);
      } else {
        said_to_be_there.push_back(digest);
      }
    }
    return InBatches(said_to_be_there,
                     [&](absl::Span<const Digest> batch) { return ReadSome(batch, on_read); });
  }

  bool full() const { return lost_->size() >= kMaxLostBlobs; }

 private:
  void Lose(const Digest& digest) {
    if (!full()) lost_->push_back(digest);
  }

  absl::Status ReadSome(absl::Span<const Digest> digests, const OnRead& on_read) {
    if (full()) return absl::OkStatus();
    absl::Status status;
    if (digests.size() == 1 && digests[0].size_bytes > kBatchBytes) {
      FileDescriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
      if (!nowhere.valid()) return blob::ErrnoStatus(errno, "opening /dev/null");
      status = remote_.ReadToFile(digests[0], nowhere.get());
    } else {
      const auto bytes = remote_.Read(digests);
      if (bytes.ok()) {
        for (const std::string& blob : *bytes) on_read(blob);
      }
      status = bytes.status();
    }
    if (!IsLoss(status)) return status;
    if (digests.size() == 1) {
      Lose(digests[0]);
      return absl::OkStatus();
    }
    status = ReadSome(digests.subspan(0, digests.size() / 2), on_read);
    if (!status.ok()) return status;
    return ReadSome(digests.subspan(digests.size() / 2), on_read);
  }

  blob::BlobStore& remote_;
  std::vector<Digest>* const lost_;
};

}  // namespace

absl::StatusOr<std::vector<Digest>> FindLostBlobs(const Digest& root,
                                                  const DirectoryMessages& messages,
                                                  const TreeCache& cache, blob::BlobStore& remote) {
  std::vector<Digest> lost;
  Probe probe(remote, &lost);
  absl::flat_hash_set<Digest> seen = {root, blob::EmptyBlobDigest()};
  std::vector<Digest> level = {root};
  std::vector<Digest> files;
  while (!level.empty() && !probe.full()) {
    std::vector<Digest> next;
    const auto take = [&](const std::string& bytes) {
      const auto directory = blob::ParseDirectory(bytes);
      if (!directory.ok()) return;  // That isn't a loss; whoever fetches the tree says so.
      for (const auto& node : directory->files()) {
        Digest digest = blob::DigestOfNode(node);
        if (seen.insert(digest).second && !cache.OpenFile(digest).valid()) {
          files.push_back(std::move(digest));
        }
      }
      for (const auto& node : directory->directories()) {
        Digest digest = blob::DigestOfNode(node);
        if (seen.insert(digest).second) next.push_back(std::move(digest));
      }
    };
    std::vector<Digest> elsewhere;
    for (Digest& digest : level) {
      if (const std::optional<std::string> message = messages.ReadLocal(digest)) {
        take(*message);
      } else {
        elsewhere.push_back(std::move(digest));
      }
    }
    absl::Status status = probe.Read(elsewhere, take);
    if (!status.ok()) return status;
    level = std::move(next);
  }
  absl::Status status = probe.Read(files, [](const std::string&) {});
  if (!status.ok()) return status;
  return lost;
}

std::vector<Digest> SendBlobsAgain(absl::Span<const Digest> blobs,
                                   const DirectoryMessages& messages, const TreeCache& cache,
                                   blob::BlobStore& remote) {
  std::vector<Digest> sent;
  const absl::Status status = InBatches(blobs, [&](absl::Span<const Digest> batch) {
    std::vector<blob::BlobUpload> uploads;
    std::vector<Digest> here;
    for (const Digest& digest : batch) {
      if (std::optional<std::string> message = messages.ReadLocal(digest)) {
        uploads.push_back({digest, *std::move(message)});
        here.push_back(digest);
        continue;
      }
      const FileDescriptor file = cache.OpenFile(digest);
      if (!file.valid()) continue;
      const auto found = blob::DigestOfFile(file.get());
      if (!found.ok() || *found != digest) continue;
      uploads.push_back({digest, [&cache, digest]() -> absl::StatusOr<int> {
                           FileDescriptor again = cache.OpenFile(digest);
                           if (!again.valid()) return absl::NotFoundError("it went away");
                           return again.Release();
                         }});
      here.push_back(digest);
    }
    if (uploads.empty()) return absl::OkStatus();
    absl::Status uploaded = remote.Upload(std::move(uploads));
    if (uploaded.ok()) sent.insert(sent.end(), here.begin(), here.end());
    return uploaded;
  });
  LOG_IF(WARNING, !status.ok()) << "sending lost blobs again: " << status;
  return sent;
}

}  // namespace rally::workspace
