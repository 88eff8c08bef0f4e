#ifndef RALLY_COMMON_BLOB_IGNORE_RULES_H_
#define RALLY_COMMON_BLOB_IGNORE_RULES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/glob_pattern.h"

namespace rally::blob {

// What bounds the work that an ignore file can ask for.
inline constexpr size_t kMaxIgnoreFileBytes = 1024 * 1024;
inline constexpr size_t kMaxIgnoreLineBytes = 4096;
inline constexpr size_t kMaxIgnoreRules = 10'000;  // That apply to one path.

enum class IgnoreSyntax {
  // A rule without '/' is about names at any depth, others are anchored to their file's directory;
  // a trailing '/' means directories only. What is below an ignored directory stays ignored.
  kGit,
  // All rules are anchored to the root, and about all below what they match; spaces around them
  // don't count. A '!' rule can bring back what is below an ignored directory.
  kDocker,
};

struct IgnoreRule {
  GlobPattern pattern;
  bool negated = false;
  bool directories_only = false;
  bool names_only = false;  // The pattern is about the last component.
};

// The rules of one ignore file, in its order. Those that can't match anything are left out.
// InvalidArgument naming the line: a limit is exceeded, or (Docker) a pattern is malformed; git
// takes those for rules that match nothing.
absl::StatusOr<std::vector<IgnoreRule>> ParseIgnoreRules(absl::string_view text,
                                                         IgnoreSyntax syntax);

// Decides what a walk over a directory leaves out, from the ignore files that it meets. Paths are
// relative to the root of the walk. Pure: it reads no file.
// Ownership: none. Threads: not thread-safe. Blocking: never.
class IgnoreWalk {
 public:
  enum class Decision {
    kKeep,
    kLeaveOut,        // With all below.
    kOnlyWhatsBelow,  // A directory to leave out, unless something below it is kept.
  };

  explicit IgnoreWalk(IgnoreSyntax syntax) : syntax_(syntax) {}

  // Goes into a directory below the one that it is in; the root is "". ResourceExhausted when more
  // than kMaxIgnoreRules apply.
  absl::Status Enter(absl::string_view directory, std::vector<IgnoreRule> rules);
  void Leave();

  // About an entry of the directory that was entered last.
  Decision Decide(absl::string_view path, bool is_directory) const;

 private:
  struct Level {
    size_t prefix_bytes;  // Of the directory's path, with its '/'.
    std::vector<IgnoreRule> rules;
    std::vector<bool> matched;  // Docker: by which of the root's rules it, or what it is in, was.
  };

  Decision DecideByGit(absl::string_view path, bool is_directory) const;
  Decision DecideByDocker(absl::string_view path, bool is_directory) const;

  IgnoreSyntax syntax_;
  std::vector<Level> levels_;
  size_t rule_count_ = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_IGNORE_RULES_H_
