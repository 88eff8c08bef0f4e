#include "controller/blob/stream_count.h"

#include "absl/strings/match.h"

namespace rally::cas {

std::string PeerOf(absl::string_view address) {
  const bool has_port = absl::StartsWith(address, "ipv4:") || absl::StartsWith(address, "ipv6:");
  return std::string(has_port ? address.substr(0, address.rfind(':')) : address);
}

StreamCount::Place StreamCount::Take(absl::string_view peer) {
  absl::MutexLock lock(&mutex_);
  if (open_ >= limit_) return Place();
  const auto own = open_by_peer_.find(peer);
  if (own == open_by_peer_.end()) {
    open_by_peer_[std::string(peer)] = 1;
  } else if (own->second >= limit_per_peer_) {
    return Place();
  } else {
    ++own->second;
  }
  ++open_;
  return Place(this, peer);
}

bool StreamCount::IsScarce(absl::string_view peer) {
  absl::MutexLock lock(&mutex_);
  if (open_ > limit_ - limit_ / 4) return true;
  const auto own = open_by_peer_.find(peer);
  return own != open_by_peer_.end() && own->second > limit_per_peer_ - limit_per_peer_ / 4;
}

void StreamCount::GiveBack(absl::string_view peer) {
  absl::MutexLock lock(&mutex_);
  --open_;
  const auto own = open_by_peer_.find(peer);
  if (--own->second == 0) open_by_peer_.erase(own);
}

}  // namespace rally::cas
