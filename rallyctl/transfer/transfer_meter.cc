#include "rallyctl/transfer/transfer_meter.h"

#include <utility>

namespace rally::rallyctl {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kPlainLine = absl::Seconds(10);

}  // namespace

TransferMeter::TransferMeter(Invocation* invocation, std::function<Snapshot()> snapshot)
    : invocation_(invocation), snapshot_(std::move(snapshot)) {
  if (invocation_->progress() != ProgressMode::kQuiet) thread_ = std::thread([this] { Run(); });
}

TransferMeter::~TransferMeter() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.join();
  invocation_->terminal().SetBlock({});
  invocation_->terminal().Flush();
}

void TransferMeter::Run() {
  const absl::Duration interval =
      invocation_->progress() == ProgressMode::kPlain ? kPlainLine : kRedraw;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) return;
    }
    Show();
  }
}

void TransferMeter::Show() {
  const Snapshot now = snapshot_();
  if (now.line.empty()) return;
  Terminal& terminal = invocation_->terminal();
  switch (invocation_->progress()) {
    case ProgressMode::kTty:
      terminal.SetBlock({now.line});
      break;
    case ProgressMode::kJson:
      terminal.Err(now.event);
      break;
    case ProgressMode::kPlain:
      invocation_->Say(now.line);
      break;
    case ProgressMode::kQuiet:
      return;
  }
  terminal.Flush();
}

}  // namespace rally::rallyctl
