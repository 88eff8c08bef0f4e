#include "common/tune_process.h"

#include <malloc.h>

#include "absl/synchronization/mutex.h"

namespace rally {

void TuneProcess(int malloc_arenas) {
  // A daemon has many threads that each allocate little: an arena for each would keep tens of MiB
  // for nothing.
  mallopt(M_ARENA_MAX, malloc_arenas);
  // Messages of a MiB come and go, several at a time. By default glibc gives their memory back to
  // the kernel and takes it again for each, a page fault for each 4 KiB.
  mallopt(M_MMAP_THRESHOLD, 2 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  // Trees of many small nodes are built and taken down: documents, directories. What is freed is
  // joined with its neighbours at once, while it is in the processor's cache, not all of it later:
  // a large pipeline is read in four fifths of the time.
  mallopt(M_MXFAST, 0);
  // Debian's Abseil is built to look for cycles of locks, gRPC's too, at every one that is taken.
  // That is for tests, which keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace rally
