#include "agent/runtime/oci_layout_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rally::runtime {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

// A descriptor of `path` that can't lie outside of `directory`. Never waits, not even for a FIFO.
absl::StatusOr<int> OpenBeneath(int directory, const std::string& path, int flags) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  const int fd = static_cast<int>(syscall(SYS_openat2, directory, name, &how, sizeof(how)));
  if (fd >= 0) return fd;
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat("there is no file ", name));
    case EXDEV:
      return absl::PermissionDeniedError(absl::StrCat(name, " leads out of its directory"));
    case ELOOP:
      return absl::PermissionDeniedError(absl::StrCat(name, " is a link that can't be followed"));
    default:
      return absl::FailedPreconditionError(absl::StrCat(name, ": ", strerror(errno)));
  }
}

class DirectoryFiles : public OciLayoutSource::Files {
 public:
  explicit DirectoryFiles(int directory) : directory_(directory) {}
  ~DirectoryFiles() override { close(directory_); }

  absl::Status Visit(
      const std::set<std::string>& names,
      const std::function<absl::Status(const std::string&, const PieceReader&)>& visit) override {
    std::vector<char> buffer(kPieceBytes);
    for (const std::string& name : names) {
      absl::StatusOr<int> opened = OpenBeneath(directory_, name, O_RDONLY);
      if (absl::IsNotFound(opened.status())) continue;
      if (!opened.ok()) return opened.status();
      const int fd = *opened;
      absl::Cleanup closer = [fd] { close(fd); };
      struct stat found;
      if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat(name, " is not a regular file"));
      }
      const PieceReader read_piece = [&]() -> absl::StatusOr<absl::string_view> {
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        if (n < 0) return absl::InternalError(absl::StrCat(name, ": ", strerror(errno)));
        return absl::string_view(buffer.data(), n);
      };
      if (absl::Status status = visit(name, read_piece); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  const int directory_;
};

// Each visit goes through the whole archive, skipping what it doesn't want by seeking.
class TarFiles : public OciLayoutSource::Files {
 public:
  explicit TarFiles(int file) : file_(file) {}
  ~TarFiles() override { close(file_); }

  absl::Status Visit(
      const std::set<std::string>& names,
      const std::function<absl::Status(const std::string&, const PieceReader&)>& visit) override {
    if (lseek(file_, 0, SEEK_SET) != 0) return absl::InternalError(strerror(errno));
    archive* reader = archive_read_new();
    if (reader == nullptr) return absl::ResourceExhaustedError("out of memory");
    absl::Cleanup freer = [reader] { archive_read_free(reader); };
    archive_read_support_format_tar(reader);
    if (archive_read_open_fd(reader, file_, kPieceBytes) != ARCHIVE_OK) return Broken(reader);
    std::set<std::string> left = names;
    while (!left.empty()) {
      archive_entry* entry = nullptr;
      const int result = archive_read_next_header(reader, &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Broken(reader);
      const char* path = archive_entry_pathname(entry);
      if (path == nullptr || archive_entry_filetype(entry) != AE_IFREG ||
          archive_entry_hardlink(entry) != nullptr) {
        continue;
      }
      const std::string name(absl::StripPrefix(path, "./"));
      if (left.erase(name) == 0) continue;
      std::vector<char> buffer(kPieceBytes);
      const PieceReader read_piece = [&]() -> absl::StatusOr<absl::string_view> {
        const la_ssize_t n = archive_read_data(reader, buffer.data(), buffer.size());
        if (n < 0) return Broken(reader);
        return absl::string_view(buffer.data(), n);
      };
      if (absl::Status status = visit(name, read_piece); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Broken(archive* reader) {
    const char* why = archive_error_string(reader);
    return absl::FailedPreconditionError(
        absl::StrCat("it is neither a directory nor a plain tar (compressed ones are not read): ",
                     why == nullptr ? "unreadable" : why));
  }

  const int file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OciLayoutSource::Files>> OciLayoutSource::Files::Open(
    int root_fd, const std::string& path) {
  absl::StatusOr<int> fd = OpenBeneath(root_fd, path, O_RDONLY);
  if (!fd.ok()) return fd.status();
  struct stat found;
  const bool known = fstat(*fd, &found) == 0;
  if (known && S_ISDIR(found.st_mode)) return std::make_unique<DirectoryFiles>(*fd);
  if (known && S_ISREG(found.st_mode)) return std::make_unique<TarFiles>(*fd);
  close(*fd);
  return absl::FailedPreconditionError("it is neither a directory nor a regular file");
}

}  // namespace rally::runtime
