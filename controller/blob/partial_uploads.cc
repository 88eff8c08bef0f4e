#include "controller/blob/partial_uploads.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rally::cas {

absl::StatusOr<std::unique_ptr<IncomingBlob>> PartialUploads::Begin(const std::string& name,
                                                                    int64_t stream,
                                                                    int64_t offset) {
  Dropped dropped;
  absl::MutexLock lock(&mutex_);
  dropped = Expire(options_.max_suspended);
  const auto known = entries_.find(name);
  if (known == entries_.end()) {
    if (offset != 0) {
      return absl::InvalidArgumentError(absl::StrCat("nothing is known of this upload's first ",
                                                     offset, " bytes; begin at offset 0"));
    }
    entries_[name].stream = stream;
    return nullptr;
  }
  Entry& entry = known->second;
  if (offset != 0 && entry.blob == nullptr) {
    return absl::AbortedError(
        "this upload still goes on in another stream; begin at offset 0, or try again");
  }
  if (offset != 0 && offset != entry.received_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("expected the bytes at offset ",
                                                   entry.received_bytes, ", or from 0 on, not at ",
                                                   offset, "; ask QueryWriteStatus"));
  }
  std::unique_ptr<IncomingBlob> blob = std::move(entry.blob);
  entry.stream = stream;
  if (offset != 0) return blob;
  entry.received_bytes = 0;
  dropped.push_back(std::move(blob));
  return nullptr;
}

void PartialUploads::Progress(const std::string& name, int64_t stream, int64_t received_bytes) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.stream != stream) return;
  entry->second.received_bytes = received_bytes;
}

void PartialUploads::End(const std::string& name, int64_t stream) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(name);
  if (entry != entries_.end() && entry->second.stream == stream) entries_.erase(entry);
}

void PartialUploads::Suspend(const std::string& name, int64_t stream,
                             std::unique_ptr<IncomingBlob> blob) {
  Dropped dropped;
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.stream != stream) {
    dropped.push_back(std::move(blob));
    return;
  }
  dropped = Expire(options_.max_suspended - 1);
  entry->second.received_bytes = blob->received_bytes();
  entry->second.blob = std::move(blob);
  entry->second.since = options_.now();
}

int64_t PartialUploads::ReceivedBytes(const std::string& name) {
  Dropped dropped;
  absl::MutexLock lock(&mutex_);
  dropped = Expire(options_.max_suspended);
  const auto entry = entries_.find(name);
  return entry == entries_.end() ? 0 : entry->second.received_bytes;
}

void PartialUploads::DropSuspended() {
  Dropped dropped;
  absl::MutexLock lock(&mutex_);
  dropped = Expire(0);
}

size_t PartialUploads::suspended() {
  absl::MutexLock lock(&mutex_);
  return std::count_if(entries_.begin(), entries_.end(),
                       [](const auto& entry) { return entry.second.blob != nullptr; });
}

PartialUploads::Dropped PartialUploads::Expire(size_t max_suspended) {
  struct Waiting {
    absl::Time since;
    const std::string* name;
  };
  std::vector<Waiting> waiting;
  for (const auto& [name, entry] : entries_) {
    if (entry.blob != nullptr) waiting.push_back({entry.since, &name});
  }
  if (waiting.empty()) return {};
  std::sort(waiting.begin(), waiting.end(),
            [](const Waiting& a, const Waiting& b) { return a.since > b.since; });
  const absl::Time oldest_kept = options_.now() - options_.keep_for;
  Dropped dropped;
  while (!waiting.empty() &&
         (waiting.size() > max_suspended || waiting.back().since < oldest_kept)) {
    const auto entry = entries_.find(*waiting.back().name);
    waiting.pop_back();
    dropped.push_back(std::move(entry->second.blob));
    entries_.erase(entry);
  }
  return dropped;
}

}  // namespace rally::cas
