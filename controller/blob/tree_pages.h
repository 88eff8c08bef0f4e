#ifndef RALLY_CONTROLLER_BLOB_TREE_PAGES_H_
#define RALLY_CONTROLLER_BLOB_TREE_PAGES_H_

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {

// A tree's directories level by level, the root first, each once, cut into pages. Directories that
// the store lacks are left out with all that only they lead to.
//
// Ownership: the store must outlive it. Threads: one at a time. Blocking: on the disk.
// Errors: NotFound for the root alone; InvalidArgument if the root is no directory, or for a token
//   that doesn't fit; ResourceExhausted for trees beyond the limits.
class TreePages {
 public:
  struct Limits {
    // Of one page, so that it fits a message everywhere. A directory above is a page of its own.
    int64_t page_bytes = 2 * 1024 * 1024;
    // Of one, as clients that take larger messages than this are rare.
    int64_t directory_bytes = 16 * 1024 * 1024;
    size_t directories = 500'000;
  };

  TreePages(DiskStore* store, Limits limits) : store_(store), limits_(limits) {}

  // Once, before the pages. A page has at most `page_directories`, unless that is 0. With a `token`
  // it goes on after the page that the token came with.
  absl::Status Begin(const blob::Digest& root, int page_directories, absl::string_view token);

  // The token of the last page is empty.
  absl::Status Next(build::bazel::remote::execution::v2::GetTreeResponse* page);

 private:
  using Directory = build::bazel::remote::execution::v2::Directory;

  // Sets upcoming_ to the next directory that there is, or to nothing at the end.
  absl::Status Advance();
  absl::Status Load(const blob::Digest& digest, Directory* directory);
  std::string Token() const;

  DiskStore* const store_;
  const Limits limits_;
  int page_directories_ = 0;
  std::deque<blob::Digest> waiting_;
  absl::flat_hash_set<blob::Digest> seen_;
  absl::optional<Directory> upcoming_;
  blob::Digest upcoming_digest_;
  // What was handed out, in this call and those before.
  int64_t handed_out_ = 0;
  blob::Digest last_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_TREE_PAGES_H_
