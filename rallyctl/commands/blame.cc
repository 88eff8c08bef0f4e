#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory_reader.h"
#include "nlohmann/json.hpp"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"
#include "rallyctl/trees/build_trees.h"
#include "rallyctl/trees/change_text.h"
#include "rallyctl/trees/path_history.h"

namespace rally::rallyctl {
namespace {

struct Flags {
  std::string build_id;
  std::string path;
};

// A step can't be called so: ids have no blanks.
constexpr char kContext[] = "the context";
constexpr char kJoin[] = "joining the steps";

// "link" or "the context", and what it did.
std::vector<Cell> Row(const std::string& who, const blob::DeltaEntry& change,
                      bool overruled = false) {
  const bool removed = change.kind == blob::DeltaEntry::Kind::kRemoved;
  const bool file = change.type == blob::DeltaEntry::Type::kFile;
  return {{who},
          {absl::StrCat(change.only_mtime ? "touched" : Word(change.kind),
                        overruled ? " (not in the end)" : "")},
          {std::string(Word(change.type))},
          {file && !removed ? BytesText(change.new_size_bytes) : "-"}};
}

// Who made what is at the path: `above` is the history of what stands in its way, if that does.
std::string MakerOf(const v1::Build& build, const PathHistory& history, const PathHistory& above) {
  switch (history.maker) {
    case PathMaker::kStep:
      return build.steps(history.LastingWrite()->step).id();
    case PathMaker::kContext:
      return kContext;
    case PathMaker::kAbove:
      return MakerOf(build, above, PathHistory());
    case PathMaker::kJoin:
      return kJoin;
  }
  return kJoin;
}

// The first row is who made what is there now, or that nothing is; then all others, newest first.
std::vector<std::vector<Cell>> Rows(const v1::Build& build, const PathHistory& history,
                                    const std::string& maker) {
  std::vector<std::vector<Cell>> rows;
  const PathWrite* const lasting = history.LastingWrite();
  switch (history.maker) {
    case PathMaker::kStep:
      rows.push_back(Row(maker, lasting->change));
      break;
    case PathMaker::kContext:
      rows.push_back(Row(kContext, history.context));
      break;
    case PathMaker::kAbove:
      rows.push_back({{maker}, {absl::StrCat("replaced ", PathText(history.above))}, {"-"}, {"-"}});
      break;
    case PathMaker::kJoin:
      if (history.exists) rows.push_back(Row(kJoin, history.joined));
      if (!history.exists) rows.push_back({{kJoin}, {"removed"}, {"-"}, {"-"}});
      break;
  }
  for (auto write = history.writes.rbegin(); write != history.writes.rend(); ++write) {
    if (&*write == lasting) continue;
    rows.push_back(Row(build.steps(write->step).id(), write->change, write->overruled));
  }
  if (history.in_context && history.maker != PathMaker::kContext) {
    rows.push_back(Row(kContext, history.context));
  }
  return rows;
}

// `step` is "" when no step made what is there.
nlohmann::ordered_json Json(const v1::Build& build, const PathHistory& history,
                            const std::string& path, const std::string& step) {
  nlohmann::ordered_json json;
  json["path"] = path;
  json["exists"] = history.exists;
  json["step"] = nullptr;
  if (!step.empty()) json["step"] = step;
  if (!history.above.empty()) json["blocked_by"] = history.above;
  json["in_context"] = history.in_context;
  json["writes"] = nlohmann::ordered_json::array();
  for (const PathWrite& write : history.writes) {
    auto entry = nlohmann::ordered_json::parse(ChangeJson(write.change));
    entry["step"] = build.steps(write.step).id();
    if (write.overruled) entry["overruled"] = true;
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
  if (!history->in_context && history->writes.empty() && !history->exists) {
    return absl::NotFoundError(
        absl::StrCat("no step of build ", build.id(), " has made ", PathText(flags.path),
                     HasEnded(build.status()) ? "" : " yet", ", and the context doesn't have it"));
  }
  PathHistory above;
  if (history->maker == PathMaker::kAbove) {
    auto found = FindPathHistory(reader, build, history->above);
    if (!found.ok()) return found.status();
    above = *std::move(found);
  }
  const std::string maker = MakerOf(build, *history, above);
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    const std::string step = FindStep(build, maker) != nullptr ? maker : "";
    terminal.Out(Json(build, *history, history->context.path, step).dump(2) + "\n");
    return ExitStatus::kSuccess;
  }
  terminal.Out(RenderTable({{"MADE BY"}, {"WHAT"}, {"TYPE"}, {"SIZE", Colour::kNone, true}},
                           Rows(build, *history, maker), terminal.out_colour()));
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
