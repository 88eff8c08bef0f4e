// Writing and reading blobs.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {
namespace {

using blob::Digest;
using blob::ErrnoStatus;

constexpr size_t kReadBytes = 256 * 1024;

absl::Status NotFound(const Digest& digest) {
  return absl::NotFoundError(absl::StrCat("blob ", digest.ToString(), " is not in the store"));
}

absl::Status TooManyBytes(const Digest& digest) {
  return absl::InvalidArgumentError(
      absl::StrCat("blob ", digest.ToString(), ": there are more bytes than its digest says"));
}

constexpr absl::string_view kWrongHash = "its bytes have another hash";

// What came of reading: an error of the machine's, or the file's damage, or neither.
struct Filled {
  int error = 0;
  absl::string_view damage;
};

Filled ReadFrom(int fd, int64_t offset, size_t bytes, char* to) {
  const ssize_t filled = blob::ReadAt(fd, offset, bytes, to);
  if (filled < 0 && errno == EIO) return {0, "the disk can't read it"};
  if (filled < 0) return {errno, ""};
  return {0, static_cast<size_t>(filled) < bytes ? "its file became shorter" : ""};
}

absl::Status AddContext(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiskStore::Writer>> DiskStore::NewWriter(const Digest& digest) {
  absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
  if (!valid.ok()) return valid;
  if (digest == blob::EmptyBlobDigest()) {
    return std::unique_ptr<Writer>(new Writer(this, digest, {}, {}));
  }
  const std::string what = absl::StrCat("storing blob ", digest.ToString());
  const DiskUse wanted = UseOf(digest.size_bytes);
  if (absl::Status status = Reserve(wanted); !status.ok()) return AddContext(status, what);
  absl::StatusOr<BlobFiles::Unfinished> file = files_->Create(digest);
  if (!file.ok()) {
    Unreserve(wanted);
    return AddContext(file.status(), what);
  }
  return std::unique_ptr<Writer>(new Writer(this, digest, *std::move(file), wanted));
}

DiskStore::Writer::Writer(DiskStore* store, Digest digest, BlobFiles::Unfinished file,
                          DiskUse reserved)
    : store_(store), digest_(std::move(digest)), file_(std::move(file)), reserved_(reserved) {}

DiskStore::Writer::~Writer() {
  store_->files_->Discard(file_);
  store_->Unreserve(reserved_);
}

absl::Status DiskStore::Writer::Append(absl::string_view bytes) {
  hasher_.Update(bytes);
  if (hasher_.size_bytes() > digest_.size_bytes) {
    return TooManyBytes(digest_);
  }
  return AddContext(blob::WriteAll(file_.fd, bytes),
                    absl::StrCat("storing blob ", digest_.ToString()));
}

absl::Status DiskStore::Writer::Append(absl::Span<const absl::string_view> pieces,
                                       controller::WorkerPool* threads) {
  int64_t bytes = hasher_.size_bytes();
  for (absl::string_view piece : pieces) bytes += static_cast<int64_t>(piece.size());
  if (bytes > digest_.size_bytes) return TooManyBytes(digest_);
  absl::Status status;
  const auto write = [&] {
    for (absl::string_view piece : pieces) {
      status = blob::WriteAll(file_.fd, piece);
      if (!status.ok()) return;
    }
  };
  const auto hash = [&] {
    for (absl::string_view piece : pieces) hasher_.Update(piece);
  };
  threads->RunBoth(write, hash);
  return AddContext(status, absl::StrCat("storing blob ", digest_.ToString()));
}

absl::Status DiskStore::Writer::Commit() {
  const Digest actual = hasher_.Finish();
  if (actual != digest_) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest_.ToString(), ": the bytes sent are ", actual.ToString()));
  }
  if (file_.fd < 0) return absl::OkStatus();
  return AddContext(store_->Link(digest_, file_),
                    absl::StrCat("storing blob ", digest_.ToString()));
}

absl::Status DiskStore::Writer::CommitVerified(absl::Span<const absl::string_view> pieces) {
  if (file_.fd < 0) return absl::OkStatus();
  absl::Status status;
  for (auto piece = pieces.begin(); status.ok() && piece != pieces.end(); ++piece) {
    status = blob::WriteAll(file_.fd, *piece);
  }
  if (status.ok()) status = store_->Link(digest_, file_);
  return AddContext(status, absl::StrCat("storing blob ", digest_.ToString()));
}

absl::StatusOr<std::unique_ptr<DiskStore::Reader>> DiskStore::NewReader(const Digest& digest,
                                                                        int64_t offset,
                                                                        int64_t limit,
                                                                        Check check) {
  absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
  if (!valid.ok()) return valid;
  if (offset < 0 || offset > digest.size_bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("offset ", offset, " is not within blob ", digest.ToString()));
  }
  if (limit < 0) return absl::InvalidArgumentError("the number of bytes to read is negative");
  if (digest == blob::EmptyBlobDigest()) {
    return std::unique_ptr<Reader>(new Reader(this, digest, {}, 0, 0, check));
  }
  Opened file;
  absl::Status status = OpenToRead(digest, BlobKey::Of(digest), &file);
  if (!status.ok()) return status;
  return std::unique_ptr<Reader>(new Reader(this, digest, std::move(file), offset, limit, check));
}

absl::Status DiskStore::OpenToRead(const Digest& digest, const BlobKey& key, Opened* last) {
  const BlobIndex::Presence known = index_.Use(key, Now());
  used_since_save_ = true;
  const bool loaded = packs_->IsLoaded();
  const std::optional<BlobPacks::Place> place = packs_->Find(key);
  if (place.has_value()) {
    const bool open = last->place.has_value() && last->place->pack == place->pack;
    absl::StatusOr<FileDescriptor> fd = open ? std::move(last->fd) : packs_->OpenPack(place->pack);
    if (fd.ok()) {
      *last = Opened{*std::move(fd), place->offset, place};
      return absl::OkStatus();
    }
    // The blob may have moved meanwhile.
    if (absl::IsNotFound(fd.status())) {
      return Confirm(key, 0) ? OpenToRead(digest, key, last) : NotFound(digest);
    }
    return AddContext(fd.status(), absl::StrCat("reading blob ", digest.ToString()));
  }
  absl::StatusOr<int> fd = files_->OpenToRead(digest);
  if (!loaded && absl::IsNotFound(fd.status())) {
    packs_->AwaitLoaded();
    return OpenToRead(digest, key, last);
  }
  // When index and disk differ, the disk is right.
  if (fd.ok() != (known == BlobIndex::Presence::kPresent)) Confirm(key, 0);
  if (absl::IsNotFound(fd.status())) return NotFound(digest);
  if (!fd.ok()) return AddContext(fd.status(), absl::StrCat("reading blob ", digest.ToString()));
  *last = Opened{FileDescriptor(*fd), 0, std::nullopt};
  struct stat st;
  if (fstat(*fd, &st) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading blob ", digest.ToString()));
  }
  if (S_ISREG(st.st_mode) && st.st_size == digest.size_bytes) return absl::OkStatus();
  Quarantine(digest, *last, absl::StrCat("its file has ", st.st_size, " bytes"));
  return NotFound(digest);
}

DiskStore::Reader::Reader(DiskStore* store, Digest digest, Opened file, int64_t offset,
                          int64_t limit, Check check)
    : store_(store),
      digest_(std::move(digest)),
      file_(std::move(file)),
      begin_(offset),
      end_(limit == 0 ? digest_.size_bytes : offset + std::min(limit, digest_.size_bytes - offset)),
      check_(check) {}

absl::Status DiskStore::Reader::Damaged(absl::string_view why) {
  store_->Quarantine(digest_, file_, why);
  if (!handed_out_) return NotFound(digest_);
  return absl::DataLossError(
      absl::StrCat("blob ", digest_.ToString(), " is damaged in the store: ", why));
}

absl::Status DiskStore::Reader::ReadExactly(size_t bytes, char* to) {
  const Filled filled = ReadFrom(file_.fd.get(), file_.begin + position_, bytes, to);
  if (!filled.damage.empty()) return Damaged(filled.damage);
  if (filled.error != 0) {
    return ErrnoStatus(filled.error, absl::StrCat("reading blob ", digest_.ToString()));
  }
  position_ += bytes;
  if (check_ == Check::kHere) hasher_.Update(absl::string_view(to, bytes));
  return absl::OkStatus();
}

absl::Status DiskStore::Reader::HashUntil(int64_t offset) {
  if (check_ == Check::kByReader) position_ = std::max(position_, offset);
  if (position_ >= offset) return absl::OkStatus();
  const std::unique_ptr<char[]> skipped(new char[kReadBytes]);
  while (position_ < offset) {
    absl::Status status =
        ReadExactly(std::min<int64_t>(kReadBytes, offset - position_), skipped.get());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> DiskStore::Reader::Read(size_t max_bytes,
                                               const std::function<char*(size_t)>& to) {
  if (position_ >= end_ && position_ > 0) return 0;
  if (absl::Status status = HashUntil(begin_); !status.ok()) return status;
  const size_t bytes = std::min<int64_t>(max_bytes, end_ - position_);
  if (bytes > 0) {
    if (absl::Status status = ReadExactly(bytes, to(bytes)); !status.ok()) return status;
  }
  if (position_ == end_ && file_.fd.valid() && check_ == Check::kHere) {
    // What comes after the part that was asked for counts for the hash as well.
    if (absl::Status status = HashUntil(digest_.size_bytes); !status.ok()) return status;
    if (hasher_.Finish() != digest_) return Damaged(kWrongHash);
  }
  handed_out_ = true;
  return bytes;
}

absl::Status DiskStore::Reader::Read(size_t max_bytes, std::string* piece) {
  piece->clear();
  return Read(max_bytes,
              [piece](size_t bytes) {
                piece->resize(bytes);
                return piece->data();
              })
      .status();
}

absl::Status DiskStore::ReadWhole(const Digest& digest, const Opened& file, Check check, char* to) {
  const auto size = static_cast<size_t>(digest.size_bytes);
  Filled filled = ReadFrom(file.fd.get(), file.begin, size, to);
  if (filled.error != 0) {
    return ErrnoStatus(filled.error, absl::StrCat("reading blob ", digest.ToString()));
  }
  if (filled.damage.empty() && check == Check::kHere &&
      blob::DigestOf(absl::string_view(to, size)) != digest) {
    filled.damage = kWrongHash;
  }
  if (filled.damage.empty()) return absl::OkStatus();
  Quarantine(digest, file, filled.damage);
  return NotFound(digest);
}

absl::Status DiskStore::BatchReader::Read(const Digest& digest,
                                          const std::function<char*(size_t)>& to) {
  if (absl::Status valid = blob::ValidateDigest(digest.hash, digest.size_bytes); !valid.ok()) {
    return valid;
  }
  if (digest == blob::EmptyBlobDigest()) {
    to(0);
    return absl::OkStatus();
  }
  absl::Status status = store_.OpenToRead(digest, BlobKey::Of(digest), &last_);
  if (!status.ok()) return status;
  return store_.ReadWhole(digest, last_, check_, to(static_cast<size_t>(digest.size_bytes)));
}

absl::StatusOr<std::string> DiskStore::ReadAll(const Digest& digest) {
  std::string bytes;
  absl::Status status = BatchReader(this).Read(digest, [&](size_t size) {
    bytes.resize(size);
    return bytes.data();
  });
  if (!status.ok()) return status;
  return bytes;
}

absl::Status DiskStore::CheckContent(const Digest& digest,
                                     absl::Span<const absl::string_view> pieces) {
  const Digest actual = blob::DigestOf(pieces);
  if (actual == digest) return absl::OkStatus();
  absl::Status valid = blob::ValidateDigest(digest.hash, digest.size_bytes);
  if (!valid.ok()) return valid;
  return absl::InvalidArgumentError(
      absl::StrCat("blob ", digest.ToString(), ": the bytes sent are ", actual.ToString()));
}

absl::Status DiskStore::WriteAll(const Digest& digest, absl::string_view bytes) {
  return WriteAll(digest, absl::MakeConstSpan(&bytes, 1));
}

absl::Status DiskStore::WriteAll(const Digest& digest, absl::Span<const absl::string_view> pieces) {
  // Before the room: what is wrong needs none.
  if (absl::Status status = CheckContent(digest, pieces); !status.ok()) return status;
  return Contains(digest) ? absl::OkStatus() : WriteVerified(digest, pieces);
}

absl::Status DiskStore::WriteVerified(const Digest& digest,
                                      absl::Span<const absl::string_view> pieces) {
  auto writer = NewWriter(digest);
  if (!writer.ok()) return writer.status();
  return (*writer)->CommitVerified(pieces);
}

}  // namespace rally::cas
