// Medians over a tree of 20,000 files: mounting it when it is here, capturing no change, and
// capturing 200 changed files. Needs root. RALLY_BENCHMARK_ON_DISK=1 leaves tmpfs for TEST_TMPDIR.

#include <stdlib.h>

#include <fstream>
#include <string>

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

void BM_MaterialiseCold(benchmark::State& state) {
  Setup& setup = Shared();
  int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto store =
        OpenStore(setup.directory().Below(absl::StrCat("cold", number++)), &setup.remote());
    state.ResumeTiming();
    if (!Check(state, store->EnsureTree(setup.root(), absl::Now() + absl::Minutes(5)))) return;
  }
}

void BM_MountWarm(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  if (!Check(state, store.EnsureTree(Shared().root(), absl::Now() + absl::Minutes(5)))) return;
  int number = 0;
  for (auto _ : state) {
    const std::string attempt = absl::StrCat("mount-", number++);
    if (!Check(state, store.Mount(attempt, Shared().root(), static_cast<uint32_t>(state.range(0)),
                                  static_cast<uint32_t>(state.range(0))))) {
      return;
    }
    state.PauseTiming();
    if (!Check(state, store.Discard(attempt))) return;
    store.FinishBackgroundWork();
    state.ResumeTiming();
  }
}

void BM_Capture(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  static int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::string attempt = absl::StrCat("capture-", number++);
    const auto path = store.CreateMountPoint(attempt);
    if (!Check(state, store.Mount(attempt, Shared().root(), 0, 0))) return;
    for (int i = 0; i < state.range(0); ++i) {
      const int d = 1 + i * 1000 / static_cast<int>(state.range(0));
      std::ofstream(absl::StrCat(*path, "/p", d % 50, "/d", d, "/f", 1 + i % 20), std::ios::app)
          << attempt << i;
    }
    state.ResumeTiming();
    const auto captured = store.Capture(attempt, absl::Now() + absl::Minutes(5));
    if (!Check(state, captured.status())) return;
    state.PauseTiming();
    if (captured->changed != state.range(0)) state.SkipWithError("wrong number of changes");
    if (!Check(state, store.Discard(attempt))) return;
    store.FinishBackgroundWork();
    state.ResumeTiming();
  }
}

void BM_Discard(benchmark::State& state) {
  WorkspaceStore& store = Shared().store();
  int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::string attempt = absl::StrCat("discard-", number++);
    if (!Check(state, store.Mount(attempt, Shared().root(), 0, 0))) return;
    state.ResumeTiming();
    if (!Check(state, store.Discard(attempt))) return;
  }
}

BENCHMARK(BM_MaterialiseCold)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(BM_MountWarm)->Arg(0)->Arg(1000)->Unit(benchmark::kMicrosecond)->Iterations(50);
BENCHMARK(BM_Capture)->Arg(0)->Arg(200)->Unit(benchmark::kMicrosecond)->Iterations(30);
BENCHMARK(BM_Discard)->Unit(benchmark::kMicrosecond)->Iterations(50);

}  // namespace
}  // namespace rally::workspace

BENCHMARK_MAIN();
