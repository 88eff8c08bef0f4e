#include "rallyctl/commands/command.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {

ProgressMode Invocation::progress() const {
  const std::string& mode = flags_->progress;
  if (mode == "plain") return ProgressMode::kPlain;
  if (mode == "json") return ProgressMode::kJson;
  if (mode == "quiet") return ProgressMode::kQuiet;
  return terminal_->err_is_terminal() ? ProgressMode::kTty : ProgressMode::kPlain;
}

void Invocation::Say(const std::string& line) const {
  switch (progress()) {
    case ProgressMode::kTty:
    case ProgressMode::kPlain:
      terminal_->Err(
          absl::StrCat(Paint("==>", Colour::kDim, terminal_->err_colour()), " ", line, "\n"));
      break;
    case ProgressMode::kJson:
      terminal_->Err(MessageEvent(line, absl::Now()));
      break;
    case ProgressMode::kQuiet:
      return;
  }
  terminal_->Flush();
}

absl::Status Invocation::CheckTextOrJson() const {
  if (flags_->output.empty() || flags_->output == "text" || json()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("-o ", flags_->output, ": this command prints text or json"));
}

absl::StatusOr<Connection*> Invocation::Connect() {
  if (connection_ == nullptr) {
    auto connection = Connection::Open(flags_->server);
    if (!connection.ok()) return connection.status();
    connection_ = *std::move(connection);
  }
  return connection_.get();
}

absl::StatusOr<Connection*> Invocation::ConnectAndWait() {
  auto connection = Connect();
  if (!connection.ok()) return connection.status();
  absl::Status ready = (*connection)->AwaitReady([this](const std::string& line) { Say(line); });
  if (!ready.ok()) return ready;
  return *connection;
}

}  // namespace rally::rallyctl
