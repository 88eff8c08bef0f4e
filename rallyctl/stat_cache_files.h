#ifndef RALLY_RALLYCTL_STAT_CACHE_FILES_H_
#define RALLY_RALLYCTL_STAT_CACHE_FILES_H_

#include <string>

namespace rally::rallyctl {

// Where the digests of a context's unchanged files are remembered: a file each context in
// $XDG_CACHE_HOME/rally/contexts, or ~/.cache. "" when there is no place. All of it may be removed
// at any time.
std::string StatCacheFile(const std::string& context);

// Of the files beside this one, removes all but the newest; contexts come and go.
void KeepNewestStatCaches(const std::string& stat_cache_file);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_STAT_CACHE_FILES_H_
