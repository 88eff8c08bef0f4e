#include "common/pipeline/key_schema.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {

void AddSchema(CLI::App* app, Action* chosen) {
  app->add_subcommand("schema", "A JSON Schema of rally.toml, for editors")->callback([=] {
    *chosen = [](Invocation& invocation) -> absl::StatusOr<ExitStatus> {
      invocation.terminal().Out(pipeline::PipelineSchema());
      return ExitStatus::kSuccess;
    };
  });
}

}  // namespace rally::rallyctl
