#include "common/blob/tree.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "common/blob/tree_expansion.h"

namespace rally::blob {
namespace {

// What is asked of a store or a reader at once.
constexpr size_t kDigestsPerRequest = 10'000;
constexpr int64_t kPrefetchBytes = 4 * 1024 * 1024;

int64_t EntriesOf(const Directory& directory) {
  return int64_t{directory.files_size()} + directory.directories_size() + directory.symlinks_size();
}

// Collects a tree's different directories, one level of the graph after the other.
class LevelWalk {
 public:
  // Takes out of a level, before it is read, what shall not be.
  using Filter = std::function<absl::Status(std::vector<Digest>&)>;
  // Decides about a directory that could not be read: OK goes on without it.
  using OnError = std::function<absl::Status(const Digest&, absl::Status)>;

  LevelWalk(DirectoryReader& reader, const Digest& root, const TreeLimits& limits,
            const KnownSizes* known = nullptr)
      : reader_(reader), root_(root), limits_(limits), known_(known) {}

  absl::Status Run(const Filter& filter, const OnError& on_error, LoadedTree* tree) {
    absl::flat_hash_set<Digest> seen = {root_};
    std::vector<Digest> level = {root_};
    int64_t different_entries = 0;
    for (int depth = 0; !level.empty(); ++depth) {
      if (depth > limits_.max_depth) return TreeTooLarge(root_, "levels", limits_.max_depth);
      if (absl::Status status = filter(level); !status.ok()) return status;
      std::vector<Digest> next;
      for (size_t i = 0; i < level.size(); ++i) {
        PrefetchFrom(level, i);
        auto directory = reader_.Read(level[i]);
        if (!directory.ok()) {
          absl::Status status = on_error(level[i], directory.status());
          if (!status.ok()) return status;
          continue;
        }
        different_entries += EntriesOf(**directory);
        if (different_entries > limits_.max_entries) {
          return TreeTooLarge(root_, "entries", limits_.max_entries);
        }
        for (const DirectoryNode& child : (*directory)->directories()) {
          Digest digest = DigestOfNode(child);
          if (!seen.insert(digest).second || IsKnown(digest)) continue;
          next.push_back(std::move(digest));
        }
        tree->directories[level[i]] = *std::move(directory);
      }
      level = std::move(next);
      prefetched_until_ = 0;
    }
    return absl::OkStatus();
  }

  // Directories that it didn't look into.
  absl::flat_hash_map<Digest, TreeSize> TakeSkipped() { return std::move(skipped_); }

 private:
  bool IsKnown(const Digest& digest) {
    if (known_ == nullptr) return false;
    const std::optional<TreeSize> size = known_->Find(digest);
    if (size.has_value()) skipped_.emplace(digest, *size);
    return size.has_value();
  }

  void PrefetchFrom(const std::vector<Digest>& level, size_t begin) {
    if (begin < prefetched_until_) return;
    size_t end = begin;
    int64_t bytes = 0;
    while (end < level.size() && end - begin < kDigestsPerRequest && bytes < kPrefetchBytes) {
      bytes += level[end++].size_bytes;
    }
    reader_.Prefetch(absl::MakeConstSpan(level).subspan(begin, end - begin));
    prefetched_until_ = end;
  }

  DirectoryReader& reader_;
  const Digest& root_;
  const TreeLimits& limits_;
  const KnownSizes* const known_;
  absl::flat_hash_map<Digest, TreeSize> skipped_;
  size_t prefetched_until_ = 0;
};

// Also adds to `known`, if that isn't null.
absl::Status MeasureTree(const Digest& root, const TreeLimits& limits,
                         absl::flat_hash_map<Digest, TreeSize> skipped, KnownSizes* known,
                         LoadedTree* tree) {
  const auto own_size = [tree](const Digest& digest) {
    OwnSize<Digest> own;
    const auto found = tree->directories.find(digest);
    if (found == tree->directories.end()) return own;
    const Directory& directory = *found->second;
    own.entries = EntriesOf(directory);
    for (const FileNode& file : directory.files()) {
      own.file_bytes = SaturatingAdd(own.file_bytes, file.digest().size_bytes());
    }
    own.children.reserve(directory.directories_size());
    for (const DirectoryNode& child : directory.directories()) {
      own.children.push_back(DigestOfNode(child));
    }
    return own;
  };
  const bool whole = skipped.empty();
  TreeExpansion<Digest, decltype(own_size)> expansion(root, limits, own_size, std::move(skipped));
  const auto size = expansion.Measure(root);
  if (!size.ok()) return size.status();
  tree->entries = size->entries;
  tree->total_bytes = size->total_bytes;
  tree->depth = size->height;
  tree->whole = whole;
  if (known != nullptr) known->Add(expansion.sizes());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Digest>> FindMissingInParts(BlobStore& store,
                                                       absl::Span<const Digest> digests) {
  std::vector<Digest> missing;
  for (size_t begin = 0; begin < digests.size(); begin += kDigestsPerRequest) {
    absl::StatusOr<std::vector<Digest>> part =
        store.FindMissing(digests.subspan(begin, kDigestsPerRequest));
    if (!part.ok()) return part.status();
    missing.insert(missing.end(), part->begin(), part->end());
  }
  return missing;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Directory>> ReadFrom(const LoadedTree& tree,
                                                          DirectoryReader& reader,
                                                          const Digest& digest) {
  const auto loaded = tree.directories.find(digest);
  if (loaded != tree.directories.end()) return loaded->second;
  return reader.Read(digest);
}

absl::flat_hash_set<BlobKey> DistinctFiles(const LoadedTree& tree) {
  absl::flat_hash_set<BlobKey> files;
  for (const auto& [digest, directory] : tree.directories) {
    for (const FileNode& file : directory->files()) {
      files.insert(BlobKey::Of(file.digest().hash(), file.digest().size_bytes()));
    }
  }
  return files;
}

absl::StatusOr<LoadedTree> LoadTree(DirectoryReader& reader, const Digest& root,
                                    const TreeLimits& limits, KnownSizes* known) {
  LoadedTree tree;
  LevelWalk walk(reader, root, limits, known);
  absl::Status status = walk.Run([](std::vector<Digest>&) { return absl::OkStatus(); },
                                 [](const Digest&, absl::Status status) { return status; }, &tree);
  if (status.ok()) status = MeasureTree(root, limits, walk.TakeSkipped(), known, &tree);
  if (!status.ok()) return status;
  return tree;
}

absl::StatusOr<std::vector<Digest>> FindMissingInTree(BlobStore& store, DirectoryReader& reader,
                                                      const Digest& root,
                                                      const TreeLimits& limits) {
  LoadedTree tree;
  std::vector<Digest> missing;
  const auto drop_missing = [&](std::vector<Digest>& level) -> absl::Status {
    absl::StatusOr<std::vector<Digest>> absent = FindMissingInParts(store, level);
    if (!absent.ok()) return absent.status();
    const absl::flat_hash_set<Digest> absent_set(absent->begin(), absent->end());
    missing.insert(missing.end(), absent->begin(), absent->end());
    level.erase(std::remove_if(level.begin(), level.end(),
                               [&](const Digest& d) { return absent_set.contains(d); }),
                level.end());
    return absl::OkStatus();
  };
  const auto note_damaged = [&](const Digest& digest, absl::Status status) {
    if (!absl::IsNotFound(status) && !absl::IsDataLoss(status)) return status;
    missing.push_back(digest);
    return absl::OkStatus();
  };
  absl::Status walked = LevelWalk(reader, root, limits).Run(drop_missing, note_damaged, &tree);
  if (!walked.ok()) return walked;
  if (absl::Status fits = MeasureTree(root, limits, {}, nullptr, &tree); !fits.ok()) return fits;
  std::vector<Digest> files;
  for (const BlobKey& file : DistinctFiles(tree)) files.push_back(file.ToDigest());
  std::sort(files.begin(), files.end());  // So that two runs give the same list.
  absl::StatusOr<std::vector<Digest>> absent = FindMissingInParts(store, files);
  if (!absent.ok()) return absent.status();
  missing.insert(missing.end(), absent->begin(), absent->end());
  return missing;
}

}  // namespace rally::blob
