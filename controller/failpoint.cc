#include "controller/failpoint.h"

namespace rally::controller {

FailpointHook failpoint_hook = nullptr;

}  // namespace rally::controller
