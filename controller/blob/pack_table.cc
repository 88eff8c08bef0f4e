#include "controller/blob/pack_table.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest.h"
#include "common/blob/file_digest.h"

namespace rally::cas {
namespace {

constexpr char kMagic[8] = {'R', 'L', 'Y', 'P', 'A', 'C', 'K', '1'};
// The table's own hash, in hexadecimal digits, after its rows.
constexpr size_t kHashBytes = 64;

// In the machine's byte order: the file belongs to the machine that has the disk.
struct Header {
  char magic[sizeof(kMagic)];
  uint64_t rows;
};
struct Row {
  uint8_t hash[32];
  uint32_t size_bytes;
};
static_assert(sizeof(Header) == 16 && sizeof(Row) == 36);

bool ReadExactly(int fd, int64_t offset, size_t bytes, char* to) {
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t n = pread(fd, to + filled, bytes - filled, offset + static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    filled += static_cast<size_t>(n);
  }
  return true;
}

absl::Status NoPack(absl::string_view why) { return absl::DataLossError(why); }

}  // namespace

std::string MakePackTable(absl::Span<const BlobKey> keys) {
  std::string table;
  table.reserve(sizeof(Header) + keys.size() * sizeof(Row) + kHashBytes);
  Header header = {};
  memcpy(header.magic, kMagic, sizeof(kMagic));
  header.rows = keys.size();
  table.append(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const BlobKey& key : keys) {
    Row row;
    memcpy(row.hash, key.hash.data(), sizeof(row.hash));
    row.size_bytes = static_cast<uint32_t>(key.size_bytes);
    table.append(reinterpret_cast<const char*>(&row), sizeof(row));
  }
  table += blob::DigestOf(table).hash;
  return table;
}

absl::StatusOr<std::vector<PackedBlob>> ReadPackTable(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return blob::ErrnoStatus(errno, "looking at a pack");
  Header header;
  if (!ReadExactly(fd, 0, sizeof(header), reinterpret_cast<char*>(&header)) ||
      memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return NoPack("it doesn't begin as a pack does");
  }
  // The number is a claim until the file is seen to have room for so many.
  if (header.rows > static_cast<uint64_t>(st.st_size) / sizeof(Row)) {
    return NoPack("it is shorter than its table");
  }
  std::string table(sizeof(Header) + header.rows * sizeof(Row) + kHashBytes, '\0');
  if (!ReadExactly(fd, 0, table.size(), table.data()))
    return NoPack("it is shorter than its table");
  const absl::string_view rows = absl::string_view(table).substr(0, table.size() - kHashBytes);
  if (blob::DigestOf(rows).hash != absl::string_view(table).substr(rows.size())) {
    return NoPack("its table has another hash");
  }
  std::vector<PackedBlob> blobs(header.rows);
  auto offset = static_cast<int64_t>(table.size());
  for (size_t i = 0; i < blobs.size(); ++i) {
    Row row;
    memcpy(&row, table.data() + sizeof(Header) + i * sizeof(Row), sizeof(row));
    memcpy(blobs[i].key.hash.data(), row.hash, sizeof(row.hash));
    blobs[i].key.size_bytes = row.size_bytes;
    blobs[i].offset = offset;
    offset += row.size_bytes;
  }
  if (offset != st.st_size) return NoPack("it has another size than its table says");
  return blobs;
}

}  // namespace rally::cas
