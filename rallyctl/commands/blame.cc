#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory_reader.h"
#include "nlohmann/json.hpp"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"
#include "rallyctl/trees/change_text.h"
#include "rallyctl/trees/path_history.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::string build_id;
  std::string path;
};

// "step link" or "the context", and what it did, newest first.
std::vector<Cell> Row(const std::string& who, const blob::DeltaEntry& change) {
  const bool removed = change.kind == blob::DeltaEntry::Kind::kRemoved;
  const bool file = change.type == blob::DeltaEntry::Type::kFile;
  return {{who},
          {std::string(change.only_mtime ? "touched" : Word(change.kind))},
          {std::string(Word(change.type))},
          {file && !removed ? BytesText(change.new_size_bytes) : "-"}};
}

nlohmann::ordered_json Json(const v1::Build& build, const PathHistory& history,
                            const std::string& path) {
  nlohmann::ordered_json json;
  json["path"] = path;
  json["exists"] = history.writes.empty() ||
                   history.writes.back().change.kind != blob::DeltaEntry::Kind::kRemoved;
  json["step"] = nullptr;
  if (!history.writes.empty()) json["step"] = build.steps(history.writes.back().step).id();
  json["in_context"] = history.in_context;
  json["writes"] = nlohmann::ordered_json::array();
  for (const PathWrite& write : history.writes) {
    auto entry = nlohmann::ordered_json::parse(ChangeJson(write.change));
    entry["step"] = build.steps(write.step).id();
    json["writes"].push_back(std::move(entry));
  }
  return json;
}

absl::StatusOr<ExitStatus> Blame(Invocation& invocation, const Flags& flags) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto opened = invocation.ConnectAndWait();
  if (!opened.ok()) return opened.status();
  Connection& connection = **opened;
  v1::GetBuildRequest request;
  request.set_build_id(flags.build_id);
  v1::Build build;
  absl::Status status = connection.Call([&](grpc::ClientContext* context) {
    return connection.builds()->GetBuild(context, request, &build);
  });
  if (!status.ok()) return status;
  blob::CasClient store(connection.channel(), connection.StoreOptions());
  blob::CachingDirectoryReader reader(&store);
  auto history = FindPathHistory(reader, build, flags.path);
  if (!history.ok()) return history.status();
  if (!history->in_context && history->writes.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no step of build ", build.id(), " has made ", PathText(flags.path),
                     HasEnded(build.status()) ? "" : " yet", ", and the context doesn't have it"));
  }
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    terminal.Out(Json(build, *history, history->context.path).dump(2) + "\n");
    return ExitStatus::kSuccess;
  }
  std::vector<std::vector<Cell>> rows;
  for (auto write = history->writes.rbegin(); write != history->writes.rend(); ++write) {
    rows.push_back(Row(build.steps(write->step).id(), write->change));
  }
  // A step can't be called so: ids have no blanks.
  if (history->in_context) rows.push_back(Row("the context", history->context));
  terminal.Out(RenderTable({{"MADE BY"}, {"WHAT"}, {"TYPE"}, {"SIZE", Colour::kNone, true}}, rows,
                           terminal.out_colour()));
  return ExitStatus::kSuccess;
}

}  // namespace

void AddBlame(CLI::App* app, Action* chosen) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand(
      "blame", "Which step made a file of the workspace, and which had written it before");
  command->add_option("BUILD", flags->build_id, "The build's id")->required();
  command->add_option("PATH", flags->path, "The file, relative to the workspace's root")
      ->required();
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Blame(invocation, *flags); }; });
}

}  // namespace rally::rallyctl
