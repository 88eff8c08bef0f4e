#include "common/blob/stat_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

// The file: this, the root's path, the entries, and the SHA-256 of all that.
constexpr absl::string_view kMagic = "rally stat cache 1\n";
constexpr size_t kHashBytes = 32;
constexpr int64_t kLargestFileBytes = 1024 * 1024 * 1024;
// Only to reserve memory.
constexpr size_t kTypicalEntryBytes = 110;

int64_t Nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

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

}  // namespace

StatCache::Entry StatCache::MakeEntry(const struct stat& st, const std::array<char, 32>& hash) {
  return Entry{st.st_size, Nanoseconds(st.st_mtim), Nanoseconds(st.st_ctim), st.st_ino, st.st_dev,
               hash};
}

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
  decltype(loaded_) entries;
  entries.reserve(in.size() / kTypicalEntryBytes);
  while (!in.empty()) {
    absl::string_view path, hash;
    Entry entry;
    if (!TakeString(&in, &path) || !TakeNumber(&in, &entry.size_bytes) ||
        !TakeNumber(&in, &entry.mtime_ns) || !TakeNumber(&in, &entry.ctime_ns) ||
        !TakeNumber(&in, &entry.inode) || !TakeNumber(&in, &entry.device) ||
        !TakeBytes(&in, kHashBytes, &hash)) {
      return;
    }
    std::copy(hash.begin(), hash.end(), entry.hash.begin());
    entries.emplace(path, LoadedEntry{entry, false});
  }
  loaded_ = std::move(entries);
}

std::optional<Digest> StatCache::Find(absl::string_view path, const struct stat& st) const {
  const auto found = loaded_.find(path);
  if (found == loaded_.end()) return std::nullopt;
  const Entry& entry = found->second.entry;
  if (!(MakeEntry(st, entry.hash) == entry)) return std::nullopt;
  return Digest{absl::BytesToHexString(absl::string_view(entry.hash.data(), entry.hash.size())),
                entry.size_bytes};
}

void StatCache::Remember(absl::string_view path, const struct stat& st, const Digest& digest) {
  const absl::Time touched =
      std::max(absl::TimeFromTimespec(st.st_mtim), absl::TimeFromTimespec(st.st_ctim));
  if (touched >= trusted_until_) return;
  const std::string raw = absl::HexStringToBytes(digest.hash);
  Entry entry = MakeEntry(st, {});
  std::copy(raw.begin(), raw.end(), entry.hash.begin());
  const auto found = loaded_.find(path);
  if (found == loaded_.end() || !(found->second.entry == entry)) {
    added_.emplace_back(path, entry);
  } else if (!found->second.holds) {
    found->second.holds = true;
    ++holding_;
  }
}

absl::Status StatCache::Save(const std::string& file, const std::string& root) const {
  if (added_.empty() && holding_ == loaded_.size()) return absl::OkStatus();
  std::string bytes(kMagic);
  PutString(root, &bytes);
  const auto put = [&bytes](absl::string_view path, const Entry& entry) {
    PutString(path, &bytes);
    PutNumber(entry.size_bytes, &bytes);
    PutNumber(entry.mtime_ns, &bytes);
    PutNumber(entry.ctime_ns, &bytes);
    PutNumber(entry.inode, &bytes);
    PutNumber(entry.device, &bytes);
    bytes.append(entry.hash.data(), entry.hash.size());
  };
  for (const auto& [path, loaded] : loaded_) {
    if (loaded.holds) put(path, loaded.entry);
  }
  for (const auto& [path, entry] : added_) put(path, entry);
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
