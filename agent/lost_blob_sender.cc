#include "agent/lost_blob_sender.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/blob/digest.h"
#include "glog/logging.h"

namespace rally::agent {
namespace {

// Each is a step that waits, somewhere in the fleet.
constexpr size_t kMaxWaiting = 256;
// Less than the controller's patience.
constexpr absl::Duration kUploadBound = absl::Minutes(4);

v1::AgentMessage AnswerTo(const v1::UploadBlobs& request) {
  v1::AgentMessage answer;
  *answer.mutable_blobs_uploaded()->mutable_key() = request.key();
  return answer;
}

}  // namespace

LostBlobSender::LostBlobSender(workspace::WorkspaceStore* workspaces, Outbox* outbox)
    : workspaces_(workspaces), outbox_(outbox), thread_([this] { Run(); }) {}

LostBlobSender::~LostBlobSender() { Stop(); }

void LostBlobSender::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  if (thread_.joinable()) thread_.join();
}

void LostBlobSender::Take(const v1::UploadBlobs& request) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (waiting_.size() < kMaxWaiting) {
      waiting_.push_back(request);
      return;
    }
  }
  outbox_->Send(AnswerTo(request));
}

void LostBlobSender::Run() {
  while (true) {
    v1::UploadBlobs request;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&wanted));
      if (stopping_) return;
      request = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Serve(request);
  }
}

void LostBlobSender::Serve(const v1::UploadBlobs& request) {
  std::vector<blob::Digest> wanted;
  for (const v1::Digest& proto : request.digests()) {
    auto digest = blob::MakeDigest(proto.hash(), proto.size_bytes());
    if (digest.ok()) wanted.push_back(*std::move(digest));
  }
  const std::vector<blob::Digest> sent = workspaces_->SendAgain(wanted, absl::Now() + kUploadBound);
  LOG(INFO) << "the blob service has lost " << wanted.size() << " blobs; sent " << sent.size()
            << " of them again";
  v1::AgentMessage answer = AnswerTo(request);
  for (const blob::Digest& digest : sent) {
    v1::Digest* proto = answer.mutable_blobs_uploaded()->add_digests();
    proto->set_hash(digest.hash);
    proto->set_size_bytes(digest.size_bytes);
  }
  outbox_->Send(std::move(answer));
}

}  // namespace rally::agent
