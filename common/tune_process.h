#ifndef RALLY_COMMON_TUNE_PROCESS_H_
#define RALLY_COMMON_TUNE_PROCESS_H_

namespace rally {

// Sets malloc and locks up for what Rally's processes do; the first thing that each main() calls,
// before there are threads.
void TuneProcess();

}  // namespace rally

#endif  // RALLY_COMMON_TUNE_PROCESS_H_
