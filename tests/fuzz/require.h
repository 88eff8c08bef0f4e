#ifndef RALLY_TESTS_FUZZ_REQUIRE_H_
#define RALLY_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

// What must hold whatever the input: a crash that the fuzzer reports, in any build.
#define REQUIRE(condition)                                                               \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // RALLY_TESTS_FUZZ_REQUIRE_H_
