#include "agent/space_watch.h"

#include <chrono>
#include <utility>

#include "glog/logging.h"

namespace rally::agent {
namespace {

constexpr std::chrono::seconds kInterval{2};
constexpr int64_t kEnoughBytes = int64_t{1} << 30;

}  // namespace

SpaceWatch::SpaceWatch(const DataDirectory* data, std::function<void(int64_t)> keep_budget)
    : data_(data), keep_budget_(std::move(keep_budget)) {
  Look();
  thread_ = std::thread([this] {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!changed_.wait_for(lock, kInterval, [this] { return stopping_; })) {
      lock.unlock();
      Look();
      lock.lock();
    }
  });
}

SpaceWatch::~SpaceWatch() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

bool SpaceWatch::HasRoom(const DataDirectory::Space& space) {
  return space.free_bytes >= kEnoughBytes || space.free_bytes >= space.total_bytes / 10;
}

void SpaceWatch::Look() {
  auto space = data_->MeasureSpace();
  if (!space.ok()) {
    LOG_EVERY_N(ERROR, 100) << space.status();
    return;
  }
  free_bytes_ = space->free_bytes;
  const bool has_room = HasRoom(*space);
  if (has_room) data_->KeepReserve();
  keep_budget_(has_room ? 0 : kEnoughBytes);
  if (has_room_.exchange(has_room) != has_room) {
    LOG(WARNING) << (has_room ? "the disk has room again: new steps are taken"
                              : "the disk is nearly full: no new steps are taken");
  }
}

Session::Health SpaceWatch::Latest() const { return {free_bytes_, has_room_}; }

}  // namespace rally::agent
