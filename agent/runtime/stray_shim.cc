#include "agent/runtime/stray_shim.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/read_file.h"

namespace rally::runtime {
namespace {

constexpr absl::Duration kDying = absl::Seconds(1);
constexpr absl::Duration kLookAgain = absl::Milliseconds(10);

// Of a process, which may end meanwhile: then "".
std::string TextOf(const std::string& path) { return ReadFile(path).value_or(""); }

std::vector<std::string> Names(const char* directory) {
  std::vector<std::string> names;
  DIR* open = opendir(directory);
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  closedir(open);
  return names;
}

std::vector<pid_t> Processes(const std::function<bool(const std::string& folder)>& wanted) {
  std::vector<pid_t> found;
  for (const std::string& name : Names("/proc")) {
    int pid;
    if (absl::SimpleAtoi(name, &pid) && wanted("/proc/" + name)) found.push_back(pid);
  }
  return found;
}

bool HasOption(const std::vector<std::string>& words, absl::string_view option,
               const std::string& value) {
  const auto it = std::find(words.begin(), words.end(), option);
  return it != words.end() && it + 1 != words.end() && *(it + 1) == value;
}

// The program's name may hold blanks and brackets, so it is counted from its end.
pid_t ParentOf(const std::string& folder) {
  const std::string stat = TextOf(folder + "/stat");
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return 0;
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(end + 1), ' ');
  int parent = 0;
  return fields.size() > 2 && absl::SimpleAtoi(fields[2], &parent) ? parent : 0;
}

bool RemoveCgroups(const std::string& id) {
  bool gone = true;
  std::vector<std::string> parents = {"/sys/fs/cgroup"};
  for (const std::string& name : Names("/sys/fs/cgroup")) {
    parents.push_back("/sys/fs/cgroup/" + name);
  }
  for (const std::string& parent : parents) {
    const std::string path = absl::StrCat(parent, "/rally/", id);
    gone = (rmdir(path.c_str()) == 0 || errno != EBUSY) && gone;
  }
  return gone;
}

}  // namespace

absl::Status EndStrayShim(const std::string& containerd_namespace, const std::string& id) {
  const auto shims = Processes([&](const std::string& folder) {
    const std::string line = TextOf(folder + "/cmdline");
    if (!absl::StrContains(line, "containerd-shim")) return false;
    const std::vector<std::string> words = absl::StrSplit(line, '\0');
    return HasOption(words, "-namespace", containerd_namespace) && HasOption(words, "-id", id);
  });
  if (shims.empty()) return absl::OkStatus();
  // It first, so that it starts nothing more; what it has started follows.
  for (const pid_t shim : shims) {
    const auto children =
        Processes([shim](const std::string& folder) { return ParentOf(folder) == shim; });
    kill(shim, SIGKILL);
    for (const pid_t child : children) kill(child, SIGKILL);
  }
  for (const absl::Time deadline = absl::Now() + kDying; absl::Now() < deadline;
       absl::SleepFor(kLookAgain)) {
    if (RemoveCgroups(id)) return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "container ", id, ": the shim that containerd has forgotten was killed, its processes are ",
      "still dying"));
}

}  // namespace rally::runtime
