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
constexpr size_t kTouchedAtOnce = 10'000;
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
      touch_at_(parts_.clock() + parts_.touch_interval),
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

bool BuildPins::IsStopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
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
    if (touch_at_ <= parts_.clock()) TouchAll();
    absl::MutexLock lock(&mutex_);
    handled_ += static_cast<int64_t>(items.size());
  }
}

absl::Duration BuildPins::NextDue() const {
  absl::Duration due = std::min(retry_at_, touch_at_);
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
  while (!todo.empty() && !IsStopping()) {
    const BlobKey directory = todo.back();
    todo.pop_back();
    if (read.contains(directory) || trees_.Knows(directory)) continue;
    auto outline = parts_.directories->Read(directory);
    if (absl::IsUnavailable(outline.status()) || absl::IsDeadlineExceeded(outline.status())) {
      // The others would fail alike, each after its time: all of them later.
      LOG(WARNING) << "reading the trees of live builds: " << outline.status().message();
      return read;
    }
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

void BuildPins::TouchAll() {
  touch_at_ = parts_.clock() + parts_.touch_interval;
  const std::vector<BlobKey> blobs = trees_.Blobs();
  size_t gone = 0;
  std::string example;
  for (size_t begin = 0; begin < blobs.size(); begin += kTouchedAtOnce) {
    if (IsStopping()) return;
    std::vector<blob::Digest> part;
    for (const BlobKey& key : absl::MakeConstSpan(blobs).subspan(begin, kTouchedAtOnce)) {
      part.push_back(key.ToDigest());
    }
    const auto missing = parts_.touch(part);
    if (!missing.ok()) {
      LOG(WARNING) << "can't ask for the blobs of live builds: " << missing.status().message();
      return;
    }
    if (gone == 0 && !missing->empty()) example = missing->front().ToString();
    gone += missing->size();
  }
  LOG_IF(WARNING, gone > 0) << "the blob store lost " << gone
                            << " blobs that live builds may need, such as " << example;
}

}  // namespace rally::controller
