#include "agent/workspace/directory_edit.h"

#include <algorithm>

#include "common/pipeline/utf8.h"

namespace rally::workspace {
namespace {

using ::google::protobuf::Arena;
using ::rally::blob::Directory;

const Directory& Nothing() {
  static const Directory* const nothing = new Directory();
  return *nothing;
}

// Puts pointers to the nodes that stay and to those that were added into `result`, which is in an
// arena and therefore deletes none of them. All are sorted by name.
template <typename Nodes>
void Merge(const Nodes& old, const std::vector<absl::string_view>& replaced, Nodes& added,
           Nodes* result) {
  result->Reserve(old.size() + added.size());
  auto next_added = added.begin();
  auto next_replaced = replaced.begin();
  for (const auto& node : old) {
    while (next_replaced != replaced.end() && *next_replaced < node.name()) ++next_replaced;
    if (next_replaced != replaced.end() && *next_replaced == node.name()) continue;
    while (next_added != added.end() && next_added->name() < node.name()) {
      result->UnsafeArenaAddAllocated(&*next_added++);
    }
    // Nothing writes through `result`.
    using Node = typename Nodes::value_type;
    result->UnsafeArenaAddAllocated(const_cast<Node*>(&node));
  }
  while (next_added != added.end()) result->UnsafeArenaAddAllocated(&*next_added++);
}

}  // namespace

DirectoryEdit::DirectoryEdit(const Directory* old)
    : old_(old == nullptr ? Nothing() : *old), added_(Arena::CreateMessage<Directory>(&arena_)) {}

absl::StatusOr<const Directory*> DirectoryEdit::Finish(uint32_t mode, absl::Time mtime) {
  blob::SetDirectoryProperties(mode, mtime, added_);
  const absl::Status valid = blob::Validate(*added_);
  if (!valid.ok()) return valid;
  for (const blob::SymlinkNode& node : added_->symlinks()) {
    if (!IsValidUtf8(node.target())) {
      return absl::InvalidArgumentError("the target of a symlink in it is not UTF-8");
    }
  }
  auto* result = Arena::CreateMessage<Directory>(&arena_);
  Merge(old_.files(), replaced_, *added_->mutable_files(), result->mutable_files());
  Merge(old_.symlinks(), replaced_, *added_->mutable_symlinks(), result->mutable_symlinks());
  Merge(old_.directories(), replaced_, *added_->mutable_directories(),
        result->mutable_directories());
  if (added_->has_node_properties()) {
    result->unsafe_arena_set_allocated_node_properties(added_->mutable_node_properties());
  }
  return result;
}

}  // namespace rally::workspace
