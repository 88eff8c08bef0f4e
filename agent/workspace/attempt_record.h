#ifndef RALLY_AGENT_WORKSPACE_ATTEMPT_RECORD_H_
#define RALLY_AGENT_WORKSPACE_ATTEMPT_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/digest.h"

namespace rally::workspace {

// What the disk remembers of a mounted attempt, so that another process can capture it.
struct AttemptRecord {
  blob::Digest input_root;
  uint32_t uid = 0;
  uint32_t gid = 0;
  // The host's boot during which it was mounted. After another one its upper may lack what was
  // never written to the disk, and isn't captured.
  std::string boot_id;
  std::vector<uint64_t> layers;
};

// `directory` is the attempt's own. NotFound when there is no record.
absl::Status WriteAttemptRecord(const std::string& directory, const AttemptRecord& record);
absl::StatusOr<AttemptRecord> ReadAttemptRecord(const std::string& directory);

// What Capture answered, for when it is asked again.
absl::Status WriteCaptureResult(const std::string& directory,
                                const WorkspaceStore::CaptureResult& result);
absl::StatusOr<WorkspaceStore::CaptureResult> ReadCaptureResult(const std::string& directory);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_ATTEMPT_RECORD_H_
