#include "agent/workspace/directory_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/workspace/small_file.h"
#include "common/blob/file_digest.h"

namespace rally::workspace {

using ::rally::blob::Digest;

namespace {

std::string FolderOf(const Digest& digest) { return digest.hash.substr(0, 2); }

// Below the directory.
std::string PathOf(const Digest& digest) {
  return absl::StrCat(FolderOf(digest), "/", digest.hash, "-", digest.size_bytes);
}

}  // namespace

DirectoryMessages::DirectoryMessages(std::string directory, blob::BlobStore* remote, Later later)
    : directory_(std::move(directory)), remote_(remote), later_(std::move(later)) {
  ::mkdir(directory_.c_str(), 0700);
  fd_ = FileDescriptor(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd_.valid()) open_error_ = errno;
}

std::optional<std::string> DirectoryMessages::ReadLocal(const Digest& digest) const {
  if (digest == blob::EmptyBlobDigest()) return "";
  if (!blob::IsValidHash(digest.hash)) return std::nullopt;
  const std::string path = PathOf(digest);
  FileDescriptor file(::openat(fd_.get(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return std::nullopt;
  struct stat stat;
  if (::fstat(file.get(), &stat) == 0 && stat.st_size == digest.size_bytes) {
    std::string bytes(static_cast<size_t>(stat.st_size), '\0');
    const ssize_t length = ::read(file.get(), bytes.data(), bytes.size());
    if (length == stat.st_size && blob::DigestOf(bytes) == digest) return bytes;
  }
  ::unlinkat(fd_.get(), path.c_str(), 0);
  return std::nullopt;
}

absl::StatusOr<std::vector<std::string>> DirectoryMessages::Read(absl::Span<const Digest> digests) {
  std::vector<std::string> result(digests.size());
  std::vector<Digest> absent;
  std::vector<size_t> places;
  for (size_t i = 0; i < digests.size(); ++i) {
    if (std::optional<std::string> local = ReadLocal(digests[i])) {
      result[i] = *std::move(local);
    } else {
      absent.push_back(digests[i]);
      places.push_back(i);
    }
  }
  if (absent.empty()) return result;
  auto fetched = remote_->Read(absent);
  if (!fetched.ok()) return fetched.status();
  for (size_t i = 0; i < absent.size(); ++i) result[places[i]] = (*fetched)[i];
  KeepAll(std::move(absent), *std::move(fetched));
  return result;
}

void DirectoryMessages::KeepAll(std::vector<Digest> digests, std::vector<std::string> messages) {
  int64_t bytes = 0;
  for (const std::string& message : messages) bytes += static_cast<int64_t>(message.size());
  // Shared because a std::function has to be copyable.
  const auto kept = std::make_shared<std::pair<std::vector<Digest>, std::vector<std::string>>>(
      std::move(digests), std::move(messages));
  const auto keep = [this, bytes, kept] {
    for (size_t i = 0; i < kept->first.size(); ++i) {
      // A full disk only costs another fetch the next time.
      Keep(kept->first[i], kept->second[i]).IgnoreError();
    }
    later_bytes_ -= bytes;
  };
  later_bytes_ += bytes;
  if (later_bytes_ > kMaxLaterBytes || !later_(keep)) keep();
}

absl::StatusOr<std::vector<Digest>> DirectoryMessages::FindMissing(
    absl::Span<const Digest> digests) {
  return remote_->FindMissing(digests);
}

absl::Status DirectoryMessages::Upload(std::vector<blob::BlobUpload> uploads) {
  return remote_->Upload(std::move(uploads));
}

absl::Status DirectoryMessages::ReadToFile(const Digest& digest, int fd) {
  return remote_->ReadToFile(digest, fd);
}

absl::Status DirectoryMessages::Keep(const Digest& digest, const std::string& message) {
  if (!fd_.valid()) return blob::ErrnoStatus(open_error_, absl::StrCat("opening ", directory_));
  // Under another name until it is whole; what a crash leaves, RemoveAllBut removes.
  const std::string unfinished = absl::StrCat(FolderOf(digest), "/new-", ++next_file_);
  constexpr int kFlags = O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
  FileDescriptor file(::openat(fd_.get(), unfinished.c_str(), kFlags, 0600));
  if (!file.valid() && errno == ENOENT) {
    ::mkdirat(fd_.get(), FolderOf(digest).c_str(), 0700);
    file = FileDescriptor(::openat(fd_.get(), unfinished.c_str(), kFlags, 0600));
  }
  const std::string what = absl::StrCat("keeping a file in ", directory_);
  if (!file.valid()) return blob::ErrnoStatus(errno, what);
  absl::Status status = blob::WriteAll(file.get(), message);
  if (status.ok() &&
      ::renameat(fd_.get(), unfinished.c_str(), fd_.get(), PathOf(digest).c_str()) != 0 &&
      errno != ENOENT) {  // RemoveAllBut took it.
    status = blob::ErrnoStatus(errno, what);
  }
  if (!status.ok()) ::unlinkat(fd_.get(), unfinished.c_str(), 0);
  return status;
}

absl::Status DirectoryMessages::RemoveAllBut(const absl::flat_hash_set<Digest>& needed) {
  absl::flat_hash_set<std::string> kept;
  for (const Digest& digest : needed) kept.insert(PathOf(digest));
  const auto parents = NamesIn(directory_);
  if (!parents.ok()) return parents.status();
  for (const std::string& parent : *parents) {
    const auto names = NamesIn(absl::StrCat(directory_, "/", parent));
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      const std::string file = absl::StrCat(parent, "/", name);
      if (!kept.contains(file)) ::unlinkat(fd_.get(), file.c_str(), 0);
    }
  }
  return absl::OkStatus();
}

}  // namespace rally::workspace
