#ifndef RALLY_RALLYCTL_TERMINAL_H_
#define RALLY_RALLYCTL_TERMINAL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace rally::rallyctl {

// The process's standard output and error as people and scripts see them: data goes to the one,
// progress to the other, and below both a status block may stand that is redrawn in place.
//
// It decides nothing about what is shown. Text is kept until Flush, so that one batch of changes
// is one redraw.
// Ownership: doesn't own the descriptors. Threads: not thread-safe.
// Blocking: Flush, while the reader of a pipe is slow. Errors: out_error; a closed pipe ends the
// process by SIGPIPE, as everywhere.
class Terminal {
 public:
  struct Options {
    int out = 1;
    int err = 2;
    bool colour_allowed = true;  // false for NO_COLOR
  };

  explicit Terminal(Options options);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool out_is_terminal() const { return out_is_terminal_; }
  bool err_is_terminal() const { return err_is_terminal_; }
  bool out_colour() const { return out_is_terminal_ && options_.colour_allowed; }
  bool err_colour() const { return err_is_terminal_ && options_.colour_allowed; }
  // Of the terminal on standard error; 80 by 24 when there is none.
  int width() const;
  int height() const;

  // Standard output itself, for data that isn't text; what was said before is flushed.
  int RawOut() {
    Flush();
    return options_.out;
  }

  void Out(absl::string_view text) { Append(options_.out, text); }
  void Err(absl::string_view text) { Append(options_.err, text); }
  // Replaces the block; no lines remove it. Only for a standard error that is a terminal.
  void SetBlock(std::vector<std::string> lines);
  void Flush();
  // The errno of the first write to standard output that failed; 0 while all is well.
  int out_error() const { return out_error_; }

 private:
  void Append(int fd, absl::string_view text);

  const Options options_;
  const bool out_is_terminal_;
  const bool err_is_terminal_;
  std::vector<std::pair<int, std::string>> pending_;
  std::vector<std::string> block_;
  bool block_changed_ = false;
  int drawn_lines_ = 0;
  int out_error_ = 0;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TERMINAL_H_
