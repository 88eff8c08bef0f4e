#include "agent/workspace/workspace_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/workspace/attempt_locks.h"
#include "agent/workspace/attempt_record.h"
#include "agent/workspace/background_work.h"
#include "agent/workspace/deadline_blob_store.h"
#include "agent/workspace/delta_capture.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/file_descriptor.h"
#include "agent/workspace/idmapped_view.h"
#include "agent/workspace/open_beneath.h"
#include "agent/workspace/overlay_mount.h"
#include "agent/workspace/small_file.h"
#include "agent/workspace/trash.h"
#include "agent/workspace/tree_cache.h"
#include "agent/workspace/tree_catalog.h"
#include "common/blob/delta.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/file_digest.h"
#include "glog/logging.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

constexpr absl::Duration kMountDeadline = absl::Minutes(10);
constexpr absl::Duration kFlattenDeadline = absl::Minutes(10);
// How long dying processes may keep a workspace busy.
constexpr absl::Duration kUnmountPatience = absl::Seconds(10);
// Syncing writes all that the host has dirty on this filesystem, so not after every step.
constexpr absl::Duration kDurableEvery = absl::Minutes(5);
// overlayfs takes 500; far fewer fit into a page of mount options.
constexpr size_t kMaxStackedLayers = 200;
constexpr size_t kMaxAttemptNameBytes = 128;

// Attempt names become file names below the store's directory.
absl::Status ValidateAttempt(const std::string& attempt) {
  const bool plain = std::all_of(attempt.begin(), attempt.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  if (attempt.empty() || attempt.size() > kMaxAttemptNameBytes || !plain || attempt[0] == '.') {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::CHexEscape(attempt), "' can't be the name of an attempt"));
  }
  return absl::OkStatus();
}

absl::Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return blob::ErrnoStatus(errno, absl::StrCat("creating ", path));
}

absl::Status RemoveEmptyDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return blob::ErrnoStatus(errno, absl::StrCat("removing ", path));
}

absl::StatusOr<std::string> BootId() {
  FileDescriptor file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  char id[64];
  const ssize_t length = file.valid() ? ::read(file.get(), id, sizeof(id)) : -1;
  if (length <= 0) return absl::ErrnoToStatus(errno, "reading the host's boot id");
  return std::string(absl::StripAsciiWhitespace(absl::string_view(id, length)));
}

class OverlayWorkspaceStore : public WorkspaceStore {
 public:
  OverlayWorkspaceStore(std::string directory, int max_layers, OverlayFeatures features,
                        std::string boot_id, blob::BlobStore* remote)
      : directory_(std::move(directory)),
        max_layers_(static_cast<size_t>(std::max(max_layers, 1))),
        features_(features),
        boot_id_(std::move(boot_id)),
        remote_(remote),
        trash_(absl::StrCat(directory_, "/trash")),
        messages_(absl::StrCat(directory_, "/directories"), remote),
        reader_(&messages_) {}

  ~OverlayWorkspaceStore() override {
    background_.reset();
    if (catalog_ == nullptr) return;
    const absl::Status durable = catalog_->MakeDurable();
    LOG_IF(WARNING, !durable.ok())
        << "workspace trees will be fetched again after a reboot: " << durable;
  }

  absl::Status Recover();

  absl::StatusOr<std::string> CreateMountPoint(const std::string& attempt) override;
  absl::Status EnsureTree(const Digest& root, absl::Time deadline) override;
  absl::Status Mount(const std::string& attempt, const Digest& root, uint32_t uid,
                     uint32_t gid) override;
  absl::StatusOr<CaptureResult> Capture(const std::string& attempt, absl::Time deadline) override;
  absl::Status Discard(const std::string& attempt) override;
  std::vector<std::string> Attempts() const override;
  bool HasTree(const Digest& root) const override { return catalog_->Has(root); }
  void FinishBackgroundWork() override { background_->WaitUntilIdle(); }

 private:
  std::string MountPoint(const std::string& attempt) const {
    return absl::StrCat(directory_, "/mounts/", attempt);
  }
  // Relative to the store's directory.
  static std::string AttemptName(const std::string& attempt) {
    return absl::StrCat("attempts/", attempt);
  }
  std::string AttemptDirectory(const std::string& attempt) const {
    return absl::StrCat(directory_, "/", AttemptName(attempt));
  }
  std::string View(const std::string& attempt) const {
    return absl::StrCat(directory_, "/views/", attempt);
  }

  absl::StatusOr<std::string> CreateMountPointHeld(const std::string& attempt);
  absl::StatusOr<LocalTree> EnsureMountable(const Digest& root, absl::Time deadline);
  // True if there is nothing left to do for Mount.
  absl::StatusOr<bool> IsMountedAlready(const std::string& attempt, const AttemptRecord& wanted);
  absl::Status PrepareUpper(const std::string& attempt, const AttemptRecord& record);
  absl::Status MountLayers(const std::string& attempt, const AttemptRecord& record);
  absl::Status Count(const CapturedDelta& delta, const Digest& input_root, int64_t input_entries,
                     CaptureResult& result, int64_t& entries);
  absl::StatusOr<int64_t> Upload(int upper, const CapturedDelta& delta, absl::Time deadline);
  absl::Status Adopt(const std::string& upper_path, int upper, const CapturedDelta& delta,
                     LocalTree input, int64_t entries);
  void EmptyTrashLater();
  void FlattenLater(const Digest& root);
  void MakeDurableLater();

  const std::string directory_;
  const size_t max_layers_;
  const OverlayFeatures features_;
  const std::string boot_id_;
  blob::BlobStore* const remote_;
  Trash trash_;
  DirectoryMessages messages_;
  blob::CachingDirectoryReader reader_;
  std::unique_ptr<TreeCatalog> catalog_;
  std::unique_ptr<TreeCache> cache_;
  AttemptLocks attempt_locks_;

  absl::Mutex mutex_;
  absl::Time last_durable_ ABSL_GUARDED_BY(mutex_) = absl::Now();
  // Last, so that its work ends while all that it uses exists.
  std::unique_ptr<BackgroundWork> background_ = std::make_unique<BackgroundWork>();
};

absl::Status OverlayWorkspaceStore::Recover() {
  for (const char* name : {"/mounts", "/attempts", "/views"}) {
    const absl::Status made = MakeDirectory(absl::StrCat(directory_, name));
    if (!made.ok()) return made;
  }
  // A tree that was being built when the agent died, and a view that was being mounted.
  const std::string staging = absl::StrCat(directory_, "/staging");
  absl::Status status = trash_.Take(staging);
  if (status.ok()) status = MakeDirectory(staging);
  if (!status.ok()) return status;
  const auto views = NamesIn(absl::StrCat(directory_, "/views"));
  if (!views.ok()) return views.status();
  for (const std::string& view : *views) {
    status = DetachAll(View(view));
    if (status.ok()) status = RemoveEmptyDirectory(View(view));
    if (!status.ok()) return status;
  }
  auto catalog = TreeCatalog::Open(directory_, boot_id_, &trash_);
  if (!catalog.ok()) return catalog.status();
  catalog_ = *std::move(catalog);
  absl::flat_hash_set<uint64_t> used;
  for (const std::string& attempt : Attempts()) {
    const auto record = ReadAttemptRecord(AttemptDirectory(attempt));
    if (record.ok()) used.insert(record->layers.begin(), record->layers.end());
  }
  status = catalog_->RemoveUnusedLayers(used);
  if (!status.ok()) return status;
  cache_ = std::make_unique<TreeCache>(directory_, catalog_.get(), &messages_, &reader_, remote_,
                                       &trash_);
  background_->Add([this] { cache_->FindLocalFiles(); });
  EmptyTrashLater();
  return absl::OkStatus();
}

absl::StatusOr<std::string> OverlayWorkspaceStore::CreateMountPoint(const std::string& attempt) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  return CreateMountPointHeld(attempt);
}

absl::StatusOr<std::string> OverlayWorkspaceStore::CreateMountPointHeld(
    const std::string& attempt) {
  const std::string path = MountPoint(attempt);
  absl::Status status = MakeDirectory(path);
  if (status.ok()) status = BindShared(path);
  if (!status.ok()) return status;
  return path;
}

absl::Status OverlayWorkspaceStore::EnsureTree(const Digest& root, absl::Time deadline) {
  return EnsureMountable(root, deadline).status();
}

absl::StatusOr<LocalTree> OverlayWorkspaceStore::EnsureMountable(const Digest& root,
                                                                 absl::Time deadline) {
  auto tree = cache_->Ensure(root, deadline);
  if (!tree.ok()) return tree.status();
  MakeDurableLater();
  if (tree->layers.size() <= kMaxStackedLayers) return tree;
  // Flattening in the background didn't keep up.
  const absl::Status flattened = cache_->Flatten(root, deadline);
  if (!flattened.ok()) return flattened;
  return cache_->Ensure(root, deadline);
}

absl::StatusOr<bool> OverlayWorkspaceStore::IsMountedAlready(const std::string& attempt,
                                                             const AttemptRecord& wanted) {
  const std::string directory = AttemptDirectory(attempt);
  const auto record = ReadAttemptRecord(directory);
  if (absl::IsNotFound(record.status())) return false;
  if (!record.ok()) return record.status();
  if (record->input_root != wanted.input_root || record->uid != wanted.uid ||
      record->gid != wanted.gid) {
    return absl::AlreadyExistsError(absl::StrCat("attempt ", attempt, " has the workspace ",
                                                 record->input_root.ToString(), " for user ",
                                                 record->uid, " already"));
  }
  if (ReadCaptureResult(directory).ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the workspace of attempt ", attempt, " was captured already"));
  }
  const auto mounted = WhatIsMounted(MountPoint(attempt));
  if (!mounted.ok()) return mounted.status();
  if (*mounted == MountedHere::kOverlay) return true;
  // An earlier call got as far as the record. If a step ran since, its changes are not ours to
  // lose.
  const auto untouched = IsEmptyDirectory(absl::StrCat(directory, "/upper"));
  if (untouched.ok() && !*untouched) {
    return absl::FailedPreconditionError(
        absl::StrCat("attempt ", attempt,
                     " has changes in a workspace that is no longer mounted; capture or "
                     "discard it"));
  }
  return false;
}

absl::Status OverlayWorkspaceStore::PrepareUpper(const std::string& attempt,
                                                 const AttemptRecord& record) {
  const std::string directory = AttemptDirectory(attempt);
  absl::Status status = trash_.Take(directory);
  for (const char* name : {"", "/upper", "/work"}) {
    if (status.ok()) status = MakeDirectory(absl::StrCat(directory, name));
  }
  if (!status.ok()) return status;
  // The upper's root is what the step sees as the workspace itself.
  const std::string lower =
      absl::StrCat(directory_, "/", TreeCatalog::LayerName(record.layers.front()));
  const std::string upper = absl::StrCat(directory, "/upper");
  struct stat stat;
  if (::stat(lower.c_str(), &stat) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("stat ", lower));
  }
  const timespec times[] = {{0, UTIME_OMIT}, stat.st_mtim};
  if (::chmod(upper.c_str(), stat.st_mode & blob::kModeMask) != 0 ||
      ::utimensat(AT_FDCWD, upper.c_str(), times, 0) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("preparing ", upper));
  }
  return WriteAttemptRecord(directory, record);
}

absl::Status OverlayWorkspaceStore::MountLayers(const std::string& attempt,
                                                const AttemptRecord& record) {
  OverlayLayers layers;
  layers.directory = directory_;
  for (const uint64_t layer : record.layers) {
    layers.lowers.push_back(TreeCatalog::LayerName(layer));
  }
  layers.upper = absl::StrCat(AttemptName(attempt), "/upper");
  layers.work = absl::StrCat(AttemptName(attempt), "/work");
  const std::string mount_point = MountPoint(attempt);
  if (record.uid == 0 && record.gid == 0) return MountOverlay(features_, layers, mount_point);

  // All layers in one mapped view: upper and work must be on the same mount. The overlay keeps its
  // own clones, so the view goes away again.
  layers.directory = View(attempt);
  absl::Status status = MakeDirectory(layers.directory);
  if (!status.ok()) return status;
  const auto remove_view = absl::MakeCleanup([&layers] {
    // Should this fail, the next start of the agent or Discard does it.
    DetachAll(layers.directory).IgnoreError();
    RemoveEmptyDirectory(layers.directory).IgnoreError();
  });
  status = MountSwappedView(directory_, layers.directory, record.uid, record.gid);
  if (!status.ok()) return status;
  return MountOverlay(features_, layers, mount_point);
}

absl::Status OverlayWorkspaceStore::Mount(const std::string& attempt, const Digest& root,
                                          uint32_t uid, uint32_t gid) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  AttemptRecord record{root, uid, gid, boot_id_, {}};
  const auto mounted = IsMountedAlready(attempt, record);
  if (!mounted.ok()) return mounted.status();
  if (*mounted) return absl::OkStatus();
  auto tree = EnsureMountable(root, absl::Now() + kMountDeadline);
  if (!tree.ok()) return tree.status();
  record.layers = tree->layers;
  absl::Status status = CreateMountPointHeld(attempt).status();
  if (status.ok()) status = PrepareUpper(attempt, record);
  if (status.ok()) status = MountLayers(attempt, record);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("mounting the workspace of attempt ", attempt,
                                                    ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkspaceStore::CaptureResult> OverlayWorkspaceStore::Capture(
    const std::string& attempt, absl::Time deadline) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  const std::string directory = AttemptDirectory(attempt);
  const auto record = ReadAttemptRecord(directory);
  if (absl::IsNotFound(record.status())) {
    return absl::NotFoundError(absl::StrCat("attempt ", attempt, " has no workspace here"));
  }
  if (!record.ok()) return record.status();
  if (record->boot_id != boot_id_) {
    return absl::FailedPreconditionError(
        absl::StrCat("the host was restarted since attempt ", attempt,
                     " got its workspace, and what the step wrote may be incomplete; discard it"));
  }
  auto earlier = ReadCaptureResult(directory);
  if (!absl::IsNotFound(earlier.status())) return earlier;

  const auto mounted = WhatIsMounted(MountPoint(attempt));
  if (!mounted.ok()) return mounted.status();
  if (*mounted == MountedHere::kOverlay) {
    const absl::Status unmounted =
        Unmount(MountPoint(attempt), std::min(deadline, absl::Now() + kUnmountPatience));
    if (!unmounted.ok()) return unmounted;
  }

  const std::string upper_path = absl::StrCat(directory, "/upper");
  FileDescriptor upper(::open(upper_path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!upper.valid()) return blob::ErrnoStatus(errno, absl::StrCat("opening ", upper_path));
  auto delta = CaptureDelta(upper.get(), record->input_root, reader_);
  if (!delta.ok()) return delta.status();

  CaptureResult result;
  result.output_root = delta->root;
  result.warnings = delta->warnings;
  // The catalog may have flattened the tree meanwhile; it is the same tree.
  std::optional<LocalTree> input = catalog_->Find(record->input_root);
  if (!input.has_value()) input = LocalTree{record->layers, 0};
  int64_t entries = 0;
  absl::Status status = Count(*delta, record->input_root, input->entries, result, entries);
  if (!status.ok()) return status;
  const auto uploaded = Upload(upper.get(), *delta, deadline);
  if (!uploaded.ok()) return uploaded.status();
  result.uploaded_bytes = *uploaded;
  // From here on a repeated call answers from this file; everything below only saves work later.
  status = WriteCaptureResult(directory, result);
  if (!status.ok()) return status;

  if (delta->root != record->input_root) {
    status = Adopt(upper_path, upper.get(), *delta, *std::move(input), entries);
    LOG_IF(WARNING, !status.ok()) << "attempt=" << attempt
                                  << " its tree will be fetched when it is needed here: " << status;
  }
  return result;
}

absl::Status OverlayWorkspaceStore::Count(const CapturedDelta& delta, const Digest& input_root,
                                          int64_t input_entries, CaptureResult& result,
                                          int64_t& entries) {
  // Kept now, since comparing reads them; on their own they are only blobs.
  const absl::Status kept = messages_.Keep(delta.directories);
  if (!kept.ok()) return kept;
  if (delta.root == input_root) return absl::OkStatus();
  const auto changes = blob::Diff(reader_, input_root, delta.root);
  if (!changes.ok()) return changes.status();
  for (const blob::DeltaEntry& change : *changes) {
    switch (change.kind) {
      case blob::DeltaEntry::Kind::kAdded:
        ++result.added;
        break;
      case blob::DeltaEntry::Kind::kChanged:
        ++result.changed;
        break;
      case blob::DeltaEntry::Kind::kRemoved:
        ++result.removed;
        break;
    }
  }
  entries = input_entries + result.added - result.removed;
  if (entries > blob::kMaxTreeEntries) {
    return absl::ResourceExhaustedError(absl::StrCat("the workspace has ", entries,
                                                     " entries after the step, more than ",
                                                     blob::kMaxTreeEntries));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> OverlayWorkspaceStore::Upload(int upper, const CapturedDelta& delta,
                                                      absl::Time deadline) {
  absl::flat_hash_map<Digest, const std::string*> paths;
  std::vector<Digest> wanted;
  for (const auto& [digest, path] : delta.files) {
    if (paths.emplace(digest, &path).second) wanted.push_back(digest);
  }
  for (const auto& [digest, bytes] : delta.directories) wanted.push_back(digest);
  if (wanted.empty()) return 0;
  DeadlineBlobStore remote(remote_, deadline);
  const auto missing = remote.FindMissing(wanted);
  if (!missing.ok()) return missing.status();
  int64_t uploaded_bytes = 0;
  std::vector<blob::BlobUpload> files;
  std::vector<blob::BlobUpload> directories;
  for (const Digest& digest : *missing) {
    uploaded_bytes += digest.size_bytes;
    const auto message = delta.directories.find(digest);
    if (message != delta.directories.end()) {
      directories.push_back({digest, message->second});
      continue;
    }
    const std::string& path = *paths.at(digest);
    files.push_back({digest, [upper, path]() -> absl::StatusOr<int> {
                       auto file = OpenBeneath(upper, path, O_RDONLY | O_NONBLOCK);
                       if (!file.ok()) return file.status();
                       return file->Release();
                     }});
  }
  // Files first, so that a directory that is there has its files.
  absl::Status status = files.empty() ? absl::OkStatus() : remote.Upload(std::move(files));
  if (status.ok() && !directories.empty()) status = remote.Upload(std::move(directories));
  if (!status.ok()) return status;
  return uploaded_bytes;
}

absl::Status OverlayWorkspaceStore::Adopt(const std::string& upper_path, int upper,
                                          const CapturedDelta& delta, LocalTree input,
                                          int64_t entries) {
  absl::Status status = RemoveDifferences(upper, delta.differences);
  if (!status.ok()) return status;
  status = cache_->Adopt(delta.root, upper_path, std::move(input), entries, delta.files);
  if (!status.ok()) return status;
  const auto tree = catalog_->Find(delta.root);
  if (tree.has_value() && tree->layers.size() > max_layers_) FlattenLater(delta.root);
  MakeDurableLater();
  return absl::OkStatus();
}

absl::Status OverlayWorkspaceStore::Discard(const std::string& attempt) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  absl::Status status;
  for (const std::string& mounted : {MountPoint(attempt), View(attempt)}) {
    if (status.ok()) status = DetachAll(mounted);
    if (status.ok()) status = RemoveEmptyDirectory(mounted);
  }
  if (status.ok()) status = trash_.Take(AttemptDirectory(attempt));
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("discarding the workspace of attempt ", attempt,
                                                    ": ", status.message()));
  }
  EmptyTrashLater();
  return absl::OkStatus();
}

std::vector<std::string> OverlayWorkspaceStore::Attempts() const {
  std::vector<std::string> attempts;
  for (const char* name : {"/attempts", "/mounts"}) {
    const auto names = NamesIn(absl::StrCat(directory_, name));
    if (!names.ok()) continue;
    attempts.insert(attempts.end(), names->begin(), names->end());
  }
  std::sort(attempts.begin(), attempts.end());
  attempts.erase(std::unique(attempts.begin(), attempts.end()), attempts.end());
  return attempts;
}

void OverlayWorkspaceStore::EmptyTrashLater() {
  // When the queue is full, something in it empties the trash, or the next Discard does.
  background_->Add([this] {
    const absl::Status status = trash_.Empty();
    LOG_IF(WARNING, !status.ok()) << "removing old workspaces: " << status;
  });
}

void OverlayWorkspaceStore::FlattenLater(const Digest& root) {
  background_->Add([this, root] {
    const absl::Status status = cache_->Flatten(root, absl::Now() + kFlattenDeadline);
    LOG_IF(WARNING, !status.ok()) << "flattening the tree " << root << ": " << status;
  });
}

void OverlayWorkspaceStore::MakeDurableLater() {
  {
    absl::MutexLock lock(&mutex_);
    if (absl::Now() - last_durable_ < kDurableEvery) return;
    last_durable_ = absl::Now();
  }
  background_->Add([this] {
    const absl::Status status = catalog_->MakeDurable();
    LOG_IF(WARNING, !status.ok()) << "workspace trees will be fetched again after a reboot: "
                                  << status;
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkspaceStore>> WorkspaceStore::Open(const Options& options,
                                                                     blob::BlobStore* remote) {
  if (options.directory.empty() || options.directory[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "the directory of the workspaces, '", options.directory, "', must be an absolute path"));
  }
  const absl::Status made = MakeDirectory(options.directory);
  if (!made.ok()) return made;
  // Trees may hold setuid binaries and other people's secrets: only root may look.
  if (::chmod(options.directory.c_str(), 0700) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("chmod ", options.directory));
  }
  const auto features = ProbeOverlay(options.directory);
  if (!features.ok()) return features.status();
  auto boot_id = BootId();
  if (!boot_id.ok()) return boot_id.status();
  auto store = std::make_unique<OverlayWorkspaceStore>(options.directory, options.max_layers,
                                                       *features, *std::move(boot_id), remote);
  const absl::Status recovered = store->Recover();
  if (!recovered.ok()) {
    return absl::Status(
        recovered.code(),
        absl::StrCat("opening the workspaces in ", options.directory, ": ", recovered.message()));
  }
  return store;
}

}  // namespace rally::workspace
