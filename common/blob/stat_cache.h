#ifndef RALLY_COMMON_BLOB_STAT_CACHE_H_
#define RALLY_COMMON_BLOB_STAT_CACHE_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/blob/blob_key.h"
#include "common/blob/directory_scan.h"

namespace rally::blob {

// What files' contents were when they were last read, by path and by all that stat tells and that
// changes with the content. It does not know whether a file still exists.
//
// A file that was touched so shortly before it was read that a later change could carry the same
// times is never remembered: its times prove nothing.
// Ownership: none. Threads: EntriesOf is thread-safe once the cache is loaded. Blocking: Load and
//   Save, on the disk.
class StatCache {
 public:
  // `started` is when the capture began; times from `racy_window` before on are not trusted.
  StatCache(absl::Time started, absl::Duration racy_window)
      : trusted_until_(started - racy_window) {}

  // Reads a cache of the same root. A missing, foreign or damaged file is an empty cache.
  void Load(const std::string& file, const std::string& root);

  // What is known of the files of one directory. Points into the cache.
  class Entries {
   public:
    Entries() = default;
    explicit Entries(absl::string_view bytes) : rest_(bytes) {}

    // Whether the file has the content of that key still. Names have to come in ascending order.
    bool Find(absl::string_view name, const FileStat& stat, BlobKey* key);

   private:
    absl::string_view rest_;
  };
  Entries EntriesOf(absl::string_view directory) const;

  // Replaces the file by what is known of the tree's files, unless it holds just that.
  absl::Status Save(const std::string& file, const std::string& root,
                    const ScannedTree& tree) const;

 private:
  bool IsTrusted(const ScannedFile& file) const;
  bool HoldsJust(const ScannedTree& tree) const;

  const absl::Time trusted_until_;
  std::string bytes_;  // The file, into which what follows points.
  absl::flat_hash_map<absl::string_view, absl::string_view> directories_;
  int64_t entries_ = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_STAT_CACHE_H_
