#include "agent/reaper.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace rally::agent {
namespace {

constexpr absl::Duration kLongestPause = absl::Seconds(30);

}  // namespace

Reaper::Reaper(absl::Duration first_pause)
    : first_pause_(first_pause), thread_([this] { Run(); }) {}

Reaper::~Reaper() { Stop(/*finish=*/false); }

void Reaper::Clean(std::string what, std::function<absl::Status()> work) {
  std::lock_guard<std::mutex> lock(mutex_);
  Piece piece;
  piece.what = std::move(what);
  piece.work = std::move(work);
  pieces_.push_back(std::move(piece));
  changed_.notify_one();
}

void Reaper::Stop(bool finish) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    finish_ = finish;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

bool Reaper::Next(Piece* piece) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    if (stopping_ && (!finish_ || pieces_.empty())) return false;
    auto earliest = std::min_element(pieces_.begin(), pieces_.end(),
                                     [](const Piece& a, const Piece& b) { return a.due < b.due; });
    if (earliest == pieces_.end()) {
      changed_.wait(lock);
    } else if (stopping_ || earliest->due <= Clock::now()) {
      *piece = std::move(*earliest);
      pieces_.erase(earliest);
      return true;
    } else {
      changed_.wait_until(lock, earliest->due);
    }
  }
}

void Reaper::Run() {
  Piece piece;
  while (Next(&piece)) {
    const absl::Status status = piece.work();
    if (status.ok()) continue;
    ++piece.failures;
    LOG_IF(WARNING, piece.failures == 1 || piece.failures % 10 == 0)
        << piece.what << " failed " << piece.failures << " times, is tried again: " << status;
    const int doublings = std::min(piece.failures - 1, 10);
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) continue;
    piece.due = Clock::now() +
                absl::ToChronoNanoseconds(std::min(first_pause_ * (1 << doublings), kLongestPause));
    pieces_.push_back(std::move(piece));
  }
}

}  // namespace rally::agent
