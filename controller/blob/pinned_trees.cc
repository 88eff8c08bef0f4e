#include "controller/blob/pinned_trees.h"

#include <algorithm>
#include <utility>

namespace rally::cas {

using blob::Digest;

bool PinnedTrees::Knows(const Digest& directory) const {
  auto found = ids_.find(BlobKey::Of(directory));
  return found != ids_.end() && nodes_[found->second].known;
}

PinnedTrees::Id PinnedTrees::Refer(const Digest& digest, std::vector<Digest>* added) {
  const BlobKey key = BlobKey::Of(digest);
  auto [position, is_new] = ids_.try_emplace(key, 0);
  if (is_new) {
    if (free_.empty()) {
      position->second = static_cast<Id>(nodes_.size());
      nodes_.emplace_back();
    } else {
      position->second = free_.back();
      free_.pop_back();
    }
    nodes_[position->second].key = key;
    added->push_back(digest);
  }
  ++nodes_[position->second].references;
  return position->second;
}

// Without recursion: what is pinned is whatever somebody uploaded.
void PinnedTrees::LearnBelow(Id id, const Digest& digest, const Directories& read,
                             std::vector<Digest>* added) {
  std::vector<std::pair<Id, const Digest*>> todo = {{id, &digest}};
  while (!todo.empty()) {
    const auto [parent, name] = todo.back();
    todo.pop_back();
    if (nodes_[parent].known) continue;
    auto found = read.find(*name);
    if (found == read.end()) {
      unread_.insert(parent);
      continue;
    }
    unread_.erase(parent);
    nodes_[parent].known = true;
    std::vector<Id> children;
    for (const Digest& child : found->second.directories) {
      children.push_back(Refer(child, added));
      todo.emplace_back(children.back(), &child);
    }
    for (const Digest& child : found->second.files) children.push_back(Refer(child, added));
    children.shrink_to_fit();
    nodes_[parent].children = std::move(children);
  }
}

std::vector<Digest> PinnedTrees::Add(const Digest& root, const Directories& read) {
  std::vector<Digest> added;
  const Id id = Refer(root, &added);
  LearnBelow(id, root, read, &added);
  return added;
}

std::vector<Digest> PinnedTrees::Unread() const {
  std::vector<Digest> digests;
  for (Id id : unread_) digests.push_back(nodes_[id].key.ToDigest());
  std::sort(digests.begin(), digests.end());
  return digests;
}

std::vector<Digest> PinnedTrees::Learn(const Directories& read) {
  std::vector<Digest> added;
  for (const Digest& directory : Unread()) {
    LearnBelow(ids_.at(BlobKey::Of(directory)), directory, read, &added);
  }
  return added;
}

std::vector<Digest> PinnedTrees::Remove(const Digest& root) {
  std::vector<Digest> removed;
  auto found = ids_.find(BlobKey::Of(root));
  if (found == ids_.end()) return removed;
  std::vector<Id> todo = {found->second};
  while (!todo.empty()) {
    const Id id = todo.back();
    todo.pop_back();
    Node& node = nodes_[id];
    if (--node.references > 0) continue;
    removed.push_back(node.key.ToDigest());
    todo.insert(todo.end(), node.children.begin(), node.children.end());
    ids_.erase(node.key);
    unread_.erase(id);
    node = Node();
    free_.push_back(id);
  }
  return removed;
}

}  // namespace rally::cas
