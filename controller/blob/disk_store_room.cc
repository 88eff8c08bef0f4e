// What the store does about its budget: reservations, eviction, and what it keeps for a restart.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/last_use_file.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

using blob::Digest;
using Seconds = BlobIndex::Seconds;

// How often the budget is checked when nobody asks: others fill the disk, too.
constexpr absl::Duration kCheckInterval = absl::Seconds(5);
// How finely eviction tells times of last use apart.
constexpr int64_t kAgeSteps = 65536;
// Older than what is in use, and not so old that eviction can't tell the others apart.
constexpr Seconds kLongUnused = 30 * 24 * 60 * 60;
// Of the youngest blobs that go; more of them wait for the next check.
constexpr size_t kMostSorted = 1'000'000;
// Checks that find too little to evict get a tenth of one thread's time.
constexpr int kRestPerWork = 9;
constexpr absl::Duration kRest = absl::Milliseconds(50);
// Uploads that wait learn of new room after so many evictions.
constexpr int kEvictionsPerProgress = 64;

DiskUse Minus(const DiskUse& a, const DiskUse& b) {
  return {std::max<int64_t>(a.bytes - b.bytes, 0), std::max<int64_t>(a.blobs - b.blobs, 0)};
}

bool IsNothing(const DiskUse& use) { return use.bytes <= 0 && use.blobs <= 0; }

}  // namespace

absl::Status DiskStore::Reserve(const DiskUse& wanted) {
  const absl::Time deadline = absl::Now() + options_.longest_wait_for_room;
  int64_t check = 0;  // the one that began after this upload asked for room
  while (true) {
    const DiskUse used = index_.used();
    const DiskRoom room = files_->Room();
    const DiskUse hard_limit = HardLimit(options_.limits, room, used);
    if (const int64_t most = MostBytes(options_.limits, room); wanted.bytes > most) {
      return absl::InvalidArgumentError(DescribeTooBig(options_.limits, wanted, most));
    }
    absl::MutexLock lock(&room_mutex_);
    const DiskUse all = used + reserved_ + wanted;
    if (all.Within(hard_limit)) {
      reserved_ = reserved_ + wanted;
      if (!all.Within(HighMark(hard_limit)) && absl::Now() >= no_check_before_) {
        check_wanted_ = true;
      }
      return absl::OkStatus();
    }
    // After its check the upload looked once more, in vain.
    const bool waited =
        check > 0 && ((may_evict_ && checks_done_ >= check) || absl::Now() >= deadline);
    if (waited || stopping_ || !wanted.Within(hard_limit) ||
        (check == 0 && absl::Now() < no_check_before_)) {
      return Full(used + reserved_, wanted, hard_limit);
    }
    if (check == 0) {
      // Until eviction is allowed, which is followed by a check, waiting goes on.
      check = checks_begun_ + 1;
      check_wanted_ = true;
    }
    most_wanted_ = {std::max(most_wanted_.bytes, wanted.bytes),
                    std::max(most_wanted_.blobs, wanted.blobs)};
    const auto is_news = [this, seen = progress_]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(room_mutex_) {
      return progress_ != seen || stopping_;
    };
    room_mutex_.AwaitWithDeadline(absl::Condition(&is_news), deadline);
  }
}

void DiskStore::Unreserve(const DiskUse& reserved) {
  absl::MutexLock lock(&room_mutex_);
  reserved_ = Minus(reserved_, reserved);
}

absl::Status DiskStore::Full(const DiskUse& taken, const DiskUse& wanted,
                             const DiskUse& hard_limit) const {
  return absl::ResourceExhaustedError(
      absl::StrCat(DescribeFull(options_.limits, taken, wanted, hard_limit), " (",
                   index_.pinned_blobs(), " of its blobs belong to live builds)"));
}

void DiskStore::AllowEviction() {
  absl::MutexLock lock(&room_mutex_);
  may_evict_ = true;
  check_wanted_ = true;
}

void DiskStore::AwaitEviction() {
  absl::MutexLock lock(&room_mutex_);
  check_wanted_ = true;
  const auto is_done = [this, check = checks_begun_ + 1]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                           room_mutex_) { return checks_done_ >= check || stopping_; };
  room_mutex_.Await(absl::Condition(&is_done));
}

bool DiskStore::IsStopping() {
  absl::MutexLock lock(&room_mutex_);
  return stopping_;
}

void DiskStore::Upkeep() {
  FillIndex();
  absl::Time save_at = absl::Now() + options_.save_interval;
  while (true) {
    {
      absl::MutexLock lock(&room_mutex_);
      const auto is_wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(room_mutex_) {
        return check_wanted_ || stopping_;
      };
      room_mutex_.AwaitWithTimeout(absl::Condition(&is_wanted), kCheckInterval);
      if (stopping_) break;
    }
    CheckBudget();
    if (absl::Now() < save_at) continue;
    if (used_since_save_.exchange(false)) SaveLastUses(/*clean=*/false);
    save_at = absl::Now() + options_.save_interval;
  }
  if (index_.IsComplete()) SaveLastUses(/*clean=*/true);
}

void DiskStore::FillIndex() {
  last_use::Reader saved(files_->root_fd());
  const Seconds start = Now();
  const bool clean = saved.clean() && saved.saved_at() <= start;
  packs_->Load([this] { return IsStopping(); });
  std::vector<BlobIndex::Found> found;
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) {
    if (IsStopping()) return;
    found.clear();
    const absl::flat_hash_map<uint64_t, uint32_t> last_uses = saved.NextShard();
    const auto add = [&](const BlobKey& key, Seconds without_record) {
      auto use = last_uses.find(key.prefix());
      const Seconds last_use =
          use != last_uses.end() ? std::min(use->second, start) : without_record;
      // After a crash nobody knows which blobs clients were told about.
      found.push_back({key, last_use, clean ? GraceFrom(last_use) : GraceFrom(start)});
    };
    // What isn't on record came after it was written, or was evicted before while its pack stayed.
    packs_->ForEach(shard, [&](const BlobKey& key) {
      add(key, clean ? start - std::min(start, kLongUnused) : start);
    });
    absl::Status listed = files_->List(shard, [&](const BlobKey& key) {
      // A copy, whose pack was about to go.
      if (const auto place = packs_->Find(key)) packs_->MarkSparse(place->pack);
      add(key, clean ? saved.saved_at() : start);
    });
    LOG_IF(ERROR, !listed.ok()) << "some blobs may not be found: " << listed;
    index_.Fill(shard, found);
  }
}

void DiskStore::SaveLastUses(bool clean) {
  last_use::Writer writer(files_->root_fd());
  std::vector<last_use::Use> uses;
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) {
    uses.clear();
    index_.ForEach(shard, [&](const BlobKey& key, Seconds last_use) {
      uses.push_back({key.prefix(), last_use});
    });
    writer.AddShard(uses);
  }
  // A full disk is no reason to stop: the order of eviction is a little poorer after a restart.
  absl::Status status = writer.Finish(Now(), clean);
  LOG_IF(WARNING, !status.ok()) << status;
}

void DiskStore::CheckBudget() {
  int64_t check;
  bool may_evict;
  DiskUse reserved;
  DiskUse wanted;
  {
    absl::MutexLock lock(&room_mutex_);
    check_wanted_ = false;
    check = ++checks_begun_;
    may_evict = may_evict_;
    reserved = reserved_;
    wanted = std::exchange(most_wanted_, {});
  }
  const absl::Time begun = absl::Now();
  const DiskUse used = index_.used();
  const DiskUse hard_limit = HardLimit(options_.limits, files_->Room(), used);
  const DiskUse all = used + reserved;
  bool enough = true;
  if (may_evict && (!all.Within(HighMark(hard_limit)) || !(all + wanted).Within(hard_limit))) {
    const DiskUse low = LowMark(hard_limit);
    const DiskUse room_for_wanted = Minus(hard_limit, wanted);
    enough = Evict(Minus(all, {std::min(low.bytes, room_for_wanted.bytes),
                               std::min(low.blobs, room_for_wanted.blobs)}));
  }
  EmptySparsePacks();
  absl::MutexLock lock(&room_mutex_);
  checks_done_ = check;
  const absl::Time ended = absl::Now();
  no_check_before_ = enough ? begun : ended + std::max(kRest, kRestPerWork * (ended - begun));
  ++progress_;
}

// The index has no list in the order of use, which would cost as much memory as the rest of it.
// Instead all entries are looked at three times, to find the age from which on blobs must go.
bool DiskStore::Evict(DiskUse to_free) {
  const Seconds now = Now();
  Seconds oldest = now;
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) {
    index_.ForEachEvictable(
        shard, now, [&](const BlobKey&, Seconds last_use) { oldest = std::min(oldest, last_use); });
  }
  const int64_t span = int64_t{now} - oldest + 1;
  const int64_t width = (span + kAgeSteps - 1) / kAgeSteps;
  const auto step_of = [&](Seconds last_use) {
    return (int64_t{std::min(last_use, now)} - oldest) / width;
  };
  std::vector<DiskUse> steps(span / width + 1);
  for (int shard = 0; shard < BlobIndex::kShards; ++shard) {
    index_.ForEachEvictable(shard, now, [&](const BlobKey& key, Seconds last_use) {
      if (last_use < oldest) return;
      DiskUse& step = steps[step_of(last_use)];
      step = step + UseOf(key.size_bytes);
    });
  }
  // All older than the last step go, and as many of that step as are needed.
  int64_t last_step = 0;
  DiskUse of_last_step = to_free;
  while (last_step + 1 < static_cast<int64_t>(steps.size()) &&
         !of_last_step.Within(steps[last_step])) {
    of_last_step = Minus(of_last_step, steps[last_step++]);
  }
  const auto newest = [&](int64_t step) {
    return static_cast<Seconds>(oldest + (step + 1) * width - 1);
  };
  const int64_t evicted_before = evicted_;
  std::vector<std::pair<uint64_t, BlobKey>> last;  // And their packs.
  for (int shard = 0; shard < BlobIndex::kShards && !IsStopping(); ++shard) {
    std::vector<BlobKey> older;
    index_.ForEachEvictable(shard, now, [&](const BlobKey& key, Seconds last_use) {
      const int64_t step = step_of(std::max(last_use, oldest));
      if (step < last_step) older.push_back(key);
      if (step == last_step && last.size() < kMostSorted) {
        const auto place = packs_->Find(key);
        last.emplace_back(place.has_value() ? place->pack : 0, key);
      }
    });
    DiskUse all = to_free;
    EvictAmong(older, newest(last_step - 1), &all);
  }
  // Pack by pack: room is free when the last blob of one has gone.
  std::sort(last.begin(), last.end());
  std::vector<BlobKey> sorted;
  sorted.reserve(last.size());
  for (const auto& [pack, key] : last) sorted.push_back(key);
  EvictAmong(sorted, newest(last_step), &of_last_step);
  const int64_t evicted = evicted_ - evicted_before;
  VLOG(1) << evicted << " blobs were evicted";
  return IsNothing(of_last_step);
}

void DiskStore::EvictAmong(const std::vector<BlobKey>& keys, Seconds not_used_after,
                           DiskUse* to_free) {
  const Seconds now = Now();
  for (const BlobKey& key : keys) {
    if (IsNothing(*to_free)) return;
    // Between the look and now somebody may have come to need it.
    if (!index_.TryClaimToEvict(key, now, not_used_after)) continue;
    packs_->Forget(key);
    absl::Status removed = files_->Remove(key.ToDigest());
    index_.Release(key, removed.ok() ? BlobIndex::Presence::kAbsent : BlobIndex::Presence::kUnknown,
                   0);
    if (!removed.ok()) {
      LOG(ERROR) << "a blob can't be evicted: " << removed;
      return;
    }
    *to_free = Minus(*to_free, UseOf(key.size_bytes));
    if (++evicted_ % kEvictionsPerProgress == 0) {
      absl::MutexLock lock(&room_mutex_);
      ++progress_;
    }
  }
}

}  // namespace rally::cas
