#include "controller/blob/last_use_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/blob/file_digest.h"

namespace rally::cas::last_use {
namespace {

constexpr char kName[] = "last-use";
constexpr char kNewName[] = "last-use.new";
constexpr char kMagic[8] = {'R', 'L', 'Y', 'U', 'S', 'E', '0', '1'};

// In the machine's byte order: the file belongs to the machine that has the disk.
struct Header {
  char magic[sizeof(kMagic)];
  uint32_t saved_at;
  uint32_t clean;
};
struct Record {
  uint32_t prefix_low;
  uint32_t prefix_high;
  uint32_t last_use;
};
static_assert(sizeof(Header) == 16 && sizeof(Record) == 12);

template <typename T>
bool ReadOne(FILE* file, T* value) {
  return fread(value, sizeof(*value), 1, file) == 1;
}

}  // namespace

Reader::Reader(int directory_fd) {
  const int fd = openat(directory_fd, kName, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  file_ = fdopen(fd, "r+b");
  if (file_ == nullptr) {
    close(fd);
    return;
  }
  Header header;
  struct stat st;
  if (fstat(fd, &st) != 0 || !ReadOne(file_, &header) ||
      memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    fclose(file_);
    file_ = nullptr;
    return;
  }
  left_ = st.st_size / static_cast<int64_t>(sizeof(Record));
  saved_at_ = header.saved_at;
  const uint32_t unclean = 0;
  // If the mark can't be set, nothing may be concluded from it next time either.
  clean_ = header.clean == 1 &&
           pwrite(fd, &unclean, sizeof(unclean), offsetof(Header, clean)) == sizeof(unclean);
}

Reader::~Reader() {
  if (file_ != nullptr) fclose(file_);
}

absl::flat_hash_map<uint64_t, uint32_t> Reader::NextShard() {
  absl::flat_hash_map<uint64_t, uint32_t> uses;
  uint32_t count;
  if (file_ == nullptr || !ReadOne(file_, &count) || count > left_) {
    left_ = 0;
    return uses;
  }
  left_ -= count;
  uses.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Record record;
    if (!ReadOne(file_, &record)) break;
    uses[uint64_t{record.prefix_high} << 32 | record.prefix_low] = record.last_use;
  }
  return uses;
}

Writer::Writer(int directory_fd) : directory_fd_(directory_fd) {
  const int fd =
      openat(directory_fd, kNewName, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0) file_ = fdopen(fd, "wb");
  if (fd >= 0 && file_ == nullptr) close(fd);
  Header header = {};
  failed_ = file_ == nullptr || fwrite(&header, sizeof(header), 1, file_) != 1;
}

Writer::~Writer() {
  if (file_ != nullptr) fclose(file_);
}

void Writer::AddShard(absl::Span<const Use> uses) {
  const uint32_t count = static_cast<uint32_t>(uses.size());
  failed_ = failed_ || fwrite(&count, sizeof(count), 1, file_) != 1;
  for (const Use& use : uses) {
    if (failed_) return;
    const Record record = {static_cast<uint32_t>(use.prefix),
                           static_cast<uint32_t>(use.prefix >> 32), use.last_use};
    failed_ = fwrite(&record, sizeof(record), 1, file_) != 1;
  }
}

absl::Status Writer::Finish(uint32_t saved_at, bool clean) {
  Header header = {};
  memcpy(header.magic, kMagic, sizeof(kMagic));
  header.saved_at = saved_at;
  header.clean = clean ? 1 : 0;
  failed_ = failed_ || fseek(file_, 0, SEEK_SET) != 0 ||
            fwrite(&header, sizeof(header), 1, file_) != 1 || fflush(file_) != 0 ||
            fdatasync(fileno(file_)) != 0;
  if (failed_ || renameat(directory_fd_, kNewName, directory_fd_, kName) != 0) {
    const int error = errno;
    unlinkat(directory_fd_, kNewName, 0);
    return blob::ErrnoStatus(error, "keeping when blobs were used last");
  }
  return absl::OkStatus();
}

}  // namespace rally::cas::last_use
