#ifndef RALLY_CONTROLLER_BLOB_BLOB_PACKS_H_
#define RALLY_CONTROLLER_BLOB_BLOB_PACKS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/types/span.h"
#include "common/file_descriptor.h"
#include "controller/blob/blob_files.h"
#include "controller/blob/blob_key.h"

namespace rally::cas {

// Small blobs that came together lie together, in one file instead of one each: DIRECTORY/packs/
// <number>, in the format of pack_table.h. A file costs more than the bytes of most small blobs,
// when it is made and whenever it is read. This knows in memory where each packed blob is, 60 to
// 120 bytes a blob. A pack whose blobs are all forgotten is removed; what one still has when most
// of it was forgotten is for the caller to put elsewhere (TakeSparse). What is forgotten is found
// again after a restart if its pack is still there. It never checks what the bytes are.
//
// Ownership: owns the directory packs/ below the one it is given, which stays the caller's.
// Threads: thread-safe; two callers must not change one blob's place at once.
// Blocking: on the disk, but for Find and ForEach; AwaitLoaded until Load is done.
// Errors: as BlobFiles.
class BlobPacks {
 public:
  static constexpr int64_t kLargestBlobBytes = 256 * 1024;
  // Fewer are as well off as files.
  static constexpr size_t kFewestBlobs = 16;

  // Creates the directory, and removes what a crash left half written.
  static absl::StatusOr<std::unique_ptr<BlobPacks>> Open(int parent_fd);
  BlobPacks(const BlobPacks&) = delete;
  BlobPacks& operator=(const BlobPacks&) = delete;

  // Once: finds the blobs of packs from before. A pack that isn't whole is removed. Until it is
  // done, a blob that isn't found may be there.
  void Load(const std::function<bool()>& is_stopping);
  bool IsLoaded() const { return loaded_.HasBeenNotified(); }
  void AwaitLoaded() const { loaded_.WaitForNotification(); }

  struct Place {
    uint64_t pack = 0;
    int64_t offset = 0;
    friend bool operator==(const Place& a, const Place& b) {
      return a.pack == b.pack && a.offset == b.offset;
    }
  };
  std::optional<Place> Find(const BlobKey& key) const;
  // What packs' files have, for a look at many blobs: each is asked for it once.
  using FileSizes = absl::flat_hash_map<uint64_t, int64_t>;
  // By the size of the pack alone. A pack whose size isn't known yet is added.
  BlobFiles::State Look(const Place& place, int64_t size_bytes, FileSizes* known) const;
  // NotFound when the pack is gone: the blob has another place by then, or none.
  absl::StatusOr<FileDescriptor> OpenPack(uint64_t pack) const;
  void ForEach(int shard, const std::function<void(const BlobKey&)>& visit) const;

  // A new pack, which stays at least as long as this.
  class NewPack {
   public:
    NewPack(NewPack&& other) noexcept;
    NewPack& operator=(NewPack&&) = delete;
    ~NewPack();
    // From now on the blob is found here. As many times as there are blobs, at most once for each.
    void Add(size_t number);

   private:
    friend class BlobPacks;
    NewPack(BlobPacks* packs, uint64_t pack, std::vector<BlobKey> keys, int64_t begin);
    BlobPacks* packs_;
    const uint64_t pack_;
    std::vector<BlobKey> keys_;
    std::vector<int64_t> offsets_;
  };
  // Writes a pack of different blobs with these bytes. None is found before it is added.
  absl::StatusOr<NewPack> Write(std::vector<BlobKey> keys,
                                absl::Span<const absl::string_view> bytes);

  // False if it had no place.
  bool Forget(const BlobKey& key);
  // The pack is damaged: what it has is to be put elsewhere.
  void MarkSparse(uint64_t pack);
  // The blobs of all packs that are worth taking apart. Who can't put one elsewhere marks its pack
  // again.
  std::vector<BlobKey> TakeSparse();

 private:
  struct Shard {
    mutable absl::Mutex mutex;
    absl::flat_hash_map<BlobKey, Place> places ABSL_GUARDED_BY(mutex);
  };
  struct Pack {
    int64_t bytes = 0;  // Of all its blobs.
    int64_t live_bytes = 0;
    int64_t live_blobs = 0;
    bool held = false;  // By its NewPack, or while it is loaded.
  };

  explicit BlobPacks(FileDescriptor directory) : directory_(std::move(directory)) {}

  // Unless the blob has a place already.
  void AddPlace(const BlobKey& key, const Place& place);
  void LoadPack(uint64_t number);
  void Hold(uint64_t pack, int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void LetGo(uint64_t pack) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveIfDead(uint64_t pack) ABSL_LOCKS_EXCLUDED(mutex_);

  const FileDescriptor directory_;
  std::array<Shard, BlobFiles::kShards> shards_;
  std::vector<uint64_t> from_before_;
  absl::Notification loaded_;
  std::atomic<uint64_t> next_{1};
  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Pack> packs_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> sparse_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_PACKS_H_
