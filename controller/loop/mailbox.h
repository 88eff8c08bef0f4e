#ifndef RALLY_CONTROLLER_LOOP_MAILBOX_H_
#define RALLY_CONTROLLER_LOOP_MAILBOX_H_

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace rally::controller {

// What waits for the loop, in the order in which it came. Of each kind only so much may wait; who
// finds it full is refused at once, since nobody who posts can afford to wait.
//
// Threads: thread-safe; one thread takes. Blocking: only Take.
template <typename Item>
class Mailbox {
 public:
  enum class Kind {
    kReport,  // changes the state, so it needs the journal
    kAsk,     // can be answered, or refused, when the journal can't be written
  };

  explicit Mailbox(size_t capacity) : capacity_(capacity) {}

  // False when the mailbox is closed, or when this kind has no room and `must` isn't set. `must` is
  // for items whose number something else bounds.
  bool Put(Item item, Kind kind, bool must) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    size_t& count = kind == Kind::kReport ? reports_ : asks_;
    if (closed_ || (count >= capacity_ && !must)) return false;
    ++count;
    items_.push_back({std::move(item), kind});
    return true;
  }

  // Waits at most `timeout` for something to take, then takes at most `limit`, the oldest first.
  // Without `reports` these stay, in their order.
  std::deque<Item> Take(size_t limit, absl::Duration timeout, bool reports)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    take_reports_ = reports;
    mutex_.AwaitWithTimeout(absl::Condition(
                                +[](Mailbox* mailbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                                     mailbox->mutex_) { return mailbox->HasWork(); },
                                this),
                            std::max(timeout, absl::ZeroDuration()));
    std::deque<Item> taken;
    std::deque<Entry> kept;
    while (!items_.empty() && taken.size() < limit && (reports || asks_ > 0)) {
      Entry entry = std::move(items_.front());
      items_.pop_front();
      if (entry.kind == Kind::kReport && !reports) {
        kept.push_back(std::move(entry));
        continue;
      }
      --(entry.kind == Kind::kReport ? reports_ : asks_);
      taken.push_back(std::move(entry.item));
    }
    for (; !kept.empty(); kept.pop_back()) items_.push_front(std::move(kept.back()));
    return taken;
  }

  // Nothing is put in any more, and Take returns at once.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  bool closed() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return closed_;
  }

 private:
  struct Entry {
    Item item;
    Kind kind;
  };

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || asks_ > 0 || (take_reports_ && reports_ > 0);
  }

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  std::deque<Entry> items_ ABSL_GUARDED_BY(mutex_);
  size_t reports_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t asks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool take_reports_ ABSL_GUARDED_BY(mutex_) = true;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOOP_MAILBOX_H_
