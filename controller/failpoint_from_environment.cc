// Linked into the crash tests' controller only: RALLY_FAILPOINT=PLACE[:DETAIL]*N ends the process
// by SIGKILL when it comes to that place for the Nth time.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "controller/failpoint.h"

namespace rally::controller {
namespace {

struct Target {
  std::string name;
  std::atomic<int> left{0};
};

Target& TheTarget() {
  static Target* const target = new Target;
  return *target;
}

void KillAtTarget(absl::string_view place, absl::string_view detail) {
  const std::string name = detail.empty() ? std::string(place) : absl::StrCat(place, ":", detail);
  if (name == TheTarget().name && TheTarget().left.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
}

const bool installed = [] {
  const char* text = getenv("RALLY_FAILPOINT");
  if (text == nullptr) return false;
  const absl::string_view wanted = text;
  const size_t star = wanted.rfind('*');
  int count = 1;
  if (star != absl::string_view::npos && !absl::SimpleAtoi(wanted.substr(star + 1), &count))
    abort();
  TheTarget().name = std::string(wanted.substr(0, star));
  TheTarget().left = count;
  failpoint_hook = KillAtTarget;
  return true;
}();

}  // namespace
}  // namespace rally::controller
