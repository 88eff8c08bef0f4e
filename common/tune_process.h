#ifndef RALLY_COMMON_TUNE_PROCESS_H_
#define RALLY_COMMON_TUNE_PROCESS_H_

namespace rally {

// How many parts malloc's memory has, at most. Threads that share one wait for each other when they
// allocate; what is free in one is of no use to another.
constexpr int kArenasOfADaemon = 2;
// It has few threads for long, and those that read a context allocate all the time.
constexpr int kArenasOfACommand = 16;

// Sets malloc and locks up for what Rally's processes do; the first thing that each main() calls,
// before there are threads.
void TuneProcess(int malloc_arenas);

}  // namespace rally

#endif  // RALLY_COMMON_TUNE_PROCESS_H_
