#include "common/blob/stat_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "common/blob/open_beneath.h"

namespace rally::blob {
namespace {

// The file: this, the root's path, each directory that has entries with their number, then the
// entries sorted by name, and the SHA-256 of all that.
constexpr absl::string_view kMagic = "rally stat cache 2\n";
constexpr size_t kHashBytes = 32;
constexpr int64_t kLargestFileBytes = 1024 * 1024 * 1024;

// An entry: this, then the name. Times that nanoseconds can't count to are the furthest that they
// can, so that they fit no file.
struct EntryHead {
  int64_t size_bytes;
  int64_t mtime_ns;
  int64_t ctime_ns;
  uint64_t inode;
  uint64_t device;
  std::array<uint8_t, kHashBytes> hash;
  uint64_t name_bytes;
};
static_assert(sizeof(EntryHead) == 80, "it is written as it is: no padding");

template <typename Number>
void PutNumber(Number number, std::string* out) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  out->append(bytes, sizeof(number));
}

void PutString(absl::string_view text, std::string* out) {
  PutNumber(static_cast<uint32_t>(text.size()), out);
  out->append(text.data(), text.size());
}

// Takes values off the front; false when there is too little left.
template <typename Number>
bool TakeNumber(absl::string_view* in, Number* number) {
  if (in->size() < sizeof(*number)) return false;
  std::memcpy(number, in->data(), sizeof(*number));
  in->remove_prefix(sizeof(*number));
  return true;
}

bool TakeBytes(absl::string_view* in, size_t size, absl::string_view* bytes) {
  if (in->size() < size) return false;
  *bytes = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

bool TakeString(absl::string_view* in, absl::string_view* text) {
  uint32_t size = 0;
  return TakeNumber(in, &size) && TakeBytes(in, size, text);
}

std::string ReadWhole(const std::string& file) {
  FileDescriptor fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) ||
      st.st_size > kLargestFileBytes) {
    return "";
  }
  std::string bytes(st.st_size, '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = read(fd.get(), &bytes[filled], bytes.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return "";
    filled += n;
  }
  return bytes;
}

std::string RawHash(absl::string_view bytes) {
  return absl::HexStringToBytes(DigestOf(bytes).hash);
}

// The entry in front and its name; false when there is none.
bool TakeEntry(absl::string_view* in, EntryHead* head, absl::string_view* name) {
  return TakeNumber(in, head) && TakeBytes(in, head->name_bytes, name);
}

}  // namespace

void StatCache::Load(const std::string& file, const std::string& root) {
  bytes_ = ReadWhole(file);
  absl::string_view in = bytes_;
  if (in.size() < kMagic.size() + kHashBytes || in.substr(0, kMagic.size()) != kMagic) return;
  const absl::string_view check = in.substr(in.size() - kHashBytes);
  in.remove_suffix(kHashBytes);
  if (RawHash(in) != check) return;
  in.remove_prefix(kMagic.size());
  absl::string_view stored_root;
  if (!TakeString(&in, &stored_root) || stored_root != root) return;
  decltype(directories_) directories;
  int64_t entries = 0;
  while (!in.empty()) {
    absl::string_view path;
    uint32_t count = 0;
    if (!TakeString(&in, &path) || !TakeNumber(&in, &count)) return;
    const absl::string_view begin = in;
    for (uint32_t i = 0; i < count; ++i) {
      EntryHead head;
      absl::string_view name;
      if (!TakeEntry(&in, &head, &name)) return;
    }
    directories.emplace(path, begin.substr(0, begin.size() - in.size()));
    entries += count;
  }
  directories_ = std::move(directories);
  entries_ = entries;
}

StatCache::Entries StatCache::EntriesOf(absl::string_view directory) const {
  const auto found = directories_.find(directory);
  return found == directories_.end() ? Entries() : Entries(found->second);
}

bool StatCache::Entries::Find(absl::string_view name, const FileStat& stat, BlobKey* key) {
  while (true) {
    absl::string_view after = rest_;
    EntryHead head;
    absl::string_view here;
    if (!TakeEntry(&after, &head, &here) || here > name) return false;
    rest_ = after;
    if (here < name) continue;
    const FileStat known = {head.size_bytes,
                            absl::FromUnixNanos(head.mtime_ns),
                            absl::FromUnixNanos(head.ctime_ns),
                            head.inode,
                            head.device,
                            stat.mode};
    if (!SameContent(known, stat)) return false;
    *key = BlobKey{head.hash, head.size_bytes};
    return true;
  }
}

bool StatCache::IsTrusted(const ScannedFile& file) const {
  return file.content != ScannedFile::Content::kGone &&
         std::max(file.stat.mtime, file.stat.ctime) < trusted_until_;
}

bool StatCache::HoldsJust(const ScannedTree& tree) const {
  int64_t held = 0;
  for (const ScannedDirectory& directory : tree.directories) {
    for (const ScannedFile& file : directory.files) {
      const bool is_cached = file.content == ScannedFile::Content::kCached;
      if (is_cached != IsTrusted(file)) return false;
      held += is_cached ? 1 : 0;
    }
  }
  return held == entries_;
}

absl::Status StatCache::Save(const std::string& file, const std::string& root,
                             const ScannedTree& tree) const {
  if (HoldsJust(tree)) return absl::OkStatus();
  std::string bytes(kMagic);
  PutString(root, &bytes);
  for (const ScannedDirectory& directory : tree.directories) {
    std::string entries;
    uint32_t count = 0;
    for (const ScannedFile& found : directory.files) {
      if (!IsTrusted(found)) continue;
      PutNumber(EntryHead{found.stat.size_bytes, absl::ToUnixNanos(found.stat.mtime),
                          absl::ToUnixNanos(found.stat.ctime), found.stat.inode, found.stat.device,
                          found.key.hash, found.name.size()},
                &entries);
      entries += found.name;
      ++count;
    }
    if (count == 0) continue;
    PutString(directory.path, &bytes);
    PutNumber(count, &bytes);
    bytes += entries;
  }
  bytes += RawHash(bytes);

  std::error_code ignored;  // Opening the file says it better.
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  const std::string temporary = absl::StrCat(file, ".", getpid(), ".tmp");
  const std::string what = absl::StrCat("writing the stat cache ", file);
  FileDescriptor fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, what);
  absl::Status status = WriteAll(fd.get(), bytes);
  if (status.ok() && rename(temporary.c_str(), file.c_str()) != 0) {
    status = ErrnoStatus(errno, what);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace rally::blob
