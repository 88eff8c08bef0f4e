#ifndef RALLY_COMMON_PIPELINE_VERB_TABLE_H_
#define RALLY_COMMON_PIPELINE_VERB_TABLE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::pipeline {

// What a verb, the first argument of a step without an image, stands for.
struct Verb {
  std::string image;                // A valid reference or oci:PATH, as configuration writes it.
  std::vector<std::string> prefix;  // What the container's command begins with; not empty.
  bool keep_verb = false;           // The verb itself follows the prefix.
  bool join_rest = false;           // The other arguments become one, joined by blanks.
};

// The verbs that a server knows. A value; equal tables give equal pipelines.
class VerbTable {
 public:
  // LANGUAGE.md 3.
  static VerbTable BuiltIn();

  // The built-in table with what a TOML text says over it. [images] maps the image keys of the
  // built-in verbs ("git", "curl", "builder", "kubectl", "shell") to references or oci:PATH.
  // [verbs.NAME] with image, prefix, keepVerb changes or adds a verb; `image` may be an image key,
  // which wins over a reference of that name. A verb of the built-in table keeps what isn't given,
  // but with a new prefix keepVerb is false unless given; another needs image and prefix.
  // InvalidArgument names all that is wrong, each with its line.
  static absl::StatusOr<VerbTable> FromToml(absl::string_view text);

  // Or null.
  const Verb* Find(absl::string_view name) const;
  // Sorted.
  std::vector<absl::string_view> Names() const;

 private:
  std::map<std::string, Verb, std::less<>> verbs_;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_VERB_TABLE_H_
