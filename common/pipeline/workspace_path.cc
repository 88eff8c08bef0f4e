#include "common/pipeline/workspace_path.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace rally::pipeline {

std::string CleanPath(absl::string_view path) {
  const bool absolute = absl::StartsWith(path, "/");
  std::vector<absl::string_view> kept;
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!absolute) {
      kept.push_back(part);
    }
  }
  return absl::StrCat(absolute ? "/" : "", absl::StrJoin(kept, "/"));
}

bool LeavesItsStart(absl::string_view clean_path) {
  return clean_path == ".." || absl::StartsWith(clean_path, "../");
}

}  // namespace rally::pipeline
