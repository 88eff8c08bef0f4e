#ifndef RALLY_COMMON_ALLOCATOR_H_
#define RALLY_COMMON_ALLOCATOR_H_

namespace rally {

// Sets glibc's malloc up for what Rally's processes do; the first thing that each main() calls,
// before there are threads.
void TuneAllocator();

}  // namespace rally

#endif  // RALLY_COMMON_ALLOCATOR_H_
