#include "controller/build_pins.h"

#include <time.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "glog/logging.h"

namespace rally::controller {
namespace {

using cas::BlobKey;

constexpr absl::Duration kRetryInterval = absl::Seconds(30);
constexpr absl::Duration kLongestSleep = absl::Hours(1);

absl::Duration BootTime() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

BuildPins::BuildPins(Parts parts)
    : parts_([&parts] {
        if (!parts.clock) parts.clock = BootTime;
        return std::move(parts);
      }()),
      thread_([this] { Run(); }) {}

BuildPins::~BuildPins() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void BuildPins::Needs(const std::string& build_id, const blob::Digest& tree) {
  Post(NeedsItem{build_id, BlobKey::Of(tree)});
}

void BuildPins::Ended(const std::string& build_id, absl::Duration ago) {
  // A wall clock that was set back must not keep them for ever.
  const absl::Duration left =
      std::clamp(parts_.keep_after_end - ago, absl::ZeroDuration(), parts_.keep_after_end);
  Post(EndedItem{build_id, parts_.clock() + left});
}

void BuildPins::Restored() { Post(RestoredItem{}); }

void BuildPins::Post(Item item) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(item));
  ++posted_;
}

void BuildPins::AwaitIdle() {
  Post(WakeItem{});
  absl::MutexLock lock(&mutex_);
  const auto is_idle = [this, posted = posted_]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return handled_ >= posted || stopping_;
  };
  mutex_.Await(absl::Condition(&is_idle));
}

void BuildPins::Run() {
  while (true) {
    std::deque<Item> items;
    {
      absl::MutexLock lock(&mutex_);
      const auto is_due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !queue_.empty() || stopping_;
      };
      const absl::Duration sleep = std::min(NextDue() - parts_.clock(), kLongestSleep);
      mutex_.AwaitWithTimeout(absl::Condition(&is_due), std::max(sleep, absl::ZeroDuration()));
      if (stopping_) return;
      items.swap(queue_);
    }
    for (const Item& item : items) Handle(item);
    ReleaseDue();
    if (retry_at_ <= parts_.clock()) RetryUnread();
    absl::MutexLock lock(&mutex_);
    handled_ += static_cast<int64_t>(items.size());
  }
}

absl::Duration BuildPins::NextDue() const {
  absl::Duration due = retry_at_;
  for (const auto& [build_id, release_at] : release_at_) due = std::min(due, release_at);
  return due;
}

void BuildPins::Handle(const Item& item) {
  if (auto* needs = std::get_if<NeedsItem>(&item)) {
    Add(needs->build_id, needs->tree);
  } else if (auto* ended = std::get_if<EndedItem>(&item)) {
    // Told twice after a restart: the first time was right.
    if (trees_of_builds_.count(ended->build_id) > 0) {
      release_at_.emplace(ended->build_id, ended->release_at);
    }
  } else if (std::holds_alternative<RestoredItem>(item)) {
    LOG(INFO) << trees_.blobs() << " blobs belong to live builds";
    parts_.on_restored();
  }
}

void BuildPins::Add(const std::string& build_id, const BlobKey& tree) {
  if (!trees_of_builds_[build_id].insert(tree).second) return;
  parts_.pin(trees_.Add(tree, Walk({tree})));
  if (!trees_.Unread().empty() && retry_at_ == absl::InfiniteDuration()) {
    retry_at_ = parts_.clock() + kRetryInterval;
  }
}

// As far as directories aren't known.
cas::PinnedTrees::Directories BuildPins::Walk(std::vector<BlobKey> todo) {
  cas::PinnedTrees::Directories read;
  while (!todo.empty()) {
    const BlobKey directory = todo.back();
    todo.pop_back();
    if (read.contains(directory) || trees_.Knows(directory)) continue;
    auto outline = parts_.directories->Read(directory);
    if (!outline.ok()) {
      LOG(ERROR) << "a live build needs a directory that can't be read: " << outline.status();
      continue;
    }
    todo.insert(todo.end(), (*outline)->directories.begin(), (*outline)->directories.end());
    read.emplace(directory, *std::move(outline));
  }
  return read;
}

void BuildPins::ReleaseDue() {
  const absl::Duration now = parts_.clock();
  for (auto due = release_at_.begin(); due != release_at_.end();) {
    if (due->second > now) {
      ++due;
      continue;
    }
    for (const BlobKey& tree : trees_of_builds_[due->first]) parts_.unpin(trees_.Remove(tree));
    trees_of_builds_.erase(due->first);
    due = release_at_.erase(due);
  }
}

void BuildPins::RetryUnread() {
  retry_at_ = absl::InfiniteDuration();
  std::vector<BlobKey> unread = trees_.Unread();
  if (unread.empty()) return;
  parts_.pin(trees_.Learn(Walk(std::move(unread))));
  if (!trees_.Unread().empty()) retry_at_ = parts_.clock() + kRetryInterval;
}

}  // namespace rally::controller
