#include "controller/patient_joiner.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "controller/tree_joiner.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);

// A store that was too slow to answer may be quicker next time.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

PatientJoiner::PatientJoiner(blob::DirectoryReader* reader, blob::BlobStore* store,
                             std::function<absl::Status()> sync)
    : reader_(reader), store_(store), sync_(std::move(sync)) {}

std::optional<core::TreeJoined> PatientJoiner::Join(const core::JoinTrees& command) {
  absl::Duration pause = kFirstPause;
  while (true) {
    absl::Status failure;
    core::TreeJoined joined = JoinAndStore(command, *reader_, *store_, &failure);
    if (failure.ok()) {
      failure = sync_();
      if (!failure.ok()) joined.error = std::string(failure.message());
    }
    if (!MayPass(failure)) return joined;
    LOG_IF(WARNING, pause == kFirstPause)
        << "build=" << command.build_id << " step=" << command.step << " waits: " << joined.error;
    if (stopping_.WaitForNotificationWithTimeout(pause)) return std::nullopt;
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace rally::controller
