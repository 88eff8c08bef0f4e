#include "agent/runtime/fake_runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rally::runtime {
namespace {

absl::Status NoContainer(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("container ", id, ": no such container"));
}

// Opens a FIFO that somebody reads, and writes; -1 when there is none.
int OpenAndWrite(const std::string& path, const std::string& text) {
  if (path.empty()) return -1;
  const int fd = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(fd, text.data() + written, text.size() - written);
    if (n < 0) break;
    written += n;
  }
  return fd;
}

// As the init does it.
void ReportStart(const std::string& path, const std::string& failure) {
  if (path.empty()) return;
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | (failure.empty() ? O_TRUNC : O_APPEND));
  if (fd < 0) return;
  if (write(fd, failure.data(), failure.size()) < 0) abort();
  close(fd);
}

}  // namespace

void FakeHost::AddImage(const std::string& reference, Image image) {
  absl::MutexLock lock(&mutex_);
  images_[reference] = std::move(image);
}

void FakeHost::SetScript(const std::string& id, FakeScript script) {
  absl::MutexLock lock(&mutex_);
  scripts_[id] = std::move(script);
}

void FakeHost::SetDefaultScript(FakeScript script) {
  absl::MutexLock lock(&mutex_);
  default_script_ = std::move(script);
}

void FakeHost::End(const std::string& id, int exit_code, bool oom_killed) {
  absl::MutexLock lock(&mutex_);
  const auto found = containers_.find(id);
  if (found != containers_.end()) EndLocked(found->second, exit_code, oom_killed);
}

void FakeHost::LoseTask(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  EndLocked(found->second, 137, false);
  found->second.state = ContainerState::kNoTask;
  found->second.pid = 0;
}

void FakeHost::LoseRecord(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  found->second.has_record = false;
  found->second.labels.clear();
}

void FakeHost::FailNext(const std::string& method, absl::Status status, int times) {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < times; ++i) failures_[method].push_back(status);
}

void FakeHost::Hold(const std::string& method) {
  absl::MutexLock lock(&mutex_);
  held_[method] = true;
}

void FakeHost::Release(const std::string& method) {
  absl::MutexLock lock(&mutex_);
  held_[method] = false;
}

int FakeHost::CallCount(const std::string& method) const {
  absl::MutexLock lock(&mutex_);
  const auto found = calls_.find(method);
  return found == calls_.end() ? 0 : found->second;
}

absl::StatusOr<ContainerSpec> FakeHost::SpecOf(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = specs_.find(id);
  if (found == specs_.end()) return NoContainer(id);
  return found->second;
}

std::vector<int> FakeHost::SignalsTo(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = signals_.find(id);
  return found == signals_.end() ? std::vector<int>() : found->second;
}

bool FakeHost::Exists(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  return containers_.count(id) > 0;
}

FakeScript FakeHost::ScriptOf(const std::string& id) const {
  const auto found = scripts_.find(id);
  return found == scripts_.end() ? default_script_ : found->second;
}

void FakeHost::EndLocked(Container& container, int exit_code, bool oom_killed) {
  if (container.state == ContainerState::kStopped || container.state == ContainerState::kNoTask) {
    return;
  }
  container.state = ContainerState::kStopped;
  container.exit = {exit_code, oom_killed, absl::Now()};
  for (int fd : container.open_fds) close(fd);
  container.open_fds.clear();
}

absl::Status FakeHost::AwaitLocked(const std::function<bool()>& condition, const CallLimits& limits,
                                   const std::string& what) const {
  bool cancelled = false;  // Guarded by mutex_.
  std::optional<Cancellation::Subscription> subscription(std::in_place);
  if (limits.cancellation != nullptr) {
    // The callback takes the lock, so it can't be held while subscribing or unsubscribing.
    mutex_.Unlock();
    limits.cancellation->Subscribe(
        [this, &cancelled] {
          absl::MutexLock lock(&mutex_);
          cancelled = true;
        },
        &*subscription);
    mutex_.Lock();
  }
  const auto done = [&] { return cancelled || condition(); };
  const bool in_time = mutex_.AwaitWithDeadline(absl::Condition(&done), limits.deadline);
  const bool holds = condition();
  if (limits.cancellation != nullptr) {
    mutex_.Unlock();
    subscription.reset();
    mutex_.Lock();
  }
  if (holds) return absl::OkStatus();
  if (in_time) return absl::CancelledError(absl::StrCat(what, ": cancelled"));
  return absl::DeadlineExceededError(absl::StrCat(what, ": out of time"));
}

absl::Status FakeHost::Enter(const std::string& method, const CallLimits& limits) const {
  if (absl::Status spent = CheckLimits(limits, method); !spent.ok()) return spent;
  absl::MutexLock lock(&mutex_);
  ++calls_[method];
  const absl::Status waited = AwaitLocked(
      [&] {
        mutex_.AssertHeld();
        const auto held = held_.find(method);
        return held == held_.end() || !held->second;
      },
      limits, method);
  if (!waited.ok()) return waited;
  const auto failing = failures_.find(method);
  if (failing == failures_.end() || failing->second.empty()) return absl::OkStatus();
  const absl::Status status = failing->second.front();
  failing->second.erase(failing->second.begin());
  return status;
}

absl::Status FakeRuntime::Check() { return host_.Enter("Check", CallLimits()); }

absl::StatusOr<Image> FakeRuntime::FindImage(const std::string& reference,
                                             const CallLimits&) const {
  absl::MutexLock lock(&host_.mutex_);
  const auto found = host_.images_.find(reference);
  if (found != host_.images_.end()) return found->second;
  // A digest names an image whatever tag it came by.
  const size_t at = reference.find('@');
  if (at != std::string::npos) {
    for (const auto& [name, image] : host_.images_) {
      if (image.digest == reference.substr(at + 1)) return image;
    }
  }
  return absl::NotFoundError(absl::StrCat(
      "image ", reference, ": the registry has no such repository or tag; check the name"));
}

absl::StatusOr<Image> FakeRuntime::EnsureImage(const ImageRequest& request, CallLimits limits) {
  if (absl::Status status = host_.Enter("EnsureImage", limits); !status.ok()) return status;
  return FindImage(request.reference, limits);
}

absl::StatusOr<Image> FakeRuntime::ImportImage(const OciImageRequest& request, CallLimits limits) {
  if (absl::Status status = host_.Enter("ImportImage", limits); !status.ok()) return status;
  return FindImage(absl::StrCat("oci:", request.path), limits);
}

absl::Status FakeRuntime::Create(const ContainerSpec& spec, CallLimits limits) {
  if (absl::Status status = host_.Enter("Create", limits); !status.ok()) return status;
  absl::MutexLock lock(&host_.mutex_);
  if (host_.containers_.count(spec.id) > 0) {
    return absl::AlreadyExistsError(absl::StrCat("creating container ", spec.id, ": it exists"));
  }
  FakeHost::Container container;
  container.pid = host_.next_pid_++;
  container.labels = spec.labels;
  host_.containers_.emplace(spec.id, std::move(container));
  host_.specs_[spec.id] = spec;
  return absl::OkStatus();
}

absl::StatusOr<int> FakeRuntime::Start(const std::string& id) {
  if (absl::Status status = host_.Enter("Start", CallLimits()); !status.ok()) return status;
  FakeScript script;
  ContainerSpec spec;
  int pid = 0;
  {
    absl::MutexLock lock(&host_.mutex_);
    const auto found = host_.containers_.find(id);
    if (found == host_.containers_.end()) return NoContainer(id);
    if (found->second.state != ContainerState::kCreated) {
      return absl::InternalError(absl::StrCat("starting container ", id, ": it isn't created"));
    }
    found->second.state = ContainerState::kRunning;
    pid = found->second.pid;
    spec = host_.specs_[id];
    script = host_.ScriptOf(id);
  }
  ReportStart(spec.start_report_path, script.start_failure);
  const std::vector<int> fds = {OpenAndWrite(spec.stdout_path, script.stdout_text),
                                OpenAndWrite(spec.stderr_path, script.stderr_text)};
  absl::MutexLock lock(&host_.mutex_);
  const auto found = host_.containers_.find(id);
  const bool runs =
      found != host_.containers_.end() && found->second.state == ContainerState::kRunning;
  for (int fd : fds) {
    if (fd < 0) continue;
    if (runs) {
      found->second.open_fds.push_back(fd);
    } else {
      close(fd);
    }
  }
  if (runs && !script.runs_until_ended) {
    host_.EndLocked(found->second, script.exit_code, script.oom_killed);
  }
  return pid;
}

absl::StatusOr<ContainerExit> FakeRuntime::Wait(const std::string& id, Cancellation* cancellation) {
  const CallLimits limits(absl::InfiniteFuture(), cancellation);
  if (absl::Status status = host_.Enter("Wait", limits); !status.ok()) return status;
  absl::MutexLock lock(&host_.mutex_);
  const auto state = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(host_.mutex_) {
    const auto found = host_.containers_.find(id);
    return found == host_.containers_.end() ? ContainerState::kNoTask : found->second.state;
  };
  const absl::Status waited = host_.AwaitLocked(
      [&] {
        host_.mutex_.AssertHeld();
        return state() == ContainerState::kStopped || state() == ContainerState::kNoTask;
      },
      limits, absl::StrCat("waiting for container ", id));
  if (!waited.ok()) return waited;
  if (state() == ContainerState::kNoTask) {
    return absl::NotFoundError(
        absl::StrCat("waiting for container ", id, ": its processes are gone"));
  }
  return host_.containers_[id].exit;
}

absl::Status FakeRuntime::Signal(const std::string& id, int signal, bool) {
  if (absl::Status status = host_.Enter("Signal", CallLimits()); !status.ok()) return status;
  absl::MutexLock lock(&host_.mutex_);
  const auto found = host_.containers_.find(id);
  if (found == host_.containers_.end() || !found->second.has_record) return absl::OkStatus();
  const ContainerState state = found->second.state;
  if (state == ContainerState::kNoTask || state == ContainerState::kStopped) {
    return absl::OkStatus();
  }
  host_.signals_[id].push_back(signal);
  const FakeScript script = host_.ScriptOf(id);
  const auto handled = script.exit_on_signal.find(signal);
  const bool catches = handled != script.exit_on_signal.end() && signal != SIGKILL;
  host_.EndLocked(found->second, catches ? handled->second : 128 + signal, false);
  return absl::OkStatus();
}

absl::Status FakeRuntime::Delete(const std::string& id) {
  if (absl::Status status = host_.Enter("Delete", CallLimits()); !status.ok()) return status;
  absl::MutexLock lock(&host_.mutex_);
  const auto found = host_.containers_.find(id);
  if (found == host_.containers_.end()) return absl::OkStatus();
  host_.EndLocked(found->second, 137, false);
  host_.containers_.erase(found);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ContainerStatus>> FakeRuntime::List() {
  if (absl::Status status = host_.Enter("List", CallLimits()); !status.ok()) return status;
  absl::MutexLock lock(&host_.mutex_);
  std::vector<ContainerStatus> statuses;
  for (const auto& [id, container] : host_.containers_) {
    statuses.push_back({id, container.state, container.pid, container.labels});
  }
  return statuses;
}

}  // namespace rally::runtime
