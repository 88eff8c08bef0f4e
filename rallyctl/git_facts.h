#ifndef RALLY_RALLYCTL_GIT_FACTS_H_
#define RALLY_RALLYCTL_GIT_FACTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rally::rallyctl {

// What a folder's git repository says about itself; empty is what it doesn't say.
struct GitFacts {
  std::string branch;      // empty when HEAD is detached
  std::string commit;      // of HEAD, in full
  std::string tag;         // exactly at HEAD
  std::string repository;  // the URL of the remote "origin", without a password
};

// Asks git. All empty when there is no git, no repository, or no answer within `patience`.
// Blocking: for at most `patience`.
GitFacts ReadGitFacts(const std::string& folder, absl::Duration patience = absl::Seconds(3));

// The URL of a repository without the user and password that fetch it. The user of an ssh URL
// stays: he is part of the address.
std::string WithoutPassword(absl::string_view url);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_GIT_FACTS_H_
