#ifndef RALLY_CONTROLLER_BLOB_PINNED_TREES_H_
#define RALLY_CONTROLLER_BLOB_PINNED_TREES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/blob/digest.h"
#include "controller/blob/blob_key.h"

namespace rally::cas {

// Which blobs a changing set of trees consists of: a count of references for each directory and
// file. A directory that several trees share is read once, and costs each further tree nothing.
// Pure bookkeeping: its caller reads directories, and pins what it is told to.
//
// Threads: not thread-safe. Blocking: never. Errors: none.
class PinnedTrees {
 public:
  // A directory's children; duplicates do no harm.
  struct Children {
    std::vector<blob::Digest> directories;
    std::vector<blob::Digest> files;
  };
  using Directories = absl::flat_hash_map<blob::Digest, Children>;

  // Whether the directory is in a tree and its children are known: a walk can stop there.
  bool Knows(const blob::Digest& directory) const;

  // Adds a tree. `read` are directories of it, those at least that aren't known; what can't be
  // read is missing there, and counts as a blob of its own. Returns the blobs that weren't in any
  // tree before.
  std::vector<blob::Digest> Add(const blob::Digest& root, const Directories& read);
  // The directories of trees that could not be read.
  std::vector<blob::Digest> Unread() const;
  // Adds the children of some that can be by now. Returns as Add does.
  std::vector<blob::Digest> Learn(const Directories& read);

  // Takes out a tree that was added; as often as it was. Returns the blobs that are in no tree any
  // more.
  std::vector<blob::Digest> Remove(const blob::Digest& root);

  size_t blobs() const { return ids_.size(); }

 private:
  using Id = uint32_t;
  struct Node {
    BlobKey key;
    uint32_t references = 0;  // from directories, and as a root
    bool known = false;       // its children are here
    std::vector<Id> children;
  };

  Id Refer(const blob::Digest& digest, std::vector<blob::Digest>* added);
  void LearnBelow(Id id, const blob::Digest& digest, const Directories& read,
                  std::vector<blob::Digest>* added);

  absl::flat_hash_map<BlobKey, Id> ids_;
  std::vector<Node> nodes_;
  std::vector<Id> free_;
  absl::flat_hash_set<Id> unread_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_PINNED_TREES_H_
