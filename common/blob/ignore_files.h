#ifndef RALLY_COMMON_BLOB_IGNORE_FILES_H_
#define RALLY_COMMON_BLOB_IGNORE_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/ignore_rules.h"

namespace rally::blob {

// Finds and reads the ignore files of a directory that is walked, and decides by them. This is what
// counts in one directory:
// - a file .rallyignore in the root, by git's syntax; no other file counts then,
// - else a file .dockerignore in the root, by Docker's,
// - else the file .gitignore of each directory. They don't apply to .git, and other sources of
//   git's (those outside the root, the index) don't count: the same files give the same tree.
//
// A value. Ownership: none; the root's descriptor outlives it.
// Threads: may be read by several at once. Blocking: Open and Enter, on the disk. Errors:
// InvalidArgument, naming file and line, when one can't be used.
class IgnoreFiles {
 public:
  // Above the root. Without `obey`, nothing is ignored; with it, also folders of unfinished fetches
  // are. Without `keep_git`, all entries called .git are.
  static absl::StatusOr<IgnoreFiles> Open(int root_fd, bool obey, bool keep_git);

  // The kind of file that was found on the way to here; "" for none.
  absl::string_view name() const { return name_; }

  // What counts in a directory below, by its path ("" is the root). `has_gitignore`: a regular file
  // is called so.
  absl::StatusOr<IgnoreFiles> Enter(const std::string& directory, bool has_gitignore) const;
  IgnoreWalk::Decision Decide(absl::string_view path, absl::string_view name,
                              bool is_directory) const;

  // Which file decides what is left out of the directory at that path: what is to be left out, too,
  // has to be listed there, as another one would take its place.
  static std::string NameInForce(const std::string& root);

 private:
  enum class Mode { kNothing, kRootFile, kGitignore };

  IgnoreFiles(int root_fd, bool keep_git) : root_fd_(root_fd), keep_git_(keep_git) {}

  int root_fd_;
  bool keep_git_;
  Mode mode_ = Mode::kNothing;
  absl::string_view name_;  // Of static storage.
  IgnoreWalk walk_{IgnoreSyntax::kGit};
  bool in_git_ = false;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_IGNORE_FILES_H_
