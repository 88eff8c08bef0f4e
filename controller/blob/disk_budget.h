#ifndef RALLY_CONTROLLER_BLOB_DISK_BUDGET_H_
#define RALLY_CONTROLLER_BLOB_DISK_BUDGET_H_

#include <cstdint>
#include <string>

// How much a blob store may take. Arithmetic and its words only.
namespace rally::cas {

// What a filesystem has, and what of it is free for this process. No inodes: it doesn't count them.
struct DiskRoom {
  int64_t bytes = 0;
  int64_t free_bytes = 0;
  int64_t inodes = 0;
  int64_t free_inodes = 0;
};

// Zero: no limit of that kind.
struct DiskLimits {
  int64_t max_bytes = 0;
  int64_t max_blobs = 0;
  // How much of the filesystem, bytes and inodes, others shall find free.
  int keep_free_percent = 5;
};

// Bytes as the disk counts them, and files.
struct DiskUse {
  int64_t bytes = 0;
  int64_t blobs = 0;

  friend DiskUse operator+(const DiskUse& a, const DiskUse& b) {
    return {a.bytes + b.bytes, a.blobs + b.blobs};
  }
  bool Within(const DiskUse& limit) const { return bytes <= limit.bytes && blobs <= limit.blobs; }
};

// What one blob takes.
DiskUse UseOf(int64_t size_bytes);

// What the store may take at most, with what it takes now. It shrinks as others fill the disk.
DiskUse HardLimit(const DiskLimits& limits, const DiskRoom& room, const DiskUse& used);

// What the store could take if nobody else had anything on the disk.
int64_t MostBytes(const DiskLimits& limits, const DiskRoom& room);

// For a person: why `wanted` doesn't fit beside what is used and reserved, and what to do.
std::string DescribeFull(const DiskLimits& limits, const DiskUse& taken, const DiskUse& wanted,
                         const DiskUse& hard_limit);
// The same of what is more than MostBytes.
std::string DescribeTooBig(const DiskLimits& limits, const DiskUse& wanted, int64_t most_bytes);

// Above the first eviction begins, and it ends at the second.
DiskUse HighMark(const DiskUse& hard_limit);
DiskUse LowMark(const DiskUse& hard_limit);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DISK_BUDGET_H_
