#include "controller/blob/pinned_trees.h"

#include <algorithm>
#include <utility>

namespace rally::cas {

bool PinnedTrees::Knows(const BlobKey& directory) const {
  auto found = ids_.find(directory);
  return found != ids_.end() && nodes_[found->second].known;
}

PinnedTrees::Id PinnedTrees::Refer(const BlobKey& key, std::vector<BlobKey>* added) {
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
    added->push_back(key);
  }
  ++nodes_[position->second].references;
  return position->second;
}

// Without recursion: what is pinned is whatever somebody uploaded.
void PinnedTrees::LearnBelow(Id id, const Directories& read, std::vector<BlobKey>* added) {
  std::vector<Id> todo = {id};
  while (!todo.empty()) {
    const Id parent = todo.back();
    todo.pop_back();
    if (nodes_[parent].known) continue;
    auto found = read.find(nodes_[parent].key);
    if (found == read.end()) {
      unread_.insert(parent);
      continue;
    }
    const DirectoryOutline& outline = *found->second;
    unread_.erase(parent);
    nodes_[parent].known = true;
    std::vector<Id> children;
    children.reserve(outline.directories.size() + outline.files.size());
    for (const BlobKey& child : outline.directories) {
      children.push_back(Refer(child, added));
      todo.push_back(children.back());
    }
    for (const BlobKey& child : outline.files) children.push_back(Refer(child, added));
    nodes_[parent].children = std::move(children);
  }
}

std::vector<BlobKey> PinnedTrees::Add(const BlobKey& root, const Directories& read) {
  std::vector<BlobKey> added;
  const Id id = Refer(root, &added);
  LearnBelow(id, read, &added);
  return added;
}

std::vector<BlobKey> PinnedTrees::Unread() const {
  std::vector<BlobKey> keys;
  for (Id id : unread_) keys.push_back(nodes_[id].key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<BlobKey> PinnedTrees::Learn(const Directories& read) {
  std::vector<BlobKey> added;
  for (const BlobKey& directory : Unread()) {
    LearnBelow(ids_.at(directory), read, &added);
  }
  return added;
}

std::vector<BlobKey> PinnedTrees::Remove(const BlobKey& root) {
  std::vector<BlobKey> removed;
  auto found = ids_.find(root);
  if (found == ids_.end()) return removed;
  std::vector<Id> todo = {found->second};
  while (!todo.empty()) {
    const Id id = todo.back();
    todo.pop_back();
    Node& node = nodes_[id];
    if (--node.references > 0) continue;
    removed.push_back(node.key);
    todo.insert(todo.end(), node.children.begin(), node.children.end());
    ids_.erase(node.key);
    unread_.erase(id);
    node = Node();
    free_.push_back(id);
  }
  return removed;
}

std::vector<BlobKey> PinnedTrees::Blobs() const {
  std::vector<BlobKey> blobs;
  blobs.reserve(ids_.size());
  for (const auto& [key, id] : ids_) blobs.push_back(key);
  return blobs;
}

}  // namespace rally::cas
