#include "agent/workspace/nearest_tree.h"

#include <cstdint>
#include <memory>
#include <string>

#include "common/blob/directory.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;
using ::rally::blob::Directory;
using ::rally::blob::DirectoryNode;
using ::rally::blob::FileNode;
using ::rally::blob::SymlinkNode;

bool IsSame(const FileNode& a, const FileNode& b) { return blob::IsSameFile(a, b); }
bool IsSame(const SymlinkNode& a, const SymlinkNode& b) { return a.target() == b.target(); }

// Calls `visit` with the nodes of each name, in order; null where a side has none of it.
template <typename Nodes, typename Visit>
void VisitPairs(const Nodes& wanted, const Nodes& there, const Visit& visit) {
  auto a = wanted.begin();
  auto b = there.begin();
  while (a != wanted.end() || b != there.end()) {
    const int order = a == wanted.end() ? 1 : b == there.end() ? -1 : a->name().compare(b->name());
    visit(order <= 0 ? &*a : nullptr, order >= 0 ? &*b : nullptr);
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
}

// Counts the entries to write, and stops counting once there are more than a limit.
class Distance {
 public:
  Distance(const blob::LoadedTree& tree, blob::DirectoryReader& reader, int64_t limit)
      : tree_(tree), reader_(reader), limit_(limit) {}

  bool IsTooFar() const { return count_ > limit_; }
  int64_t count() const { return count_; }

  // `base` is what lies at the place of `wanted`, if a directory does.
  void Add(const Digest& wanted, const std::optional<Digest>& base) {
    if (base == wanted || IsTooFar()) return;
    ++count_;
    const auto above = blob::ReadFrom(tree_, reader_, wanted);
    const auto below = base.has_value() ? reader_.Read(*base) : std::make_shared<const Directory>();
    if (!above.ok() || !below.ok()) {
      count_ = limit_ + 1;
      return;
    }
    const auto count_if_different = [this](const auto* a, const auto* b) {
      if (a == nullptr || b == nullptr || !IsSame(*a, *b)) ++count_;
    };
    VisitPairs((*above)->files(), (*below)->files(), count_if_different);
    VisitPairs((*above)->symlinks(), (*below)->symlinks(), count_if_different);
    VisitPairs((*above)->directories(), (*below)->directories(),
               [this](const DirectoryNode* a, const DirectoryNode* b) {
                 if (a == nullptr) {
                   ++count_;
                   return;
                 }
                 std::optional<Digest> there;
                 if (b != nullptr) there = blob::DigestOfNode(*b);
                 Add(blob::DigestOfNode(*a), there);
               });
  }

 private:
  const blob::LoadedTree& tree_;
  blob::DirectoryReader& reader_;
  const int64_t limit_;
  int64_t count_ = 0;
};

}  // namespace

std::optional<Digest> NearestTree(const blob::LoadedTree& tree, const Digest& root,
                                  absl::Span<const Digest> candidates,
                                  blob::DirectoryReader& reader) {
  std::optional<Digest> nearest;
  int64_t limit = tree.entries / 2;
  for (const Digest& candidate : candidates) {
    Distance distance(tree, reader, limit);
    distance.Add(root, candidate);
    if (distance.IsTooFar()) continue;
    nearest = candidate;
    if (distance.count() == 0) break;
    limit = distance.count() - 1;
  }
  return nearest;
}

}  // namespace rally::workspace
