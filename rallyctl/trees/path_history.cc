#include "rallyctl/trees/path_history.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/blob/delta_walk.h"
#include "common/blob/directory.h"
#include "rallyctl/fetch/tree_selection.h"
#include "rallyctl/trees/build_trees.h"

namespace rally::rallyctl {
namespace {

// The node of one name, and what keeps it alive.
struct FoundEntry {
  std::shared_ptr<const blob::Directory> directory;
  blob::NamedEntry entry;
  size_t leaf_above =
      0;  // How many names lead to the file or symlink that ends the way, if one does.
};

// The same path in many trees.
absl::StatusOr<std::vector<FoundEntry>> FindInAll(blob::DirectoryReader& reader,
                                                  const std::vector<blob::Digest>& roots,
                                                  const std::vector<std::string>& names) {
  std::vector<FoundEntry> found(roots.size());
  std::vector<std::optional<blob::Digest>> folders(roots.begin(), roots.end());
  for (size_t depth = 0; depth < names.size(); ++depth) {
    const std::string& name = names[depth];
    std::vector<blob::Digest> level;
    for (const auto& folder : folders) {
      if (folder.has_value()) level.push_back(*folder);
    }
    reader.Prefetch(level);
    for (size_t i = 0; i < folders.size(); ++i) {
      found[i].directory.reset();
      found[i].entry = blob::NamedEntry();
      if (!folders[i].has_value()) continue;
      auto directory = reader.Read(*folders[i]);
      if (!directory.ok()) return directory.status();
      blob::NamedEntry entry;
      entry.file = blob::FindNode((*directory)->files(), name);
      entry.symlink = blob::FindNode((*directory)->symlinks(), name);
      entry.directory = blob::FindNode((*directory)->directories(), name);
      folders[i].reset();
      if (entry.directory != nullptr) folders[i] = blob::DigestOfNode(*entry.directory);
      const bool leaf = entry.file != nullptr || entry.symlink != nullptr;
      if (leaf && depth + 1 < names.size()) found[i].leaf_above = depth + 1;
      if (!entry.exists()) continue;
      found[i].directory = *std::move(directory);
      found[i].entry = entry;
    }
  }
  return found;
}

// Of a folder that both have, which may differ only in what is in it.
absl::StatusOr<std::optional<blob::DeltaEntry>> ModeChange(blob::DirectoryReader& reader,
                                                           const std::string& path,
                                                           const blob::DirectoryNode& before,
                                                           const blob::DirectoryNode& after) {
  auto old_directory = reader.Read(blob::DigestOfNode(before));
  if (!old_directory.ok()) return old_directory.status();
  auto new_directory = reader.Read(blob::DigestOfNode(after));
  if (!new_directory.ok()) return new_directory.status();
  const uint32_t old_mode = blob::ModeOf(**old_directory);
  const uint32_t new_mode = blob::ModeOf(**new_directory);
  if (old_mode == new_mode) return std::optional<blob::DeltaEntry>();
  return blob::MakeModeEntry(path, old_mode, new_mode);
}

// Whether the workspace has there what this one left.
bool Lasted(const blob::NamedEntry& left, const blob::NamedEntry& there) {
  const bool folders = left.directory != nullptr && there.directory != nullptr;
  return folders || blob::SameEntry(left, there);
}

// A step's own trees tell only what it did, not what a join made of that. `left` is what each of
// the writes left, in their order.
void CompareWithEnd(const FoundEntry& end, const std::vector<std::string>& names,
                    const blob::NamedEntry& context, const std::vector<blob::NamedEntry>& left,
                    PathHistory* history) {
  history->exists = end.entry.exists();
  for (size_t k = left.size(); k-- > 0;) {
    if (Lasted(left[k], end.entry)) {
      history->maker = PathMaker::kStep;
      return;
    }
    history->writes[k].overruled = true;
  }
  if (context.exists() && Lasted(context, end.entry)) {
    history->maker = PathMaker::kContext;
  } else if (end.leaf_above > 0) {
    history->maker = PathMaker::kAbove;
    history->above = absl::StrJoin(names.begin(), names.begin() + end.leaf_above, "/");
  } else {
    history->maker = PathMaker::kJoin;
    history->joined = blob::MakeDeltaEntry(history->context.path, blob::NamedEntry(), end.entry);
  }
}

}  // namespace

const PathWrite* PathHistory::LastingWrite() const {
  if (maker != PathMaker::kStep) return nullptr;
  for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
    if (!write->overruled) return &*write;
  }
  return nullptr;
}

absl::StatusOr<PathHistory> FindPathHistory(blob::DirectoryReader& reader, const v1::Build& build,
                                            const std::string& path) {
  auto names = SplitWorkspacePath(path);
  if (!names.ok()) return names.status();
  if (names->empty()) {
    return absl::InvalidArgumentError("the workspace's root itself is made by nobody; name a file");
  }
  auto context = ContextOf(build);
  if (!context.ok()) return context.status();
  auto order = StepOrder(build);
  if (!order.ok()) return order.status();
  std::vector<int> steps;
  std::vector<blob::Digest> roots = {*context};
  for (const int i : *order) {
    const auto trees = TreesOf(build.steps(i));
    if (!trees.ok() || trees->input == trees->output) continue;
    steps.push_back(i);
    roots.push_back(trees->input);
    roots.push_back(trees->output);
  }
  const auto workspace = WorkspaceOf(build);
  if (workspace.ok()) roots.push_back(*workspace);
  auto found = FindInAll(reader, roots, *names);
  if (!found.ok()) return found.status();

  const std::string clean = absl::StrJoin(*names, "/");
  PathHistory history;
  history.in_context = (*found)[0].entry.exists();
  history.context = blob::MakeDeltaEntry(clean, blob::NamedEntry(), (*found)[0].entry);
  std::vector<blob::NamedEntry> left;
  for (size_t k = 0; k < steps.size(); ++k) {
    const blob::NamedEntry& before = (*found)[1 + 2 * k].entry;
    const blob::NamedEntry& after = (*found)[2 + 2 * k].entry;
    if (blob::SameEntry(before, after)) continue;
    if (before.directory != nullptr && after.directory != nullptr) {
      auto change = ModeChange(reader, clean, *before.directory, *after.directory);
      if (!change.ok()) return change.status();
      if (!change->has_value()) continue;
      history.writes.push_back({steps[k], **std::move(change)});
    } else {
      history.writes.push_back({steps[k], blob::MakeDeltaEntry(clean, before, after)});
    }
    left.push_back(after);
  }
  history.exists = left.empty() ? history.in_context : left.back().exists();
  if (!left.empty()) history.maker = PathMaker::kStep;
  const bool known =
      history.in_context || !left.empty() || (workspace.ok() && found->back().entry.exists());
  if (workspace.ok() && known) {
    CompareWithEnd(found->back(), *names, (*found)[0].entry, left, &history);
  }
  return history;
}

}  // namespace rally::rallyctl
