#include "controller/blob/local_blob_store.h"

#include <unistd.h>

#include <cerrno>
#include <utility>
#include <variant>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::cas {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

absl::Status CopyFile(int fd, DiskStore::Writer& writer) {
  std::string buffer(kPieceBytes, '\0');
  while (true) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return blob::ErrnoStatus(errno, "reading the file to store");
    if (n == 0) return absl::OkStatus();
    absl::Status status = writer.Append(absl::string_view(buffer.data(), n));
    if (!status.ok()) return status;
  }
}

}  // namespace

absl::StatusOr<std::vector<blob::Digest>> LocalBlobStore::FindMissing(
    absl::Span<const blob::Digest> digests) {
  absl::StatusOr<std::vector<blob::Digest>> found = disk_->FindMissing(digests);
  if (!found.ok()) return found;
  std::vector<blob::Digest> missing;
  absl::flat_hash_set<blob::Digest> seen;
  for (blob::Digest& digest : *found) {
    if (seen.insert(digest).second) missing.push_back(std::move(digest));
  }
  return missing;
}

absl::Status LocalBlobStore::Upload(std::vector<blob::BlobUpload> uploads) {
  for (blob::BlobUpload& upload : uploads) {
    if (const auto* bytes = std::get_if<std::string>(&upload.source)) {
      absl::Status status = disk_->WriteAll(upload.digest, *bytes);
      if (!status.ok()) return status;
      continue;
    }
    absl::StatusOr<int> fd = std::get<1>(upload.source)();
    if (!fd.ok()) return fd.status();
    const absl::Cleanup close_fd = [&fd] { close(*fd); };
    auto writer = disk_->NewWriter(upload.digest);
    if (!writer.ok()) return writer.status();
    if (absl::Status status = CopyFile(*fd, **writer); !status.ok()) return status;
    if (absl::Status status = (*writer)->Commit(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LocalBlobStore::Read(
    absl::Span<const blob::Digest> digests) {
  std::vector<std::string> blobs;
  blobs.reserve(digests.size());
  for (const blob::Digest& digest : digests) {
    absl::StatusOr<std::string> bytes = disk_->ReadAll(digest);
    if (!bytes.ok()) return bytes.status();
    blobs.push_back(*std::move(bytes));
  }
  return blobs;
}

absl::Status LocalBlobStore::ReadToFile(const blob::Digest& digest, int fd) {
  auto reader = disk_->NewReader(digest);
  if (!reader.ok()) return reader.status();
  std::string piece;
  do {
    if (absl::Status status = (*reader)->Read(kPieceBytes, &piece); !status.ok()) return status;
    if (absl::Status status = blob::WriteAll(fd, piece); !status.ok()) return status;
  } while (!piece.empty());
  return absl::OkStatus();
}

}  // namespace rally::cas
