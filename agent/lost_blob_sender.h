#ifndef RALLY_AGENT_LOST_BLOB_SENDER_H_
#define RALLY_AGENT_LOST_BLOB_SENDER_H_

#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/outbox.h"
#include "agent/workspace/workspace_store.h"
#include "rally/v1/agent.pb.h"

namespace rally::agent {

// Answers the controller's requests for blobs that its store has lost: uploads those that this
// host's trees have, and says which. An answer that finds no session is dropped; the controller
// asks again in the next one.
//
// Ownership: owns its thread; workspaces and outbox outlive it. Threads: thread-safe.
// Blocking: Stop() until the present upload ends, which has a deadline; Take() never.
// Errors: none; what isn't sent isn't in the answer. So it is with all of a request when too many
//   wait.
class LostBlobSender {
 public:
  LostBlobSender(workspace::WorkspaceStore* workspaces, Outbox* outbox);
  ~LostBlobSender();
  LostBlobSender(const LostBlobSender&) = delete;
  LostBlobSender& operator=(const LostBlobSender&) = delete;

  void Take(const v1::UploadBlobs& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops what waits.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void Serve(const v1::UploadBlobs& request);

  workspace::WorkspaceStore* const workspaces_;
  Outbox* const outbox_;

  absl::Mutex mutex_;
  std::deque<v1::UploadBlobs> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_LOST_BLOB_SENDER_H_
