// Medians over a tree of 20,000 files: mounting it when it is here, capturing no change, and
// capturing 200 changed files. Needs root. RALLY_BENCHMARK_ON_DISK=1 leaves tmpfs for TEST_TMPDIR.

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "benchmark/benchmark.h"
#include "common/blob/memory_blob_store.h"

namespace rally::workspace {
namespace {

constexpr char kTreeScript[] = R"(
  mkdir base; cd base
  for d in {1..1000}; do
    mkdir -p p$((d % 50))/d$d
    for f in {1..20}; do echo "$d $f" > p$((d % 50))/d$d/f$f; done
  done
)";

class Setup {
 public:
  Setup() : directory_(::getenv("RALLY_BENCHMARK_ON_DISK") != nullptr) {
    RunScript(directory_.path(), kTreeScript);
    root_ = UploadDirectory(directory_.Below("base"), remote_);
    store_ = OpenStore(directory_.Below("store"), &remote_);
  }
  WorkspaceStore& store() { return *store_; }
  const blob::Digest& root() const { return root_; }
  blob::MemoryBlobStore& remote() { return remote_; }
  TestDirectory& directory() { return directory_; }

 private:
  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  blob::Digest root_;
  std::unique_ptr<WorkspaceStore> store_;
};

Setup& Shared() {
  static Setup setup;
  return setup;
}

bool Check(benchmark::State& state, const absl::Status& status) {
  if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  return status.ok();
}

// What is measured is a part of each iteration, and its median says more than its mean.
class Stopwatch {
 public:
  explicit Stopwatch(benchmark::State& state) : state_(state) {}
  ~Stopwatch() {
    if (times_.empty()) return;
    std::sort(times_.begin(), times_.end());
    state_.counters["median_us"] = absl::ToDoubleMicroseconds(times_[times_.size() / 2]);
    state_.counters["max_us"] = absl::ToDoubleMicroseconds(times_.back());
  }
  template <typename Work>
  auto Measure(const Work& work) {
    const absl::Time start = absl::Now();
    auto result = work();
    times_.push_back(absl::Now() - start);
    state_.SetIterationTime(absl::ToDoubleSeconds(times_.back()));
    return result;
  }

 private:
  benchmark::State& state_;
  std::vector<absl::Duration> times_;
};

absl::Time Later() { return absl::Now() + absl::Minutes(5); }

void BM_MaterialiseCold(benchmark::State& state) {
  Setup& setup = Shared();
  Stopwatch stopwatch(state);
  int number = 0;
  for (auto _ : state) {
    auto store =
        OpenStore(setup.directory().Below(absl::StrCat("cold", number++)), &setup.remote());
    const absl::Status status =
        stopwatch.Measure([&] { return store->EnsureTree(setup.root(), Later()); });
    if (!Check(state, status)) return;
  }
}

void BM_MountWarm(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  const auto user = static_cast<uint32_t>(state.range(0));
  Stopwatch stopwatch(state);
  if (!Check(state, store.EnsureTree(Shared().root(), Later()))) return;
  int number = 0;
  for (auto _ : state) {
    const std::string attempt = absl::StrCat("mount-", number++);
    if (!Check(state, store.CreateMountPoint(attempt).status())) return;
    const absl::Status status =
        stopwatch.Measure([&] { return store.Mount(attempt, Shared().root(), user, user); });
    if (!Check(state, status) || !Check(state, store.Discard(attempt))) return;
    store.FinishBackgroundWork();
  }
}

void BM_Capture(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  const int changes = static_cast<int>(state.range(0));
  Stopwatch stopwatch(state);
  static int number = 0;
  for (auto _ : state) {
    const std::string attempt = absl::StrCat("capture-", number++);
    const auto path = store.CreateMountPoint(attempt);
    if (!Check(state, store.Mount(attempt, Shared().root(), 0, 0))) return;
    for (int i = 0; i < changes; ++i) {
      const int d = 1 + i * 1000 / changes;
      std::ofstream(absl::StrCat(*path, "/p", d % 50, "/d", d, "/f", 1 + i % 20), std::ios::app)
          << attempt << i;
    }
    const auto captured = stopwatch.Measure([&] { return store.Capture(attempt, Later()); });
    if (!Check(state, captured.status())) return;
    if (captured->changed != changes) state.SkipWithError("wrong number of changes");
    if (!Check(state, store.Discard(attempt))) return;
    store.FinishBackgroundWork();
  }
}

void BM_Discard(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  Stopwatch stopwatch(state);
  int number = 0;
  for (auto _ : state) {
    const std::string attempt = absl::StrCat("discard-", number++);
    if (!Check(state, store.Mount(attempt, Shared().root(), 0, 0))) return;
    const absl::Status status = stopwatch.Measure([&] { return store.Discard(attempt); });
    if (!Check(state, status)) return;
  }
}

BENCHMARK(BM_MaterialiseCold)->Unit(benchmark::kMicrosecond)->UseManualTime()->Iterations(3);
BENCHMARK(BM_MountWarm)
    ->Arg(0)
    ->Arg(1000)
    ->Unit(benchmark::kMicrosecond)
    ->UseManualTime()
    ->Iterations(100);
BENCHMARK(BM_Capture)
    ->Arg(0)
    ->Arg(200)
    ->Unit(benchmark::kMicrosecond)
    ->UseManualTime()
    ->Iterations(50);
BENCHMARK(BM_Discard)->Unit(benchmark::kMicrosecond)->UseManualTime()->Iterations(100);

}  // namespace
}  // namespace rally::workspace

BENCHMARK_MAIN();
