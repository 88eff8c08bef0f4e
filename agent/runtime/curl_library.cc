#include "agent/runtime/curl_library.h"

#include <dlfcn.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rally::runtime {
namespace {

// As libcurl's headers of that version declare it.
constexpr char kFile[] = "libcurl.so.4";

absl::StatusOr<CurlLibrary> Open() {
  void* const library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  bool complete = library != nullptr;
  const auto find = [&](const char* name, auto* function) {
    if (complete) *reinterpret_cast<void**>(function) = dlsym(library, name);
    complete = complete && *function != nullptr;
  };
  CurlLibrary curl = {};
  decltype(&curl_global_init) global_init = nullptr;
  find("curl_global_init", &global_init);
  find("curl_easy_init", &curl.easy_init);
  find("curl_easy_cleanup", &curl.easy_cleanup);
  find("curl_easy_reset", &curl.easy_reset);
  find("curl_easy_setopt", &curl.easy_setopt);
  find("curl_easy_getinfo", &curl.easy_getinfo);
  find("curl_easy_perform", &curl.easy_perform);
  find("curl_easy_strerror", &curl.easy_strerror);
  find("curl_slist_append", &curl.slist_append);
  find("curl_slist_free_all", &curl.slist_free_all);
  if (!complete) {
    const char* why = dlerror();
    return absl::FailedPreconditionError(absl::StrCat(
        "can't load libcurl, which gets images from registries: ", why == nullptr ? kFile : why,
        "; install the package libcurl4"));
  }
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return absl::FailedPreconditionError("libcurl could not be initialised");
  }
  return curl;
}

}  // namespace

absl::StatusOr<const CurlLibrary*> CurlLibrary::Load() {
  static const auto* const library = new absl::StatusOr<CurlLibrary>(Open());
  if (!library->ok()) return library->status();
  return &**library;
}

}  // namespace rally::runtime
