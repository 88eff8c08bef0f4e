#ifndef RALLY_COMMON_PIPELINE_BUILD_ARGUMENTS_H_
#define RALLY_COMMON_PIPELINE_BUILD_ARGUMENTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

// A part of an argument: "eric:1" in "--tag=eric:1", or all of it.
struct ArgumentPart {
  size_t index = 0;  // Of the argument.
  size_t begin = 0;  // The byte of it where the part begins; it reaches to the end.
};

// What the arguments after the word `build` mean to docker. Only what Rally looks at is told apart.
struct BuildArguments {
  // The values of -t and --tag, and of --cache-from, in the order written.
  std::vector<ArgumentPart> tags;
  std::vector<ArgumentPart> cache_from;
  // The words that belong to no option: of a proper build the context alone.
  std::vector<size_t> words;
};

// Never fails: an option that isn't known takes no value from the next argument, and one whose
// value is missing has none. Linear.
BuildArguments ParseBuildArguments(const std::vector<std::string>& args);

// How the context of a build is come by (LANGUAGE.md 3, repair 4).
enum class ContextKind {
  kLocal,    // A path in the workspace, or "-".
  kGit,      // A repository to clone.
  kArchive,  // A tar or zip file to fetch.
  kDownload  // A file to fetch, whose content says what it is.
};

ContextKind ClassifyContext(absl::string_view context);

// Whether a context is a git repository only by its host, as "https://github.com/a/b": nothing in
// the URL itself says so.
bool IsGitByHostOnly(absl::string_view context);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_BUILD_ARGUMENTS_H_
