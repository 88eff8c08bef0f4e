#include "rallyctl/stat_cache_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"

namespace rally::rallyctl {
namespace {

constexpr size_t kMaxContexts = 50;

bool MakeFolder(const std::string& path) {
  return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

}  // namespace

std::string StatCacheFile(const std::string& context) {
  char resolved[PATH_MAX];
  if (realpath(context.c_str(), resolved) == nullptr) return "";
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && cache[0] == '/') {
    folder = cache;
  } else if (home != nullptr && home[0] == '/') {
    folder = absl::StrCat(home, "/.cache");
  } else {
    return "";
  }
  if (!MakeFolder(folder)) return "";
  for (const char* name : {"/rally", "/contexts"}) {
    folder += name;
    if (!MakeFolder(folder)) return "";
  }
  return absl::StrCat(folder, "/", blob::DigestOf(resolved).hash.substr(0, 32));
}

void KeepNewestStatCaches(const std::string& stat_cache_file) {
  namespace fs = std::filesystem;
  // A cache that can't be tidied up is no reason to fail, or to say anything.
  std::error_code ignored;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  fs::directory_iterator entry(fs::path(stat_cache_file).parent_path(), ignored);
  for (; !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
    files.emplace_back(entry->last_write_time(ignored), entry->path());
  }
  if (files.size() <= kMaxContexts) return;
  std::sort(files.rbegin(), files.rend());
  for (size_t i = kMaxContexts; i < files.size(); ++i) fs::remove(files[i].second, ignored);
}

}  // namespace rally::rallyctl
