#include "agent/runtime/containerd_under_test.h"

#include <fstream>

#include "agent/init/embedded_init.h"

namespace rally::runtime {
namespace {

// Ends the machine when all tests have run, not at the end of the process: it needs gRPC's threads.
class MachineEnvironment : public ::testing::Environment {
 public:
  void TearDown() override { machine.reset(); }
  static std::unique_ptr<Machine> machine;
};
std::unique_ptr<Machine> MachineEnvironment::machine;
[[maybe_unused]] const auto* const environment =
    ::testing::AddGlobalTestEnvironment(new MachineEnvironment);  // Owned by GoogleTest.

}  // namespace

Machine* Machine::Get() {
  std::unique_ptr<Machine>& machine = MachineEnvironment::machine;
  if (machine != nullptr) return machine.get();
  const absl::Status can = testing::CanRunContainers();
  if (!can.ok()) {
    fprintf(stderr, "%s\n", can.ToString().c_str());
    return nullptr;
  }
  machine = std::make_unique<Machine>();
  const std::string& directory = machine->scratch.path();
  machine->containerd = Must(testing::PrivateContainerd::Start(directory));
  machine->registry = Must(testing::LoopbackRegistry::Start(directory));
  const absl::Status made = testing::BusyboxLayout(directory + "/layout", {});
  machine->image =
      Must(made.ok() ? machine->registry->Push(directory + "/layout", "latest", "test/busybox")
                     : absl::StatusOr<std::string>(made));
  machine->init = directory + "/init";
  std::ofstream(machine->init, std::ios::binary) << agent::EmbeddedInit();
  chmod(machine->init.c_str(), 0755);
  return machine.get();
}

}  // namespace rally::runtime
