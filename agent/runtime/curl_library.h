#ifndef RALLY_AGENT_RUNTIME_CURL_LIBRARY_H_
#define RALLY_AGENT_RUNTIME_CURL_LIBRARY_H_

#include <curl/curl.h>

#include "absl/status/statusor.h"

namespace rally::runtime {

// libcurl, found when it is first used instead of at the program's start: it brings forty
// libraries, and linking them takes 20 ms. rallyctl has this runtime for the builds that it runs
// itself, and every other command would wait for what it never uses. The agent is linked with it
// all the same, so that it doesn't start on a host without it.
//
// Ownership: stays loaded until the process ends. Threads: thread-safe.
struct CurlLibrary {
  // Blocking: the first call, on the disk. Errors: Internal when this host has no libcurl, or one
  // that is too old to keep a transfer to the protocols that it may use.
  static absl::StatusOr<const CurlLibrary*> Load();

  // As curl's own, which their names have curl_ in front of.
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CURL_LIBRARY_H_
