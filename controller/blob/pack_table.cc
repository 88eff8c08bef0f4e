#include "controller/blob/pack_table.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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

// From the beginning.
absl::Status ReadExactly(int fd, size_t bytes, char* to) {
  const ssize_t filled = blob::ReadAt(fd, 0, bytes, to);
  // Not as damage: the next time it may be read.
  if (filled < 0) return absl::UnavailableError(absl::StrCat("reading it: ", strerror(errno)));
  if (static_cast<size_t>(filled) < bytes) {
    return absl::DataLossError("it is shorter than its table");
  }
  return absl::OkStatus();
}

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

absl::StatusOr<PackTable> ReadPackTable(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::UnavailableError(strerror(errno));
  Header header;
  absl::Status read = ReadExactly(fd, sizeof(header), reinterpret_cast<char*>(&header));
  if (!read.ok()) return read;
  if (memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError("it doesn't begin as a pack does");
  }
  // The number is a claim until the file is seen to have room for so many.
  if (header.rows > static_cast<uint64_t>(st.st_size) / sizeof(Row)) {
    return absl::DataLossError("it is shorter than its table");
  }
  std::string bytes(sizeof(Header) + header.rows * sizeof(Row) + kHashBytes, '\0');
  if (read = ReadExactly(fd, bytes.size(), bytes.data()); !read.ok()) return read;
  PackTable table;
  const absl::string_view rows = absl::string_view(bytes).substr(0, bytes.size() - kHashBytes);
  table.intact = blob::DigestOf(rows).hash == absl::string_view(bytes).substr(rows.size());
  table.blobs.resize(header.rows);
  auto offset = static_cast<int64_t>(bytes.size());
  for (size_t i = 0; i < table.blobs.size(); ++i) {
    Row row;
    memcpy(&row, bytes.data() + sizeof(Header) + i * sizeof(Row), sizeof(row));
    PackedBlob& blob = table.blobs[i];
    memcpy(blob.key.hash.data(), row.hash, sizeof(row.hash));
    blob.key.size_bytes = row.size_bytes;
    blob.offset = offset;
    offset += row.size_bytes;
  }
  if (offset != st.st_size) {
    return absl::DataLossError("it has another size than its table says");
  }
  return table;
}

}  // namespace rally::cas
