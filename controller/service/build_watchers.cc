#include "controller/service/build_watchers.h"

#include <utility>

namespace rally::controller {

int64_t BuildWatchers::Subscribe(const std::string& build_id, Callback callback) {
  absl::MutexLock lock(&mutex_);
  const int64_t id = next_id_++;
  callbacks_[build_id].emplace(id, std::move(callback));
  return id;
}

void BuildWatchers::Unsubscribe(const std::string& build_id, int64_t id) {
  absl::MutexLock lock(&mutex_);
  auto it = callbacks_.find(build_id);
  if (it == callbacks_.end()) return;
  it->second.erase(id);
  if (it->second.empty()) callbacks_.erase(it);
}

bool BuildWatchers::IsWatched(const std::string& build_id) {
  absl::MutexLock lock(&mutex_);
  return callbacks_.count(build_id) > 0;
}

void BuildWatchers::Publish(std::shared_ptr<const v1::Build> build) {
  // Called under the lock, so that Unsubscribe can promise that no call is under way. A callback
  // only puts the build aside and wakes its stream.
  absl::MutexLock lock(&mutex_);
  auto it = callbacks_.find(build->id());
  if (it == callbacks_.end()) return;
  for (auto& [id, callback] : it->second) callback(build);
}

}  // namespace rally::controller
