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
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(directory_, "/trees/", name);
    const auto text = ReadSmallFile(path);
    const std::optional<Digest> root = DigestOfName(name);
    std::optional<Manifest> manifest;
    if (text.ok() && root.has_value()) manifest = Parse(*text);
    const bool trusted = manifest.has_value() && (same_boot || manifest->publication <= durable) &&
                         std::all_of(manifest->tree.layers.begin(), manifest->tree.layers.end(),
                                     [&](uint64_t layer) { return present.contains(layer); });
    if (!trusted) {
      ::unlink(path.c_str());
      continue;
    }
    next_publication_ = std::max(next_publication_, manifest->publication + 1);
    trees_[*root] = manifest->tree;
  }
  return WriteSmallFile(absl::StrCat(directory_, "/boot"), absl::StrCat(boot_id, "\n"));
}

std::optional<LocalTree> TreeCatalog::Find(const Digest& root) const {
  absl::MutexLock lock(&mutex_);
  const auto found = trees_.find(root);
  if (found == trees_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::pair<Digest, LocalTree>> TreeCatalog::All() const {
  absl::MutexLock lock(&mutex_);
  return {trees_.begin(), trees_.end()};
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
  const absl::Status written = WriteSmallFile(
      absl::StrCat(directory_, "/trees/", root.hash, "-", root.size_bytes), Format(manifest));
  absl::MutexLock lock(&mutex_);
  in_progress_.erase(manifest.publication);
  if (written.ok()) trees_[root] = std::move(manifest.tree);
  return written;
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

absl::Status TreeCatalog::RemoveUnusedLayers(const absl::flat_hash_set<uint64_t>& used) {
  absl::flat_hash_set<uint64_t> named = used;
  for (const auto& [root, tree] : All()) named.insert(tree.layers.begin(), tree.layers.end());
  const auto names = NamesIn(absl::StrCat(directory_, "/layers"));
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    uint64_t layer;
    if (absl::SimpleAtoi(name, &layer) && named.contains(layer)) continue;
    const absl::Status taken = trash_->Take(absl::StrCat(directory_, "/layers/", name));
    if (!taken.ok()) return taken;
  }
  return absl::OkStatus();
}

}  // namespace rally::workspace
