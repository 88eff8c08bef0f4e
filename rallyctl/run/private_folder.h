#ifndef RALLY_RALLYCTL_RUN_PRIVATE_FOLDER_H_
#define RALLY_RALLYCTL_RUN_PRIVATE_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace rally::rallyctl {

// A new folder that nobody else can read; removed with everything below it in the end.
// Ownership: owns the folder. Blocking: on the disk.
class PrivateFolder {
 public:
  // Below $TMPDIR or /var/tmp, where there is more room than in a /tmp that lies in memory.
  static absl::StatusOr<std::unique_ptr<PrivateFolder>> Make();
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  const std::string& path() const { return path_; }
  void Keep() { keep_ = true; }

 private:
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  bool keep_ = false;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RUN_PRIVATE_FOLDER_H_
