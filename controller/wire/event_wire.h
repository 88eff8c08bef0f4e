#ifndef RALLY_CONTROLLER_WIRE_EVENT_WIRE_H_
#define RALLY_CONTROLLER_WIRE_EVENT_WIRE_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/core/event.h"
#include "rally/v1/agent.pb.h"
#include "rally/v1/journal.pb.h"

// Conversion between the core's events and their messages, in the journal and from agents. The only
// place where the two meet.
namespace rally::wire {

v1::JournalEvent ToProto(const core::Event& event, absl::Time time);

struct TimedEvent {
  core::Event event;
  absl::Time time;
};

// DataLoss for a record that no version of Rally wrote.
absl::StatusOr<TimedEvent> FromProto(const v1::JournalEvent& proto);

core::Event FromProto(const std::string& agent, const v1::Prepared& report);
core::Event FromProto(const std::string& agent, const v1::Rejected& report);
core::Event FromProto(const std::string& agent, const v1::Started& report);
core::Event FromProto(const std::string& agent, const v1::Result& report);
core::Event FromProto(const std::string& agent, const v1::BlobsUploaded& report);
core::AgentConnected FromProto(const v1::Hello& hello, int64_t session);

}  // namespace rally::wire

#endif  // RALLY_CONTROLLER_WIRE_EVENT_WIRE_H_
