#include "common/blob/delta_conflicts.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "common/blob/delta_walk.h"

namespace rally::blob {
namespace {

// What a step left at a path that it wrote to, as far as another step's outcome can differ from it.
struct Outcome {
  enum class Kind {
    kDeleted,    // There was an entry, and there is none now.
    kFile,       // A file, new or with other content or mode.
    kSymlink,    // A symlink, new or with another target.
    kDirectory,  // A directory where there was none.
  };
  Kind kind = Kind::kDeleted;
  Digest content;      // Of a file.
  uint32_t mode = 0;   // Of a file.
  std::string target;  // Of a symlink.

  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.kind == b.kind && a.content == b.content && a.mode == b.mode && a.target == b.target;
  }
};

struct Write {
  int delta;
  Outcome outcome;
  // The deleted entry was a directory, which goes only as far as nobody else has entries in it.
  bool removed_directory = false;
};

// All deltas' writes as one tree of paths, so that those above and below each other meet.
struct WriteNode {
  std::vector<Write> writes;
  absl::btree_map<std::string, std::unique_ptr<WriteNode>> children;
};

class WriteCollector : public DeltaVisitor {
 public:
  WriteCollector(int delta, WriteNode* root) : delta_(delta), path_({root}) {}

  void Enter(absl::string_view name) override {
    std::unique_ptr<WriteNode>& child = path_.back()->children[std::string(name)];
    if (child == nullptr) child = std::make_unique<WriteNode>();
    path_.push_back(child.get());
  }

  void Visit(const NamedEntry& before, const NamedEntry& after) override {
    if (DifferAtMostInMtime(before, after)) return;
    Write write;
    write.delta = delta_;
    if (after.file != nullptr) {
      write.outcome.kind = Outcome::Kind::kFile;
      write.outcome.content = DigestOfNode(*after.file);
      write.outcome.mode = ModeOf(*after.file);
    } else if (after.symlink != nullptr) {
      write.outcome.kind = Outcome::Kind::kSymlink;
      write.outcome.target = after.symlink->target();
    } else if (after.directory != nullptr) {
      write.outcome.kind = Outcome::Kind::kDirectory;
    } else {
      write.removed_directory = before.directory != nullptr;
    }
    path_.back()->writes.push_back(std::move(write));
  }

  void Leave() override { path_.pop_back(); }

 private:
  const int delta_;
  std::vector<WriteNode*> path_;
};

class ConflictFinder {
 public:
  ConflictFinder(absl::Span<const StepTrees> deltas, const OrderedPredicate& ordered)
      : deltas_(deltas), ordered_(ordered) {}

  void Run(const WriteNode& root) { Descend(root, "", {}, {}); }

  std::vector<Conflict> Take() { return std::move(conflicts_); }

 private:
  using Pair = std::pair<int, int>;

  static bool IsLeaf(const Write& write) {
    return write.outcome.kind == Outcome::Kind::kFile ||
           write.outcome.kind == Outcome::Kind::kSymlink;
  }

  // What a delta that is part of a conflict at the node did there.
  static Deed DeedOf(const WriteNode& node, const std::vector<int>& leaves_above, int delta) {
    const auto write = std::find_if(node.writes.begin(), node.writes.end(),
                                    [&](const Write& write) { return write.delta == delta; });
    const bool is_below_its_leaf =
        std::find(leaves_above.begin(), leaves_above.end(), delta) != leaves_above.end();
    if (is_below_its_leaf || write == node.writes.end()) return Deed::kReplacedParent;
    switch (write->outcome.kind) {
      case Outcome::Kind::kDeleted:
        return Deed::kRemoved;
      case Outcome::Kind::kFile:
        return Deed::kWroteFile;
      case Outcome::Kind::kSymlink:
        return Deed::kMadeSymlink;
      case Outcome::Kind::kDirectory:
        return Deed::kMadeDirectory;
    }
    return Deed::kWroteFile;
  }

  // Whether one step removed a directory that the other filled: what it put there stays.
  static bool FilledARemovedDirectory(const WriteNode& node, const Write& a, const Write& b) {
    if (b.removed_directory && !a.removed_directory) return FilledARemovedDirectory(node, b, a);
    return a.removed_directory && b.outcome.kind == Outcome::Kind::kDirectory &&
           std::any_of(node.children.begin(), node.children.end(), [&](const auto& child) {
             const std::vector<Write>& writes = child.second->writes;
             return std::any_of(writes.begin(), writes.end(),
                                [&](const Write& write) { return write.delta == b.delta; });
           });
  }

  // `leaves_above`: deltas that put a file or symlink at an ancestor of this path. `reported`: the
  // pairs for which an ancestor was reported, so that what follows from it isn't.
  void Descend(const WriteNode& node, const std::string& path, std::vector<int> leaves_above,
               std::set<Pair> reported) {
    std::set<Pair> here;
    for (const Write& write : node.writes) {
      for (const Write& other : node.writes) {
        if (write.delta < other.delta && !(write.outcome == other.outcome) &&
            !FilledARemovedDirectory(node, write, other)) {
          Note({write.delta, other.delta}, reported, &here);
        }
      }
      if (write.outcome.kind == Outcome::Kind::kDeleted) continue;
      for (int above : leaves_above) {
        if (above != write.delta) {
          Note({std::min(above, write.delta), std::max(above, write.delta)}, reported, &here);
        }
      }
    }
    for (const auto& [earlier, later] : here) {
      if (conflicts_.size() >= static_cast<size_t>(kMaxConflicts)) return;
      conflicts_.push_back(Conflict{deltas_[earlier].step, deltas_[later].step, path,
                                    DeedOf(node, leaves_above, earlier),
                                    DeedOf(node, leaves_above, later)});
    }
    if (node.children.empty()) return;
    for (const Write& write : node.writes) {
      if (IsLeaf(write)) leaves_above.push_back(write.delta);
    }
    // Only a file in a directory's place explains what happens below it.
    for (const Pair& pair : here) {
      const bool leaf_in_pair =
          std::any_of(node.writes.begin(), node.writes.end(), [&](const Write& write) {
            return IsLeaf(write) && (write.delta == pair.first || write.delta == pair.second);
          });
      if (leaf_in_pair) reported.insert(pair);
    }
    for (const auto& [name, child] : node.children) {
      if (conflicts_.size() >= static_cast<size_t>(kMaxConflicts)) return;
      Descend(*child, path.empty() ? name : absl::StrCat(path, "/", name), leaves_above, reported);
    }
  }

  void Note(Pair pair, const std::set<Pair>& reported, std::set<Pair>* here) {
    if (reported.count(pair) == 0 && here->count(pair) == 0 && !ordered_(pair.first, pair.second)) {
      here->insert(pair);
    }
  }

  const absl::Span<const StepTrees> deltas_;
  const OrderedPredicate& ordered_;
  std::vector<Conflict> conflicts_;
};

}  // namespace

absl::StatusOr<std::vector<Conflict>> FindConflicts(DirectoryReader& reader,
                                                    absl::Span<const StepTrees> deltas,
                                                    const OrderedPredicate& ordered) {
  std::vector<int> nonempty;
  for (size_t i = 0; i < deltas.size(); ++i) {
    if (deltas[i].input_root != deltas[i].output_root) nonempty.push_back(static_cast<int>(i));
  }
  // A delta that is ordered with all others can't conflict, and isn't looked at; in a chain of
  // steps that is each of them.
  std::vector<bool> may_conflict(deltas.size(), false);
  for (size_t a = 0; a < nonempty.size(); ++a) {
    for (size_t b = a + 1; b < nonempty.size(); ++b) {
      if (may_conflict[nonempty[a]] && may_conflict[nonempty[b]]) continue;
      if (!ordered(nonempty[a], nonempty[b])) {
        may_conflict[nonempty[a]] = may_conflict[nonempty[b]] = true;
      }
    }
  }
  WriteNode root;
  for (int i : nonempty) {
    if (!may_conflict[i]) continue;
    WriteCollector collector(i, &root);
    absl::Status status =
        WalkDelta(reader, &deltas[i].input_root, &deltas[i].output_root, collector);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("comparing the trees before and after step ",
                                                      deltas[i].step, ": ", status.message()));
    }
  }
  ConflictFinder finder(deltas, ordered);
  finder.Run(root);
  return finder.Take();
}

}  // namespace rally::blob
