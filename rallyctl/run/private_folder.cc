#include "rallyctl/run/private_folder.h"

#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "glog/logging.h"
#include "rallyctl/fetch/install_tree.h"

namespace rally::rallyctl {
namespace {

// A socket below it has at most 107 bytes for its whole path.
constexpr size_t kMaxParentBytes = 60;

}  // namespace

absl::StatusOr<std::unique_ptr<PrivateFolder>> PrivateFolder::Make() {
  const char* chosen = std::getenv("TMPDIR");
  std::string parent = chosen != nullptr && chosen[0] == '/' ? chosen : "/var/tmp";
  if (parent.size() > kMaxParentBytes) parent = "/var/tmp";
  std::string path = absl::StrCat(parent, "/rally-run-XXXXXX");
  if (mkdtemp(&path[0]) == nullptr) {
    return blob::ErrnoStatus(errno, absl::StrCat("making a private folder in ", parent));
  }
  return std::unique_ptr<PrivateFolder>(new PrivateFolder(std::move(path)));
}

PrivateFolder::~PrivateFolder() {
  if (keep_) return;
  const absl::Status status = RemoveTree(AT_FDCWD, path_.c_str());
  if (!status.ok()) LOG(ERROR) << "removing " << path_ << ": " << status.message();
}

}  // namespace rally::rallyctl
