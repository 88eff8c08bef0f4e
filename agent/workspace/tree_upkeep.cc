#include "agent/workspace/tree_upkeep.h"

#include <memory>
#include <utility>

#include "glog/logging.h"

namespace rally::workspace {
namespace {

constexpr absl::Duration kFlattenDeadline = absl::Minutes(10);
// Syncing writes all that the host has dirty on this filesystem.
constexpr absl::Duration kDurableEvery = absl::Minutes(5);

}  // namespace

using Messages = decltype(CapturedDelta::directories);

void TreeUpkeep::EmptyTrash() {
  parts_.background->Add([this] {
    const absl::Status status = parts_.eviction->RemoveReleased();
    LOG_IF(WARNING, !status.ok()) << "removing old workspaces: " << status;
  });
}

void TreeUpkeep::MakeRoom(int64_t wanted_bytes) {
  if (room_wanted_.exchange(true)) return;
  const bool queued = parts_.background->Add([this, wanted_bytes] {
    room_wanted_ = false;
    const absl::Status status = parts_.eviction->MakeRoom(wanted_bytes);
    LOG_IF(WARNING, !status.ok() && had_room_) << status;
    had_room_ = status.ok();
  });
  if (!queued) room_wanted_ = false;
}

void TreeUpkeep::KeepMessages(Messages messages) {
  for (const auto& [digest, bytes] : messages) parts_.reader->Prime(digest, bytes);
  // Shared because a std::function has to be copyable. When it isn't done, they are fetched again.
  parts_.background->Add([this, kept = std::make_shared<Messages>(std::move(messages))] {
    for (const auto& [digest, bytes] : *kept) {
      // Parsed while nobody waits for it. An error would show where it is needed.
      parts_.reader->Read(digest).status().IgnoreError();
      const absl::Status status = parts_.messages->Keep(digest, bytes);
      LOG_IF(WARNING, !status.ok()) << "keeping the directories of a tree: " << status;
      if (!status.ok()) return;
    }
  });
}

void TreeUpkeep::FlattenIfDeep(const blob::Digest& root, const LocalTree& tree) {
  if (tree.layers.size() <= parts_.max_layers) return;
  parts_.background->Add([this, root] {
    const absl::Status status = parts_.cache->Flatten(root, absl::Now() + kFlattenDeadline);
    LOG_IF(WARNING, !status.ok()) << "flattening the tree " << root << ": " << status;
  });
  EmptyTrash();
}

void TreeUpkeep::MakeDurable() {
  {
    absl::MutexLock lock(&mutex_);
    if (absl::Now() - last_durable_ < kDurableEvery) return;
    last_durable_ = absl::Now();
  }
  parts_.background->Add([this] {
    const absl::Status status = parts_.catalog->MakeDurable();
    LOG_IF(WARNING, !status.ok()) << "workspace trees will be fetched again after a reboot: "
                                  << status;
  });
}

}  // namespace rally::workspace
