#ifndef RALLY_CONTROLLER_BLOB_PINNED_TREES_H_
#define RALLY_CONTROLLER_BLOB_PINNED_TREES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/directory_outlines.h"

namespace rally::cas {

// Which blobs a changing set of trees consists of: a count of references for each directory and
// file. A directory that several trees share is read once, and costs each further tree nothing.
// Pure bookkeeping: its caller reads directories, and pins what it is told to.
//
// Threads: not thread-safe. Blocking: never. Errors: none.
class PinnedTrees {
 public:
  using Directories = absl::flat_hash_map<BlobKey, std::shared_ptr<const DirectoryOutline>>;

  // Whether the directory is in a tree and its children are known: a walk can stop there.
  bool Knows(const BlobKey& directory) const;

  // Adds a tree. `read` are directories of it, those at least that aren't known; what can't be
  // read is missing there, and counts as a blob of its own. Returns the blobs that weren't in any
  // tree before.
  std::vector<BlobKey> Add(const BlobKey& root, const Directories& read);
  // The directories of trees that could not be read.
  std::vector<BlobKey> Unread() const;
  // Adds the children of some that can be by now. Returns as Add does.
  std::vector<BlobKey> Learn(const Directories& read);

  // Takes out a tree that was added; as often as it was. Returns the blobs that are in no tree any
  // more.
  std::vector<BlobKey> Remove(const BlobKey& root);

  size_t blobs() const { return ids_.size(); }
  // All of them, in no order.
  std::vector<BlobKey> Blobs() const;

 private:
  using Id = uint32_t;
  struct Node {
    BlobKey key;
    uint32_t references = 0;  // from directories, and as a root
    bool known = false;       // its children are here
    std::vector<Id> children;
  };

  Id Refer(const BlobKey& key, std::vector<BlobKey>* added);
  void LearnBelow(Id id, const Directories& read, std::vector<BlobKey>* added);

  absl::flat_hash_map<BlobKey, Id> ids_;
  std::vector<Node> nodes_;
  std::vector<Id> free_;
  absl::flat_hash_set<Id> unread_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_PINNED_TREES_H_
