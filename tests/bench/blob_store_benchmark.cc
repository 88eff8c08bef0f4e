// The controller's blob store and pins, on trees of the size that large projects have. The folder
// is $BENCH_DIR, which decides what is measured: a tmpfs leaves the disk out.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "controller/blob/directory_outlines.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/local_blob_store.h"
#include "controller/build_pins.h"

namespace rally {
namespace {

namespace fs = std::filesystem;
using blob::Digest;

class Folder {
 public:
  Folder() {
    const char* const parent = std::getenv("BENCH_DIR");
    std::string pattern = absl::StrCat(parent == nullptr ? "/tmp" : parent, "/blobs_XXXXXX");
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::unique_ptr<cas::DiskStore> Open(const Folder& folder) {
  return cas::DiskStore::Open(folder.path()).value();
}

std::string FileBytes(int64_t number) {
  return absl::StrCat(number, std::string(4'000, static_cast<char>('a' + number % 26)));
}

// 20 files to a directory. The files from `changed_from` on have other contents than those of a
// tree without changes.
Digest PutTree(cas::DiskStore& store, int64_t files, int64_t changed_from,
               std::vector<Digest>* all = nullptr) {
  blob::Directory root;
  for (int64_t first = 0; first < files; first += 20) {
    blob::Directory directory;
    for (int64_t i = first; i < std::min(files, first + 20); ++i) {
      const std::string bytes = FileBytes(i < changed_from ? i : i + 1'000'000'000);
      const Digest digest = blob::DigestOf(bytes);
      store.WriteAll(digest, bytes).IgnoreError();
      if (all != nullptr) all->push_back(digest);
      *directory.add_files() =
          blob::MakeFileNode(absl::StrCat("file", i + 1'000'000), digest, 0644, std::nullopt);
    }
    const std::string bytes = blob::Serialise(directory);
    const Digest digest = blob::DigestOf(bytes);
    store.WriteAll(digest, bytes).IgnoreError();
    *root.add_directories() = blob::MakeDirectoryNode(absl::StrCat("d", first + 1'000'000), digest);
  }
  const std::string bytes = blob::Serialise(root);
  store.WriteAll(blob::DigestOf(bytes), bytes).IgnoreError();
  return blob::DigestOf(bytes);
}

void Write(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  int64_t number = 0;
  for (auto _ : state) {
    const std::string bytes = FileBytes(number++);
    store->WriteAll(blob::DigestOf(bytes), bytes).IgnoreError();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Write)->Iterations(20'000)->Unit(benchmark::kMicrosecond);

void FindMissing(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  std::vector<Digest> all;
  PutTree(*store, state.range(0), state.range(0), &all);
  for (auto _ : state) benchmark::DoNotOptimize(store->FindMissing(all).value().size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(FindMissing)->Arg(1'000)->Arg(20'000)->Unit(benchmark::kMillisecond);

void FindMissingOfUnknown(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  store->AwaitEviction();
  std::vector<Digest> all;
  for (int i = 0; i < state.range(0); ++i) all.push_back(blob::DigestOf(absl::StrCat(i)));
  for (auto _ : state) benchmark::DoNotOptimize(store->FindMissing(all).value().size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(FindMissingOfUnknown)->Arg(20'000)->Unit(benchmark::kMillisecond);

void Restart(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  PutTree(*store, state.range(0), state.range(0));
  for (auto _ : state) {
    store.reset();
    store = Open(folder);
    store->AwaitEviction();
  }
}
BENCHMARK(Restart)->Arg(20'000)->Arg(100'000)->Iterations(3)->Unit(benchmark::kMillisecond);

controller::BuildPins::Parts PartsOf(cas::DiskStore& store, cas::DirectoryOutlines& outlines) {
  controller::BuildPins::Parts parts;
  parts.directories = &outlines;
  parts.pin = [&store](auto keys) { store.Pin(keys); };
  parts.unpin = [&store](auto keys) { store.Unpin(keys); };
  parts.on_restored = [] {};
  parts.keep_after_end = absl::ZeroDuration();
  return parts;
}

// range(1): how many files another tree, which is pinned already, doesn't have. None is pinned yet
// if these are all.
void PinTree(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  cas::LocalBlobStore blobs(store.get());
  const int64_t files = state.range(0);
  const Digest base = PutTree(*store, files, files);
  const Digest tree = PutTree(*store, files, files - state.range(1));
  cas::DirectoryOutlines outlines(&blobs);
  controller::BuildPins pins(PartsOf(*store, outlines));
  if (state.range(1) < files) pins.Needs("base", base);
  pins.AwaitIdle();
  for (auto _ : state) {
    pins.Needs("build", tree);
    pins.AwaitIdle();
    state.PauseTiming();
    pins.Ended("build");
    pins.AwaitIdle();
    state.ResumeTiming();
  }
}
BENCHMARK(PinTree)
    ->Args({20'000, 20'000})
    ->Args({20'000, 200})
    ->Args({100'000, 100'000})
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond);

void UnpinTree(benchmark::State& state) {
  Folder folder;
  auto store = Open(folder);
  cas::LocalBlobStore blobs(store.get());
  const Digest tree = PutTree(*store, state.range(0), state.range(0));
  cas::DirectoryOutlines outlines(&blobs);
  controller::BuildPins pins(PartsOf(*store, outlines));
  for (auto _ : state) {
    state.PauseTiming();
    pins.Needs("build", tree);
    pins.AwaitIdle();
    state.ResumeTiming();
    pins.Ended("build");
    pins.AwaitIdle();
  }
}
BENCHMARK(UnpinTree)->Arg(20'000)->Iterations(10)->Unit(benchmark::kMillisecond);

cas::BlobKey RandomKey(std::mt19937_64& random) {
  cas::BlobKey key;
  for (uint8_t& byte : key.hash) byte = static_cast<uint8_t>(random());
  key.size_bytes = static_cast<int64_t>(random() % 10'000);
  return key;
}

// Memory of the index for a blob, and the time that a look at all of them takes, as eviction does.
void IndexOfManyBlobs(benchmark::State& state) {
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  auto index = std::make_unique<cas::BlobIndex>();
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < state.range(0); ++i) {
    const cas::BlobKey key = RandomKey(random);
    index->Claim(key);
    index->Release(key, cas::BlobIndex::Presence::kPresent, 1);
  }
  const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
  int64_t seen = 0;
  for (auto _ : state) {
    for (int shard = 0; shard < cas::BlobIndex::kShards; ++shard) {
      index->ForEachEvictable(shard, 2, [&](const cas::BlobKey&, uint32_t) { ++seen; });
    }
  }
  benchmark::DoNotOptimize(seen);
  state.counters["bytes/blob"] = static_cast<double>(after - before) / state.range(0);
}
BENCHMARK(IndexOfManyBlobs)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rally

BENCHMARK_MAIN();
