#ifndef RALLY_AGENT_LOGS_MASKER_H_
#define RALLY_AGENT_LOGS_MASKER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "common/log/record.h"

namespace rally::logs {

// Takes secrets out of an attempt's output before it reaches a disk. An AttemptLog calls it from
// one thread.
class Masker {
 public:
  virtual ~Masker() = default;

  struct Masked {
    size_t consumed = 0;  // How much of `pending` this accounts for.
    std::string bytes;    // What is logged in its place: at least 1 byte, at most `consumed`.
  };

  // Masks the beginning of `pending`, preferably its first `ready` bytes. It may consume less, even
  // nothing, when a secret could begin at the end and go on in what comes later; the rest is shown
  // again with more behind it. With `last`, nothing comes later. `pending` is at most
  // log::kMaxRecordBytes long, hence so is a secret that can be found; when it's full, something
  // must be consumed.
  virtual Masked Mask(log::Stream stream, absl::string_view pending, size_t ready, bool last) = 0;
};

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_MASKER_H_
