#include "rallyctl/render/progress_json.h"

#include <nlohmann/json.hpp>

#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

Json Event(absl::string_view kind, absl::Time now) {
  Json json;
  json["time"] = Rfc3339(now);
  json["event"] = std::string(kind);
  return json;
}

const char* StreamName(v1::LogStream stream) {
  return stream == v1::LOG_STREAM_STDERR ? "stderr" : "stdout";
}

}  // namespace

std::string BuildEvent(const v1::Build& build, absl::Time now) {
  Json json = Event("build", now);
  json["build"] = build.id();
  json["status"] = std::string(Word(build.status()));
  if (!build.reason().empty()) json["reason"] = build.reason();
  return Line(json);
}

std::string StepEvent(const v1::Step& step, absl::Time now) {
  Json json = Event("step", now);
  json["step"] = step.id();
  json["status"] = std::string(Word(step.status()));
  if (step.attempt() > 0) json["attempt"] = step.attempt();
  if (!step.agent().empty()) json["agent"] = step.agent();
  if (step.has_exit_code()) json["exit_code"] = step.exit_code();
  if (step.oom_killed()) json["oom_killed"] = true;
  if (!step.message().empty()) json["message"] = step.message();
  for (const std::string& handler : step.handled_by()) json["handled_by"].push_back(handler);
  return Line(json);
}

std::string LogEvent(absl::string_view step, int attempt, v1::LogStream stream,
                     absl::string_view line, absl::Time now) {
  Json json = Event("log", now);
  json["step"] = std::string(step);
  json["attempt"] = attempt;
  json["stream"] = StreamName(stream);
  json["line"] = std::string(line);
  return Line(json);
}

std::string ConnectionEvent(absl::string_view state, absl::string_view message, absl::Time now) {
  Json json = Event("connection", now);
  json["state"] = std::string(state);
  if (!message.empty()) json["message"] = std::string(message);
  return Line(json);
}

std::string ContextEvent(const ContextProgress& progress, absl::Time now) {
  Json json = Event("context", now);
  json["phase"] = std::string(progress.phase);
  json["files"] = progress.files;
  json["bytes"] = progress.bytes;
  if (progress.known_bytes >= 0) {
    json["known_bytes"] = progress.known_bytes;
    json["missing_bytes"] = progress.missing_bytes;
    json["uploaded_bytes"] = progress.uploaded_bytes;
  }
  return Line(json);
}

std::string FetchEvent(int64_t fetched_bytes, int64_t total_bytes, absl::Time now) {
  Json json = Event("fetch", now);
  json["fetched_bytes"] = fetched_bytes;
  json["total_bytes"] = total_bytes;
  return Line(json);
}

std::string MessageEvent(absl::string_view message, absl::Time now) {
  Json json = Event("message", now);
  json["message"] = std::string(message);
  return Line(json);
}

std::string LogRecordJson(absl::string_view step, int attempt, const v1::LogRecord& record) {
  Json json;
  json["step"] = std::string(step);
  json["attempt"] = attempt;
  json["offset"] = record.offset();
  json["stream"] = StreamName(record.stream());
  if (record.has_time()) json["time"] = Rfc3339(FromProto(record.time()));
  json["data"] = record.data();
  return Line(json);
}

}  // namespace rally::rallyctl
