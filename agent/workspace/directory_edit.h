#ifndef RALLY_AGENT_WORKSPACE_DIRECTORY_EDIT_H_
#define RALLY_AGENT_WORKSPACE_DIRECTORY_EDIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/blob/directory.h"
#include "google/protobuf/arena.h"

namespace rally::workspace {

// A directory made of another one's entries and some new ones. The old entries are used where they
// are, not copied: most directories have many, of which a step changes few.
// Ownership: the old directory must outlive it. Threads: not thread-safe.
class DirectoryEdit {
 public:
  // Null has no entries. What is there has passed blob::Validate.
  explicit DirectoryEdit(const blob::Directory* old);

  // The old entry of this name, if there is one, isn't taken over. `name` outlives the edit.
  void Replace(absl::string_view name) { replaced_.push_back(name); }

  // For the new entries, each of a name that was replaced; sorted by name, as all that is added to
  // it has to be.
  blob::Directory& added() { return *added_; }

  bool has_replaced() const { return !replaced_.empty(); }

  // The new directory in canonical form, which lives as long as the edit; called once, at the end.
  // InvalidArgument if a tree can't keep one of the new entries.
  absl::StatusOr<const blob::Directory*> Finish(uint32_t mode, absl::Time mtime);

 private:
  google::protobuf::Arena arena_;
  const blob::Directory& old_;
  std::vector<absl::string_view> replaced_;
  blob::Directory* const added_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DIRECTORY_EDIT_H_
