#include "agent/runtime/curl_library.h"

#include <dlfcn.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rally::runtime {
namespace {

constexpr char kFile[] = "libcurl.so.4";
// 7.85.0, the first that knows CURLOPT_PROTOCOLS_STR.
constexpr unsigned kOldestVersion = 0x075500;

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

absl::StatusOr<CurlLibrary> Open() {
  void* const library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  CurlLibrary curl = {};
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_version_info) version_info = nullptr;
  const bool complete = library != nullptr && Find(library, "curl_global_init", &global_init) &&
                        Find(library, "curl_version_info", &version_info) &&
                        Find(library, "curl_easy_init", &curl.easy_init) &&
                        Find(library, "curl_easy_cleanup", &curl.easy_cleanup) &&
                        Find(library, "curl_easy_reset", &curl.easy_reset) &&
                        Find(library, "curl_easy_setopt", &curl.easy_setopt) &&
                        Find(library, "curl_easy_getinfo", &curl.easy_getinfo) &&
                        Find(library, "curl_easy_perform", &curl.easy_perform) &&
                        Find(library, "curl_easy_strerror", &curl.easy_strerror) &&
                        Find(library, "curl_slist_append", &curl.slist_append) &&
                        Find(library, "curl_slist_free_all", &curl.slist_free_all);
  if (!complete) {
    const char* why = dlerror();
    return absl::InternalError(absl::StrCat(
        "can't load libcurl, which gets images from registries: ", why == nullptr ? kFile : why,
        "; install the package libcurl4"));
  }
  const curl_version_info_data* version = version_info(CURLVERSION_NOW);
  if (version->version_num < kOldestVersion) {
    return absl::InternalError(absl::StrCat("this host has libcurl ", version->version,
                                            ", which gets images from registries; install 7.85.0 "
                                            "or newer (the package libcurl4)"));
  }
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return absl::InternalError("libcurl could not be initialised");
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
