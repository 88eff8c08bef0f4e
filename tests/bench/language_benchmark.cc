// What the front end costs: text of a pipeline to the checked, rendered and ordered graph.
//
//   bazel run //tests/bench:language
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/pipeline/go_template/render.h"
#include "common/pipeline/parser.h"
#include "common/tune_process.h"

namespace rally::pipeline {
namespace {

enum Shape { kChain, kFans, kRandom };

// Fans: every 100th step waits for the 99 before it, and they for the last such step. Random: each
// step waits for up to three earlier ones.
std::string WhenAll(Shape shape, int step, std::mt19937* random) {
  std::string list;
  const auto add = [&list](int other) {
    absl::StrAppend(&list, list.empty() ? "" : ", ", "\"step-", other, "\"");
  };
  if (shape == kFans && step % 100 == 99) {
    for (int other = step - 99; other < step; ++other) add(other);
  } else if (shape == kFans && step >= 100) {
    add(step / 100 * 100 - 1);
  } else if (shape == kRandom && step > 0) {
    const int first = static_cast<int>((*random)() % static_cast<unsigned>(step));
    for (int other = first; other < step && other < first + 3; ++other) add(other);
  }
  return list.empty() ? "\"-\"" : list;
}

std::string PipelineText(Shape shape, int steps) {
  std::mt19937 random(1);
  std::string text = "stepTimeout = \"5m\"\n";
  for (int i = 0; i < steps; ++i) {
    absl::StrAppend(&text, "\n[[step]]\nid = \"step-", i, "\"\nimage = \"busybox:1.36\"\n",
                    "args = [\"echo\", \"{{ .Build.ID }}-", i, "\"]\n");
    if (shape != kChain) absl::StrAppend(&text, "whenAll = [", WhenAll(shape, i, &random), "]\n");
  }
  return text;
}

ParseOptions RoomyOptions() {
  ParseOptions options;
  options.limits.max_bytes = size_t{8} << 20;
  return options;
}

// The most memory of a process that does nothing but parse, without what every process has.
double PeakMib(const std::string& text, const ParseOptions& options) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return -1;
  malloc_trim(0);  // What this process has freed would serve the child.
  const pid_t child = fork();
  if (child == 0) {
    rusage before = {};
    getrusage(RUSAGE_SELF, &before);
    const ParseResult result = Parse(text, {}, options);
    rusage after = {};
    getrusage(RUSAGE_SELF, &after);
    const long kib = result.pipeline.has_value() ? after.ru_maxrss - before.ru_maxrss : -1024;
    const ssize_t written = write(pipe_ends[1], &kib, sizeof(kib));
    _exit(written == sizeof(kib) ? 0 : 1);
  }
  close(pipe_ends[1]);
  long kib = -1024;
  if (read(pipe_ends[0], &kib, sizeof(kib)) != sizeof(kib)) kib = -1024;
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  return static_cast<double>(kib) / 1024;
}

void BM_Parse(benchmark::State& state) {
  const auto shape = static_cast<Shape>(state.range(0));
  const int steps = static_cast<int>(state.range(1));
  const std::string text = PipelineText(shape, steps);
  const ParseOptions options = RoomyOptions();
  for (auto _ : state) {
    const ParseResult result = Parse(text, {}, options);
    if (!result.pipeline.has_value()) {
      state.SkipWithError(result.diagnostics[0].message.c_str());
      return;
    }
    benchmark::DoNotOptimize(result.pipeline->order.data());
  }
  state.SetLabel(shape == kChain ? "chain" : shape == kFans ? "fans" : "random");
  state.counters["per_step"] = benchmark::Counter(
      steps, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["text_KiB"] = static_cast<double>(text.size()) / 1024;
  state.counters["peak_MiB"] = PeakMib(text, options);
}
BENCHMARK(BM_Parse)
    ->ArgsProduct({{kChain, kFans, kRandom}, {100, 1000, 10000, 20000}})
    ->Unit(benchmark::kMillisecond);

// What the kernel takes to hand out as much memory as 10,000 steps need at most. In a virtual
// machine whose host takes back what is free that can be twenty times what it is elsewhere, and a
// good part of the time above.
void BM_FirstTouch(benchmark::State& state) {
  constexpr size_t kBytes = size_t{24} << 20;
  constexpr size_t kPage = 4096;
  for (auto _ : state) {
    void* const memory =
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      state.SkipWithError("no memory");
      return;
    }
    for (size_t at = 0; at < kBytes; at += kPage) static_cast<volatile char*>(memory)[at] = 1;
    munmap(memory, kBytes);
  }
  state.counters["per_page"] = benchmark::Counter(
      kBytes / kPage, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_FirstTouch)->Unit(benchmark::kMillisecond);

// 1 MiB of text in strings of 32 KiB, an action in every 30 bytes.
void BM_Templates(benchmark::State& state) {
  using go_template::Value;
  const Value data(
      Value::Map{{"Values", Value(Value::Map{{"name", Value(std::string("web"))},
                                             {"list", Value(Value::List{Value(int64_t{1})})}})}});
  std::string text;
  while (text.size() < (32 << 10) - 80) {
    absl::StrAppend(&text, "{{ .Values.name | upper }} and ",
                    "{{ range .Values.list }}{{ . }}{{ end }}", "{{if .Values.name}}x{{end}} ");
  }
  size_t bytes = 0;
  for (auto _ : state) {
    go_template::Budget budget;
    for (bytes = 0; bytes < (1 << 20); bytes += text.size()) {
      budget.StartRender();
      const go_template::Rendered rendered = go_template::Render(text, data, &budget);
      if (rendered.error.has_value()) {
        state.SkipWithError(rendered.error->message.c_str());
        return;
      }
    }
  }
  state.counters["text_KiB"] = static_cast<double>(bytes) / 1024;
}
BENCHMARK(BM_Templates)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rally::pipeline

int main(int argc, char** argv) {
  rally::TuneProcess(rally::kArenasOfACommand);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
