#ifndef RALLY_CONTROLLER_CONTROLLER_H_
#define RALLY_CONTROLLER_CONTROLLER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/options.h"

namespace rally::controller {

// A whole controller in this process: the composition root. It owns every part and knows what must
// outlive what.
//
// Blocking: Start reads the journal; the destructor ends all calls and waits for the threads.
class Controller {
 public:
  // FailedPrecondition when the data folder belongs to a running controller, or the address can't
  // be listened on.
  static absl::StatusOr<std::unique_ptr<Controller>> Start(const Options& options);
  ~Controller();

  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Where it listens: port 0 replaced by the one that the system chose.
  const std::string& address() const;

 private:
  class Impl;
  explicit Controller(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_CONTROLLER_H_
