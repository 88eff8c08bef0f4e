#ifndef RALLY_COMMON_BLOB_GLOB_PATTERN_H_
#define RALLY_COMMON_BLOB_GLOB_PATTERN_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

namespace rally::blob {

// One pattern over a path whose components are separated by '/', as ignore files have them. It
// knows nothing of negation, anchoring or directories. A value.
//
// Both syntaxes: '*' is any bytes but '/', '?' any byte but '/', [a-z] one of a set (never '/'),
// '\' takes the meaning away from what follows. "**/" is any number of whole components, a trailing
// "**" everything below.
// Time: Matches takes at most (bytes of the path) x (bytes of the pattern), whatever both are.
class GlobPattern {
 public:
  enum class Syntax {
    kGit,     // "**" means more than '*' only as a whole component. [!a] and [^a] negate;
              // [[:alpha:]] are classes.
    kDocker,  // "**" crosses '/' wherever it stands, in front of plain text even amid a name:
              // "**.o" is what ends so. Only [^a] negates.
  };

  // Absent when the pattern is malformed: an open bracket, a trailing backslash.
  static std::optional<GlobPattern> Compile(absl::string_view text, Syntax syntax);

  bool Matches(absl::string_view path) const;

  // Whether there is a path below the directory, "a/b" for those that begin with "a/b/", that
  // matches.
  bool CouldMatchBelow(absl::string_view directory) const;

 private:
  friend class GlobCompiler;
  using Set = std::bitset<256>;

  enum class Kind : uint8_t {
    kByte,         // this one
    kAnyByte,      // but '/'
    kSet,          // one of a set
    kStar,         // any number but of '/'
    kEverything,   // any number
    kDirectories,  // enters the next element, or skips it
    kUntilSlash,   // any number, and then a '/'
  };
  struct Element {
    Kind kind;
    unsigned char byte = 0;
    uint32_t set = 0;
  };
  // The elements that can be matched next, a bit each; one more for the end.
  using States = absl::InlinedVector<uint64_t, 2>;

  void Add(size_t element, States* states) const;
  // False when nothing is left that could match.
  bool Step(unsigned char byte, const States& from, States* to) const;
  // Absent when no path that begins so matches.
  std::optional<States> Run(absl::string_view path) const;

  std::string prefix_;  // Literal bytes in front, which are compared faster.
  std::vector<Element> elements_;
  std::vector<Set> sets_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_GLOB_PATTERN_H_
