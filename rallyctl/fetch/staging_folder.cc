#include "rallyctl/fetch/staging_folder.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rallyctl/exit_status.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {
namespace {

// Other threads may make files until they notice that their folders are gone.
constexpr int kRemovals = 10;

}  // namespace

StagingFolder::StagingFolder(int folder, std::string shown, bool ends_on_interrupt)
    : folder_(folder),
      shown_(std::move(shown)),
      name_(absl::StrCat(".rally-fetch-", RandomKey().substr(0, 12))) {
  if (ends_on_interrupt) {
    interrupts_.emplace([this](int) { OnInterrupt(); });
  }
}

StagingFolder::~StagingFolder() {
  BeginInstall();
  RemoveTree(folder_, name_.c_str()).IgnoreError();  // Nothing better can be done with its error.
}

void StagingFolder::BeginInstall() {
  absl::MutexLock lock(&mutex_);
  installing_ = true;
}

void StagingFolder::OnInterrupt() {
  // Held to the end: whoever wants to install waits, and is gone.
  absl::MutexLock lock(&mutex_);
  if (installing_) return;
  for (int i = 0; i < kRemovals && !RemoveTree(folder_, name_.c_str()).ok(); ++i) {
  }
  dprintf(STDERR_FILENO, "rallyctl: interrupted; nothing was put in %s\n", shown_.c_str());
  _exit(static_cast<int>(ExitStatus::kCancelled));
}

}  // namespace rally::rallyctl
