#ifndef RALLY_COMMON_BLOB_STAT_CACHE_H_
#define RALLY_COMMON_BLOB_STAT_CACHE_H_

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/blob/digest.h"

namespace rally::blob {

// What files' contents were when they were last read, by path and by all that stat tells and that
// changes with the content. It does not know whether a file still exists.
//
// A file that was touched so shortly before it was read that a later change could carry the same
// times is never remembered: its times prove nothing.
// Ownership: none. Threads: not thread-safe. Blocking: Load and Save, on the disk.
class StatCache {
 public:
  // `started` is when the capture began; times from `racy_window` before on are not trusted.
  StatCache(absl::Time started, absl::Duration racy_window)
      : trusted_until_(started - racy_window) {}

  // Reads a cache of the same root. A missing, foreign or damaged file is an empty cache.
  void Load(const std::string& file, const std::string& root);

  std::optional<Digest> Find(absl::string_view path, const struct stat& st) const;

  // To be saved; also what was found and still holds. Each path once.
  void Remember(absl::string_view path, const struct stat& st, const Digest& digest);

  // Replaces the file by what was remembered, unless that is what it holds already.
  absl::Status Save(const std::string& file, const std::string& root) const;

 private:
  // Equal for one path: the same content.
  struct Entry {
    int64_t size_bytes;
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint64_t inode;
    uint64_t device;
    std::array<char, 32> hash;

    friend bool operator==(const Entry& a, const Entry& b) {
      return a.size_bytes == b.size_bytes && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns &&
             a.inode == b.inode && a.device == b.device && a.hash == b.hash;
    }
  };
  struct LoadedEntry {
    Entry entry;
    bool holds = false;  // It was remembered again as it is.
  };

  static Entry MakeEntry(const struct stat& st, const std::array<char, 32>& hash);

  const absl::Time trusted_until_;
  std::string bytes_;  // The file, into which the names of loaded_ point.
  absl::flat_hash_map<absl::string_view, LoadedEntry> loaded_;
  size_t holding_ = 0;  // Of loaded_.
  // What loaded_ has not, or has otherwise.
  std::vector<std::pair<std::string, Entry>> added_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_STAT_CACHE_H_
