#include "controller/blob/blob_index.h"

#include <algorithm>

namespace rally::cas {

BlobIndex::Entries::iterator BlobIndex::FindUnclaimed(Shard& shard, const BlobKey& key) {
  auto found = shard.entries.find(key);
  if (found == shard.entries.end() || !found->second.claimed) return found;
  const auto is_free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    auto entry = shard.entries.find(key);
    return entry == shard.entries.end() || !entry->second.claimed;
  };
  shard.mutex.Await(absl::Condition(&is_free));
  return shard.entries.find(key);
}

void BlobIndex::SetPresent(const BlobKey& key, Entry& entry, bool present) {
  if (entry.present == present) return;
  entry.present = present;
  const int sign = present ? 1 : -1;
  bytes_ += sign * UseOf(key.size_bytes).bytes;
  blobs_ += sign;
}

BlobIndex::Presence BlobIndex::Use(const BlobKey& key, Seconds now, Seconds keep_until) {
  Shard& shard = shards_[key.shard()];
  absl::MutexLock lock(&shard.mutex);
  auto found = FindUnclaimed(shard, key);
  if (found == shard.entries.end() || !found->second.present) {
    return shard.complete ? Presence::kAbsent : Presence::kUnknown;
  }
  found->second.last_use = std::max(found->second.last_use, now);
  found->second.keep_until = std::max(found->second.keep_until, keep_until);
  return Presence::kPresent;
}

BlobIndex::Presence BlobIndex::Claim(const BlobKey& key) {
  Shard& shard = shards_[key.shard()];
  absl::MutexLock lock(&shard.mutex);
  auto found = FindUnclaimed(shard, key);
  if (found == shard.entries.end()) found = shard.entries.emplace(key, Entry()).first;
  found->second.claimed = true;
  if (found->second.present) return Presence::kPresent;
  return shard.complete ? Presence::kAbsent : Presence::kUnknown;
}

void BlobIndex::Release(const BlobKey& key, Presence found, Seconds now, Seconds keep_until) {
  Shard& shard = shards_[key.shard()];
  absl::MutexLock lock(&shard.mutex);
  auto position = shard.entries.find(key);
  Entry& entry = position->second;
  entry.claimed = false;
  if (found != Presence::kUnknown) SetPresent(key, entry, found == Presence::kPresent);
  if (entry.present) {
    entry.last_use = std::max(entry.last_use, now);
    entry.keep_until = std::max(entry.keep_until, keep_until);
  } else if (entry.pins == 0) {
    shard.entries.erase(position);
  }
}

bool BlobIndex::TryClaimToEvict(const BlobKey& key, Seconds now, Seconds not_used_after) {
  Shard& shard = shards_[key.shard()];
  absl::MutexLock lock(&shard.mutex);
  auto found = shard.entries.find(key);
  if (found == shard.entries.end() || !MayGo(found->second, now) ||
      found->second.last_use > not_used_after) {
    return false;
  }
  found->second.claimed = true;
  return true;
}

int64_t BlobIndex::Pin(absl::Span<const BlobKey> keys) {
  int64_t absent = 0;
  for (const BlobKey& key : keys) {
    Shard& shard = shards_[key.shard()];
    absl::MutexLock lock(&shard.mutex);
    // One that is about to go is waited for: when this returns, what is there stays.
    auto found = FindUnclaimed(shard, key);
    if (found == shard.entries.end()) found = shard.entries.emplace(key, Entry()).first;
    if (found->second.pins++ == 0) ++pinned_;
    if (shard.complete && !found->second.present) ++absent;
  }
  return absent;
}

void BlobIndex::Unpin(absl::Span<const BlobKey> keys, Seconds now) {
  for (const BlobKey& key : keys) {
    Shard& shard = shards_[key.shard()];
    absl::MutexLock lock(&shard.mutex);
    auto found = shard.entries.find(key);
    if (found == shard.entries.end() || found->second.pins == 0) continue;
    Entry& entry = found->second;
    entry.last_use = std::max(entry.last_use, now);
    if (--entry.pins > 0) continue;
    --pinned_;
    if (!entry.present && !entry.claimed) shard.entries.erase(found);
  }
}

void BlobIndex::Fill(int number, absl::Span<const Found> found) {
  Shard& shard = shards_[number];
  absl::MutexLock lock(&shard.mutex);
  shard.entries.reserve(shard.entries.size() + found.size());
  for (const Found& blob : found) {
    Entry& entry = shard.entries[blob.key];
    // Whoever has it claimed knows better, and says so.
    if (!entry.claimed) SetPresent(blob.key, entry, true);
    entry.last_use = std::max(entry.last_use, blob.last_use);
    entry.keep_until = std::max(entry.keep_until, blob.keep_until);
  }
  if (!shard.complete) ++filled_;
  shard.complete = true;
}

void BlobIndex::ForEachEvictable(
    int number, Seconds now, const std::function<void(const BlobKey&, Seconds last_use)>& visit) {
  Shard& shard = shards_[number];
  absl::MutexLock lock(&shard.mutex);
  for (const auto& [key, entry] : shard.entries) {
    if (MayGo(entry, now)) visit(key, entry.last_use);
  }
}

void BlobIndex::ForEach(int number,
                        const std::function<void(const BlobKey&, Seconds last_use)>& visit) {
  Shard& shard = shards_[number];
  absl::MutexLock lock(&shard.mutex);
  for (const auto& [key, entry] : shard.entries) {
    if (entry.present) visit(key, entry.last_use);
  }
}

int64_t BlobIndex::entries() {
  int64_t count = 0;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    count += static_cast<int64_t>(shard.entries.size());
  }
  return count;
}

}  // namespace rally::cas
