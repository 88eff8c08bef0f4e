#ifndef RALLY_CONTROLLER_SERVICE_BUILD_WATCHERS_H_
#define RALLY_CONTROLLER_SERVICE_BUILD_WATCHERS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rally/v1/build.pb.h"

namespace rally::controller {

// Who wants to be told about which build.
//
// Threads: thread-safe. A callback runs on the thread that publishes and must not block; it is not
// called any more once Unsubscribe has returned.
class BuildWatchers {
 public:
  using Callback = std::function<void(const std::shared_ptr<const v1::Build>&)>;

  int64_t Subscribe(const std::string& build_id, Callback callback) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unsubscribe(const std::string& build_id, int64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

  bool IsWatched(const std::string& build_id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Publish(std::shared_ptr<const v1::Build> build) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, std::map<int64_t, Callback>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_BUILD_WATCHERS_H_
