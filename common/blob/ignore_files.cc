#include "common/blob/ignore_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "common/blob/open_beneath.h"
#include "common/blob/unfinished_fetch.h"

namespace rally::blob {
namespace {

constexpr char kGit[] = ".git";
constexpr char kGitignore[] = ".gitignore";
// The first that there is decides alone.
constexpr std::pair<const char*, IgnoreSyntax> kRootFiles[] = {
    {".rallyignore", IgnoreSyntax::kGit}, {".dockerignore", IgnoreSyntax::kDocker}};

absl::Status Named(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("'", absl::CEscape(path), "': ", status.message()));
}

// At least the first kMaxIgnoreFileBytes + 1 bytes. NotFound when there is none; InvalidArgument
// for what is no regular file, and for a symlink.
absl::StatusOr<std::string> ReadSmallFile(int root_fd, const std::string& path) {
  absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (absl::IsNotFound(fd.status()) || absl::IsPermissionDenied(fd.status())) return fd.status();
  struct stat st;
  if (!fd.ok() || fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return Named(path, absl::InvalidArgumentError("an ignore file has to be a regular file"));
  }
  std::string text;
  char buffer[16 << 10];
  while (text.size() <= kMaxIgnoreFileBytes) {
    const ssize_t n = read(fd->get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("reading '", path, "'"));
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

absl::StatusOr<std::vector<IgnoreRule>> ReadRules(int root_fd, const std::string& path,
                                                  IgnoreSyntax syntax) {
  absl::StatusOr<std::string> text = ReadSmallFile(root_fd, path);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<IgnoreRule>> rules = ParseIgnoreRules(*text, syntax);
  if (!rules.ok()) return Named(path, rules.status());
  return rules;
}

}  // namespace

absl::StatusOr<IgnoreFiles> IgnoreFiles::Open(int root_fd, bool obey, bool keep_git) {
  IgnoreFiles files(root_fd, keep_git);
  if (!obey) return files;
  for (const auto& [name, syntax] : kRootFiles) {
    auto rules = ReadRules(root_fd, name, syntax);
    if (absl::IsNotFound(rules.status())) continue;
    if (!rules.ok()) return rules.status();
    files.mode_ = Mode::kRootFile;
    files.name_ = name;
    auto walk = IgnoreWalk(syntax).Enter("", *std::move(rules));
    if (!walk.ok()) return walk.status();
    files.walk_ = *std::move(walk);
    return files;
  }
  files.mode_ = Mode::kGitignore;
  return files;
}

std::string IgnoreFiles::NameInForce(const std::string& root) {
  for (const auto& [name, syntax] : kRootFiles) {
    struct stat st;
    if (lstat(absl::StrCat(root, "/", name).c_str(), &st) == 0) return name;
  }
  return kGitignore;
}

absl::StatusOr<IgnoreFiles> IgnoreFiles::Enter(const std::string& directory,
                                               bool has_gitignore) const {
  IgnoreFiles inside = *this;
  if (mode_ == Mode::kNothing || in_git_) return inside;
  if (mode_ == Mode::kRootFile && directory.empty()) return inside;  // Its rules count already.
  if (mode_ == Mode::kGitignore && directory.substr(directory.rfind('/') + 1) == kGit) {
    inside.in_git_ = true;
    return inside;
  }
  std::vector<IgnoreRule> rules;
  if (mode_ == Mode::kGitignore && has_gitignore) {
    const std::string path = absl::StrCat(directory, directory.empty() ? "" : "/", kGitignore);
    absl::StatusOr<std::vector<IgnoreRule>> found = ReadRules(root_fd_, path, IgnoreSyntax::kGit);
    if (!found.ok()) return found.status();
    rules = *std::move(found);
    inside.name_ = kGitignore;
  }
  absl::StatusOr<IgnoreWalk> walk = walk_.Enter(directory, std::move(rules));
  if (!walk.ok()) return walk.status();
  inside.walk_ = *std::move(walk);
  return inside;
}

IgnoreWalk::Decision IgnoreFiles::Decide(absl::string_view path, absl::string_view name,
                                         bool is_directory) const {
  if (name == kGit && !keep_git_) return IgnoreWalk::Decision::kLeaveOut;
  if (mode_ == Mode::kNothing || in_git_) return IgnoreWalk::Decision::kKeep;
  if (is_directory && IsUnfinishedFetch(name)) return IgnoreWalk::Decision::kLeaveOut;
  if (mode_ == Mode::kGitignore && name == kGit) return IgnoreWalk::Decision::kKeep;
  return walk_.Decide(path, is_directory);
}

}  // namespace rally::blob
