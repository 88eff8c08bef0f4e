#ifndef RALLY_AGENT_DATA_DIRECTORY_H_
#define RALLY_AGENT_DATA_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::agent {

// The directory of one agent, locked against a second one, and where in it things are. It makes the
// folders that have no owner of their own, and reads nothing in them.
// Ownership: owns the lock; the kernel gives it up with the process. Threads: thread-safe.
// Blocking: on the local disk.
class DataDirectory {
 public:
  // FailedPrecondition when another agent uses it.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  std::string journal() const { return path_ + "/journal.sqlite"; }
  std::string init() const { return path_ + "/bin/rally-init"; }
  std::string keeper() const { return path_ + "/keeper"; }
  std::string workspaces() const { return path_ + "/workspaces"; }
  std::string spool(const std::string& attempt) const { return path_ + "/logs/" + attempt; }
  std::string stdout_fifo(const std::string& attempt) const;
  std::string stderr_fifo(const std::string& attempt) const;
  std::string start_report(const std::string& attempt) const {
    return path_ + "/starts/" + attempt;
  }

  // The attempts that have a spool file, sorted.
  std::vector<std::string> Spools() const;
  // Nothing there is OK, for both.
  absl::Status RemoveSpool(const std::string& attempt) const;
  absl::Status RemoveStartReport(const std::string& attempt) const;

  // Writes the executable that is PID 1 of every step. An older one may be in use by running steps
  // and stays theirs.
  absl::Status InstallInit(absl::string_view executable) const;

  struct Space {
    int64_t free_bytes = 0;
    int64_t total_bytes = 0;
  };
  absl::StatusOr<Space> MeasureSpace() const;

  // A few bytes of the disk are set aside while there is room, and given free when a step has
  // filled it: what the agent has to write down about the step's end must fit. Errors don't matter.
  void KeepReserve() const;
  void SpendReserve() const;
  void SpendReserveIfFull() const;

  const std::string& path() const { return path_; }

 private:
  DataDirectory(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_DATA_DIRECTORY_H_
