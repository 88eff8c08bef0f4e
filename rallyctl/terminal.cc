#include "rallyctl/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace rally::rallyctl {
namespace {

// 0, or the errno of what failed.
int WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(written);
    } else if (written < 0 && errno == EAGAIN) {
      // Whoever shares the pipe made it non-blocking.
      pollfd writable = {fd, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (written < 0 && errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

winsize SizeOf(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

}  // namespace

Terminal::Terminal(Options options)
    : options_(options),
      out_is_terminal_(isatty(options.out) == 1),
      err_is_terminal_(isatty(options.err) == 1) {}

Terminal::~Terminal() {
  SetBlock({});
  Flush();
}

int Terminal::width() const { return SizeOf(options_.err).ws_col; }
int Terminal::height() const { return SizeOf(options_.err).ws_row; }

void Terminal::Append(int fd, absl::string_view text) {
  if (text.empty()) return;
  if (pending_.empty() || pending_.back().first != fd) pending_.emplace_back(fd, "");
  absl::StrAppend(&pending_.back().second, text);
}

void Terminal::SetBlock(std::vector<std::string> lines) {
  if (lines == block_) return;
  block_ = std::move(lines);
  block_changed_ = true;
}

void Terminal::Flush() {
  if (pending_.empty() && !block_changed_) return;
  if (drawn_lines_ > 0) {
    // To the block's first line, then clear to the screen's end.
    std::string erase = absl::StrCat("\r\x1b[", drawn_lines_, "A\x1b[J");
    if (!pending_.empty() && pending_.front().first == options_.err) {
      pending_.front().second.insert(0, erase);
    } else {
      pending_.insert(pending_.begin(), {options_.err, std::move(erase)});
    }
    drawn_lines_ = 0;
  }
  for (const std::string& line : block_) Err(absl::StrCat(line, "\n"));
  drawn_lines_ = static_cast<int>(block_.size());
  block_changed_ = false;
  for (const auto& [fd, text] : pending_) {
    const int error = WriteAll(fd, text);
    if (fd == options_.out && out_error_ == 0) out_error_ = error;
  }
  pending_.clear();
}

}  // namespace rally::rallyctl
