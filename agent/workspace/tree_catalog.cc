#include "agent/workspace/tree_catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/workspace/small_file.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

struct Manifest {
  uint64_t publication = 0;
  LocalTree tree;
};

std::string Format(const Manifest& manifest) {
  return absl::StrCat("rally tree 1\npublication ", manifest.publication, "\nentries ",
                      manifest.tree.entries, "\nlayers ", absl::StrJoin(manifest.tree.layers, " "),
                      "\n");
}

std::optional<Manifest> Parse(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 5 || lines[0] != "rally tree 1") return std::nullopt;
  absl::string_view publication = lines[1];
  absl::string_view entries = lines[2];
  absl::string_view layers = lines[3];
  Manifest manifest;
  if (!absl::ConsumePrefix(&publication, "publication ") ||
      !absl::SimpleAtoi(publication, &manifest.publication) ||
      !absl::ConsumePrefix(&entries, "entries ") ||
      !absl::SimpleAtoi(entries, &manifest.tree.entries) ||
      !absl::ConsumePrefix(&layers, "layers ")) {
    return std::nullopt;
  }
  for (const absl::string_view layer : absl::StrSplit(layers, ' ')) {
    if (!absl::SimpleAtoi(layer, &manifest.tree.layers.emplace_back())) return std::nullopt;
  }
  return manifest;
}

std::optional<Digest> DigestOfName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '-');
  int64_t size_bytes;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &size_bytes)) return std::nullopt;
  const auto digest = blob::MakeDigest(parts[0], size_bytes);
  if (!digest.ok()) return std::nullopt;
  return *digest;
}

// Of the file that has a single line; "" when there is none or it is damaged.
std::string ReadLine(const std::string& path) {
  const auto text = ReadSmallFile(path);
  return text.ok() ? std::string(absl::StripSuffix(*text, "\n")) : "";
}

}  // namespace

std::string TreeCatalog::LayerName(uint64_t layer) { return absl::StrCat("layers/", layer); }

absl::StatusOr<std::unique_ptr<TreeCatalog>> TreeCatalog::Open(const std::string& directory,
                                                               const std::string& boot_id,
                                                               Trash* trash) {
  for (const char* name : {"/trees", "/layers"}) {
    const std::string path = absl::StrCat(directory, name);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return absl::ErrnoToStatus(errno, absl::StrCat("creating ", path));
    }
  }
  std::unique_ptr<TreeCatalog> catalog(new TreeCatalog(directory, trash));
  const absl::Status loaded = catalog->Load(boot_id);
  if (!loaded.ok()) return loaded;
  return catalog;
}

absl::Status TreeCatalog::Load(const std::string& boot_id) {
  const auto layers = NamesIn(absl::StrCat(directory_, "/layers"));
  if (!layers.ok()) return layers.status();
  absl::MutexLock lock(&mutex_);
  absl::flat_hash_set<uint64_t> present;
  for (const std::string& name : *layers) {
    uint64_t layer;
    if (!absl::SimpleAtoi(name, &layer)) continue;
    present.insert(layer);
    next_layer_ = std::max(next_layer_, layer + 1);
  }
  uint64_t durable = 0;
  if (!absl::SimpleAtoi(ReadLine(absl::StrCat(directory_, "/durable")), &durable)) durable = 0;
  const bool same_boot = ReadLine(absl::StrCat(directory_, "/boot")) == boot_id;
  next_publication_ = durable + 1;

  const auto names = NamesIn(absl::StrCat(directory_, "/trees"));
  if (!names.ok()) return names.status();
  struct Found {
    timespec used;
    Digest root;
    LocalTree tree;
  };
  std::vector<Found> found;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(directory_, "/trees/", name);
    const auto text = ReadSmallFile(path);
    const std::optional<Digest> root = DigestOfName(name);
    std::optional<Manifest> manifest;
    if (text.ok() && root.has_value()) manifest = Parse(*text);
    const bool trusted = manifest.has_value() && (same_boot || manifest->publication <= durable) &&
                         std::all_of(manifest->tree.layers.begin(), manifest->tree.layers.end(),
                                     [&](uint64_t layer) { return present.contains(layer); });
    struct stat stat;
    if (!trusted || ::lstat(path.c_str(), &stat) != 0) {
      ::unlink(path.c_str());
      continue;
    }
    next_publication_ = std::max(next_publication_, manifest->publication + 1);
    found.push_back({stat.st_mtim, *root, std::move(manifest->tree)});
  }
  // Acquire touches the file.
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::make_pair(a.used.tv_sec, a.used.tv_nsec) <
           std::make_pair(b.used.tv_sec, b.used.tv_nsec);
  });
  for (Found& one : found) Insert(one.root, std::move(one.tree));
  return WriteSmallFile(absl::StrCat(directory_, "/boot"), absl::StrCat(boot_id, "\n"));
}

std::string TreeCatalog::PathOf(const Digest& root) const {
  return absl::StrCat(directory_, "/trees/", root.hash, "-", root.size_bytes);
}

TreeCatalog::Hold::~Hold() {
  if (catalog_ == nullptr) return;
  absl::MutexLock lock(&catalog_->mutex_);
  for (const uint64_t layer : layers_) {
    --catalog_->layers_[layer].holds;
    catalog_->ReleaseIfUnused(layer);
  }
}

void TreeCatalog::Insert(const Digest& root, LocalTree tree) {
  for (const uint64_t layer : tree.layers) ++layers_[layer].trees;
  Erase(root);
  trees_[root] = Known{std::move(tree), ++uses_};
}

void TreeCatalog::Erase(const Digest& root) {
  const auto known = trees_.find(root);
  if (known == trees_.end()) return;
  for (const uint64_t layer : known->second.tree.layers) {
    --layers_[layer].trees;
    ReleaseIfUnused(layer);
  }
  trees_.erase(known);
}

void TreeCatalog::AddHold(const std::vector<uint64_t>& layers) {
  for (const uint64_t layer : layers) ++layers_[layer].holds;
}

void TreeCatalog::ReleaseIfUnused(uint64_t layer) {
  const auto use = layers_.find(layer);
  if (use->second.trees > 0 || use->second.holds > 0) return;
  layers_.erase(use);
  released_.push_back(layer);
}

bool TreeCatalog::IsHeld(const LocalTree& tree) const {
  return std::all_of(tree.layers.begin(), tree.layers.end(), [this](uint64_t layer) {
    mutex_.AssertHeld();
    return layers_.at(layer).holds > 0;
  });
}

std::optional<TreeCatalog::HeldTree> TreeCatalog::Acquire(const Digest& root) {
  std::optional<HeldTree> held;
  {
    absl::MutexLock lock(&mutex_);
    const auto known = trees_.find(root);
    if (known == trees_.end()) return std::nullopt;
    known->second.last_use = ++uses_;
    const LocalTree& tree = known->second.tree;
    AddHold(tree.layers);
    held = HeldTree{tree, Hold(this, tree.layers)};
  }
  // For the order after a restart. Without it eviction chooses a little worse.
  ::utimensat(AT_FDCWD, PathOf(root).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  return held;
}

TreeCatalog::Hold TreeCatalog::HoldLayers(std::vector<uint64_t> layers) {
  absl::MutexLock lock(&mutex_);
  AddHold(layers);
  return Hold(this, std::move(layers));
}

bool TreeCatalog::Has(const Digest& root) const {
  absl::MutexLock lock(&mutex_);
  return trees_.contains(root);
}

std::vector<Digest> TreeCatalog::Recent(size_t most) const {
  std::vector<std::pair<uint64_t, Digest>> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [root, known] : trees_) all.emplace_back(known.last_use, root);
  }
  most = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + most, all.end(),
                    [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Digest> recent;
  for (size_t i = 0; i < most; ++i) recent.push_back(std::move(all[i].second));
  return recent;
}

std::vector<std::pair<Digest, LocalTree>> TreeCatalog::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<Digest, LocalTree>> all;
  for (const auto& [root, known] : trees_) all.emplace_back(root, known.tree);
  return all;
}

std::vector<TreeCatalog::Layer> TreeCatalog::Layers() const {
  absl::MutexLock lock(&mutex_);
  absl::flat_hash_map<uint64_t, Layer> layers;
  for (const auto& [root, known] : trees_) {
    for (const uint64_t number : known.tree.layers) {
      Layer& layer = layers[number];
      layer.number = number;
      layer.trees.push_back(root);
      layer.last_use = std::max(layer.last_use, known.last_use);
      layer.held = layers_.at(number).holds > 0;
    }
  }
  std::vector<Layer> all;
  for (auto& [number, layer] : layers) all.push_back(std::move(layer));
  return all;
}

uint64_t TreeCatalog::NewLayer() {
  absl::MutexLock lock(&mutex_);
  return next_layer_++;
}

absl::Status TreeCatalog::Publish(const Digest& root, LocalTree tree) {
  Manifest manifest;
  manifest.tree = std::move(tree);
  {
    absl::MutexLock lock(&mutex_);
    manifest.publication = next_publication_++;
    in_progress_.insert(manifest.publication);
  }
  const absl::Status written = WriteSmallFile(PathOf(root), Format(manifest));
  absl::MutexLock lock(&mutex_);
  in_progress_.erase(manifest.publication);
  if (written.ok()) Insert(root, std::move(manifest.tree));
  return written;
}

absl::StatusOr<bool> TreeCatalog::Forget(const Digest& root) {
  {
    absl::MutexLock lock(&mutex_);
    const auto known = trees_.find(root);
    if (known == trees_.end() || IsHeld(known->second.tree)) return false;
    Erase(root);
  }
  // Before its layers go: a manifest without them is dropped at the next start, at worst.
  const std::string path = PathOf(root);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("removing ", path));
  }
  return true;
}

absl::Status TreeCatalog::MakeDurable() {
  uint64_t reached;
  {
    absl::MutexLock lock(&mutex_);
    reached = next_publication_ - 1;
    for (const uint64_t publication : in_progress_) reached = std::min(reached, publication - 1);
  }
  FileDescriptor directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::syncfs(directory.get()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("syncing the filesystem of ", directory_));
  }
  return WriteSmallFile(absl::StrCat(directory_, "/durable"), absl::StrCat(reached, "\n"));
}

absl::StatusOr<std::vector<uint64_t>> TreeCatalog::TrashReleased() {
  std::vector<uint64_t> released;
  {
    absl::MutexLock lock(&mutex_);
    released.swap(released_);
  }
  for (const uint64_t layer : released) {
    const absl::Status taken = trash_->Take(absl::StrCat(directory_, "/", LayerName(layer)));
    // What stays behind is removed at the next start.
    if (!taken.ok()) return taken;
  }
  return released;
}

absl::Status TreeCatalog::RemoveUnusedLayers() {
  const auto names = NamesIn(absl::StrCat(directory_, "/layers"));
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    uint64_t layer;
    if (absl::SimpleAtoi(name, &layer)) {
      absl::MutexLock lock(&mutex_);
      if (layers_.contains(layer)) continue;
    }
    const absl::Status taken = trash_->Take(absl::StrCat(directory_, "/layers/", name));
    if (!taken.ok()) return taken;
  }
  return absl::OkStatus();
}

}  // namespace rally::workspace
