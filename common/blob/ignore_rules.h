#ifndef RALLY_COMMON_BLOB_IGNORE_RULES_H_
#define RALLY_COMMON_BLOB_IGNORE_RULES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
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

// Decides what a walk over a directory leaves out, from the ignore files that it meets: what counts
// in one directory, by its own rules and those of the directories above. Paths are relative to the
// root of the walk. Pure: it reads no file. A value, whose copies share the rules.
// Threads: may be read by several at once. Blocking: never.
class IgnoreWalk {
 public:
  enum class Decision {
    kKeep,
    kLeaveOut,        // With all below.
    kOnlyWhatsBelow,  // A directory to leave out, unless something below it is kept.
  };

  // Above the root.
  explicit IgnoreWalk(IgnoreSyntax syntax) : syntax_(syntax) {}

  // What counts in a directory below the one that this is about; the root is "".
  // ResourceExhausted when more than kMaxIgnoreRules apply.
  absl::StatusOr<IgnoreWalk> Enter(absl::string_view directory,
                                   std::vector<IgnoreRule> rules) const;

  // About an entry of the directory.
  Decision Decide(absl::string_view path, bool is_directory) const;

 private:
  // The rules of one ignore file.
  struct Level {
    std::shared_ptr<const Level> above;
    size_t prefix_bytes = 0;  // Of its directory's path, with its '/'.
    std::vector<IgnoreRule> rules;
    size_t rule_count = 0;  // With those above.
  };

  Decision DecideByGit(absl::string_view path, bool is_directory) const;
  Decision DecideByDocker(absl::string_view path, bool is_directory) const;

  IgnoreSyntax syntax_;
  std::shared_ptr<const Level> level_;  // The deepest that has rules; null when there is none.
  // Docker: by which of the rules the directory, or what it is in, is matched.
  std::vector<bool> matched_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_IGNORE_RULES_H_
