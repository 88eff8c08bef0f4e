#include "agent/workspace/workspace_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/workspace/attempt_locks.h"
#include "agent/workspace/attempt_mount.h"
#include "agent/workspace/attempt_record.h"
#include "agent/workspace/background_work.h"
#include "agent/workspace/deadline_blob_store.h"
#include "agent/workspace/delta_capture.h"
#include "agent/workspace/delta_upload.h"
#include "agent/workspace/directory_lock.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/lost_blobs.h"
#include "agent/workspace/overlay_mount.h"
#include "agent/workspace/small_file.h"
#include "agent/workspace/trash.h"
#include "agent/workspace/tree_cache.h"
#include "agent/workspace/tree_catalog.h"
#include "agent/workspace/tree_eviction.h"
#include "agent/workspace/tree_upkeep.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/file_digest.h"
#include "common/boot_id.h"
#include "common/file_descriptor.h"
#include "glog/logging.h"

namespace rally::workspace {
namespace {

using ::rally::blob::Digest;

constexpr absl::Duration kMountDeadline = absl::Minutes(10);
// How long dying processes may keep a workspace busy.
constexpr absl::Duration kUnmountPatience = absl::Seconds(10);
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

class OverlayWorkspaceStore : public WorkspaceStore {
 public:
  OverlayWorkspaceStore(const Options& options, FileDescriptor lock, OverlayFeatures features,
                        std::string boot_id, blob::BlobStore* remote)
      : directory_(options.directory),
        lock_(std::move(lock)),
        max_layers_(static_cast<size_t>(std::max(options.max_layers, 1))),
        budget_(options.budget),
        boot_id_(std::move(boot_id)),
        remote_(remote),
        trash_(absl::StrCat(directory_, "/trash")),
        attempts_(directory_, features, &trash_),
        messages_(absl::StrCat(directory_, "/directories"), remote,
                  [this](std::function<void()> work) { return background_->Add(std::move(work)); }),
        reader_(&messages_) {}

  ~OverlayWorkspaceStore() override {
    // Its work may add more of it.
    background_->WaitUntilIdle();
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
  absl::StatusOr<CaptureResult> Capture(const std::string& attempt,
                                        const runtime::CallLimits& limits) override;
  absl::StatusOr<std::vector<Digest>> FindLost(const Digest& root, absl::Time deadline) override {
    DeadlineBlobStore remote(remote_, deadline);
    return FindLostBlobs(root, messages_, *cache_, remote);
  }
  std::vector<Digest> SendAgain(absl::Span<const Digest> blobs, absl::Time deadline) override {
    DeadlineBlobStore remote(remote_, deadline);
    return SendBlobsAgain(blobs, messages_, *cache_, remote);
  }
  absl::Status Discard(const std::string& attempt) override;
  std::vector<std::string> Attempts() const override { return attempts_.All(); }
  bool HasTree(const Digest& root) const override { return catalog_->Has(root); }
  void KeepBudget(int64_t wanted_bytes) override { upkeep_->MakeRoom(wanted_bytes); }
  void FinishBackgroundWork() override { background_->WaitUntilIdle(); }

 private:
  absl::StatusOr<TreeCatalog::HeldTree> EnsureMountable(const Digest& root, absl::Time deadline);
  // True if there is nothing left to do for Mount.
  absl::StatusOr<bool> IsMountedAlready(const std::string& attempt, const AttemptRecord& wanted);
  absl::StatusOr<CaptureResult> CaptureUpper(const std::string& attempt,
                                             const AttemptRecord& record,
                                             const runtime::CallLimits& limits);
  absl::Status Adopt(const std::string& upper_path, int upper, const CapturedDelta& delta,
                     const CapturedFiles& files, LocalTree input, int64_t entries);
  void HoldFor(const std::string& attempt, TreeCatalog::Hold hold);

  const std::string directory_;
  const FileDescriptor lock_;
  const size_t max_layers_;
  const TreeBudget budget_;
  const std::string boot_id_;
  blob::BlobStore* const remote_;
  Trash trash_;
  AttemptMounts attempts_;
  DirectoryMessages messages_;
  blob::CachingDirectoryReader reader_;
  LocalFiles local_files_;
  std::unique_ptr<TreeCatalog> catalog_;
  std::unique_ptr<TreeEviction> eviction_;
  std::unique_ptr<TreeCache> cache_;
  std::unique_ptr<TreeUpkeep> upkeep_;
  AttemptLocks attempt_locks_;

  absl::Mutex mutex_;
  // The layers of attempts that are, or may be, mounted.
  absl::flat_hash_map<std::string, TreeCatalog::Hold> holds_ ABSL_GUARDED_BY(mutex_);
  // Last, so that its work ends while all that it uses exists.
  std::unique_ptr<BackgroundWork> background_ = std::make_unique<BackgroundWork>();
};

absl::Status OverlayWorkspaceStore::Recover() {
  absl::Status status = attempts_.Recover();
  if (!status.ok()) return status;
  // A tree that was being built when the agent died.
  const std::string staging = absl::StrCat(directory_, "/staging");
  status = trash_.Take(staging);
  if (status.ok()) status = MakeDirectory(staging);
  if (!status.ok()) return status;
  auto catalog = TreeCatalog::Open(directory_, boot_id_, &trash_);
  if (!catalog.ok()) return catalog.status();
  catalog_ = *std::move(catalog);
  for (const std::string& attempt : Attempts()) {
    auto record = ReadAttemptRecord(attempts_.AttemptDirectory(attempt));
    if (record.ok()) HoldFor(attempt, catalog_->HoldLayers(std::move(record->layers)));
  }
  status = catalog_->RemoveUnusedLayers();
  if (!status.ok()) return status;
  eviction_ = std::make_unique<TreeEviction>(directory_, budget_, catalog_.get(), &local_files_,
                                             &messages_, &trash_);
  TreeCache::Parts parts;
  parts.catalog = catalog_.get();
  parts.local_files = &local_files_;
  parts.messages = &messages_;
  parts.reader = &reader_;
  parts.remote = remote_;
  parts.trash = &trash_;
  parts.make_room = [this](int64_t bytes) { return eviction_->MakeRoom(bytes); };
  parts.later = [this](std::function<void()> work) { background_->Add(std::move(work)); };
  cache_ = std::make_unique<TreeCache>(directory_, std::move(parts));
  TreeUpkeep::Parts upkeep;
  upkeep.background = background_.get();
  upkeep.catalog = catalog_.get();
  upkeep.cache = cache_.get();
  upkeep.eviction = eviction_.get();
  upkeep.messages = &messages_;
  upkeep.reader = &reader_;
  upkeep.max_layers = max_layers_;
  upkeep_ = std::make_unique<TreeUpkeep>(upkeep);
  background_->Add([this] { cache_->FindLocalFiles(); });  // The first fetch waits for it.
  background_->LowerPriority();
  upkeep_->MakeRoom();
  return absl::OkStatus();
}

absl::StatusOr<std::string> OverlayWorkspaceStore::CreateMountPoint(const std::string& attempt) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  return attempts_.CreateMountPoint(attempt);
}

absl::Status OverlayWorkspaceStore::EnsureTree(const Digest& root, absl::Time deadline) {
  return EnsureMountable(root, deadline).status();
}

absl::StatusOr<TreeCatalog::HeldTree> OverlayWorkspaceStore::EnsureMountable(const Digest& root,
                                                                             absl::Time deadline) {
  const bool was_here = catalog_->Has(root);
  auto held = cache_->Ensure(root, deadline);
  if (!held.ok()) return held.status();
  if (!was_here) {
    upkeep_->MakeDurable();
    upkeep_->MakeRoom();
    upkeep_->FlattenIfDeep(root, held->tree);
  }
  if (held->tree.layers.size() <= kMaxStackedLayers) return held;
  // Flattening in the background didn't keep up.
  const absl::Status flattened = cache_->Flatten(root, deadline);
  if (!flattened.ok()) return flattened;
  return cache_->Ensure(root, deadline);
}

absl::StatusOr<bool> OverlayWorkspaceStore::IsMountedAlready(const std::string& attempt,
                                                             const AttemptRecord& wanted) {
  const std::string directory = attempts_.AttemptDirectory(attempt);
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
  const auto mounted = WhatIsMounted(attempts_.MountPoint(attempt));
  if (!mounted.ok()) return mounted.status();
  if (*mounted == MountedHere::kOverlay) return true;
  // An earlier call got as far as the record. If a step ran since, its changes are not ours to
  // lose.
  const auto untouched = IsEmptyDirectory(attempts_.Upper(attempt));
  if (untouched.ok() && !*untouched) {
    return absl::FailedPreconditionError(
        absl::StrCat("attempt ", attempt,
                     " has changes in a workspace that is no longer mounted; capture or "
                     "discard it"));
  }
  return false;
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
  record.layers = tree->tree.layers;
  HoldFor(attempt, std::move(tree->hold));
  absl::Status status = attempts_.CreateMountPoint(attempt).status();
  if (status.ok()) status = attempts_.Mount(attempt, record);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("mounting the workspace of attempt ", attempt,
                                                    ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkspaceStore::CaptureResult> OverlayWorkspaceStore::Capture(
    const std::string& attempt, const runtime::CallLimits& limits) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  const std::string directory = attempts_.AttemptDirectory(attempt);
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

  const auto mounted = WhatIsMounted(attempts_.MountPoint(attempt));
  if (!mounted.ok()) return mounted.status();
  if (*mounted == MountedHere::kOverlay) {
    const absl::Status unmounted = Unmount(
        attempts_.MountPoint(attempt), std::min(limits.deadline, absl::Now() + kUnmountPatience));
    if (!unmounted.ok()) return unmounted;
  }

  return CaptureUpper(attempt, *record, limits);
}

absl::StatusOr<WorkspaceStore::CaptureResult> OverlayWorkspaceStore::CaptureUpper(
    const std::string& attempt, const AttemptRecord& record, const runtime::CallLimits& limits) {
  const std::string upper_path = attempts_.Upper(attempt);
  FileDescriptor upper(::open(upper_path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!upper.valid()) return blob::ErrnoStatus(errno, absl::StrCat("opening ", upper_path));
  auto contents = ReadUpper(upper.get(), {}, limits);
  if (!contents.ok()) return contents.status();
  DeadlineBlobStore remote(remote_, limits);
  DeltaUpload upload(upper.get(), contents->files, remote);
  auto delta = CaptureDelta(*contents, record.input_root, reader_);
  if (!delta.ok()) return delta.status();
  const DeltaCounts& counts = delta->counts;
  // The catalog may have flattened the tree meanwhile; it is the same tree.
  const auto held = catalog_->Acquire(record.input_root);
  LocalTree input = held.has_value() ? held->tree : LocalTree{record.layers, /*entries=*/0};
  const int64_t entries = input.entries + counts.added - counts.removed;
  if (entries > blob::kMaxTreeEntries) {
    return absl::ResourceExhaustedError(absl::StrCat("the workspace has ", entries,
                                                     " entries after the step, more than ",
                                                     blob::kMaxTreeEntries));
  }
  const auto uploaded_bytes = upload.Finish(delta->directories);
  if (!uploaded_bytes.ok()) return uploaded_bytes.status();

  CaptureResult result{delta->root,    counts.added,    counts.changed,
                       counts.removed, *uploaded_bytes, std::move(delta->warnings)};
  // From here on a repeated call answers from this file; everything below only saves work later.
  absl::Status status = WriteCaptureResult(attempts_.AttemptDirectory(attempt), result);
  if (!status.ok()) return status;
  if (delta->root != record.input_root) {
    upkeep_->KeepMessages(std::move(delta->directories));
    status = Adopt(upper_path, upper.get(), *delta, contents->files, std::move(input), entries);
    LOG_IF(WARNING, !status.ok()) << "attempt=" << attempt
                                  << " its tree will be fetched when it is needed here: " << status;
  }
  return result;
}

absl::Status OverlayWorkspaceStore::Adopt(const std::string& upper_path, int upper,
                                          const CapturedDelta& delta, const CapturedFiles& files,
                                          LocalTree input, int64_t entries) {
  absl::Status status = RemoveDifferences(upper, delta.differences);
  if (!status.ok()) return status;
  status = cache_->Adopt(delta.root, upper_path, std::move(input), entries, files);
  if (!status.ok()) return status;
  const auto held = catalog_->Acquire(delta.root);
  if (held.has_value()) upkeep_->FlattenIfDeep(delta.root, held->tree);
  upkeep_->MakeDurable();
  upkeep_->MakeRoom();
  return absl::OkStatus();
}

void OverlayWorkspaceStore::HoldFor(const std::string& attempt, TreeCatalog::Hold hold) {
  absl::MutexLock lock(&mutex_);
  std::swap(holds_[attempt], hold);
}

absl::Status OverlayWorkspaceStore::Discard(const std::string& attempt) {
  const absl::Status valid = ValidateAttempt(attempt);
  if (!valid.ok()) return valid;
  const AttemptLocks::Hold hold(attempt_locks_, attempt);
  const absl::Status status = attempts_.Remove(attempt);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("discarding the workspace of attempt ", attempt,
                                                    ": ", status.message()));
  }
  TreeCatalog::Hold released;
  {
    absl::MutexLock lock(&mutex_);
    const auto hold = holds_.find(attempt);
    if (hold != holds_.end()) {
      released = std::move(hold->second);
      holds_.erase(hold);
    }
  }
  upkeep_->EmptyTrash();
  return absl::OkStatus();
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
  auto lock = LockDirectory(options.directory);
  if (!lock.ok()) return lock.status();
  // Recover removes what a crash in here leaves.
  const std::string staging = absl::StrCat(options.directory, "/staging");
  const absl::Status staged = MakeDirectory(staging);
  if (!staged.ok()) return staged;
  const auto features = ProbeOverlay(staging);
  if (!features.ok()) return features.status();
  auto boot_id = ReadBootId();
  if (!boot_id.ok()) return boot_id.status();
  auto store = std::make_unique<OverlayWorkspaceStore>(options, *std::move(lock), *features,
                                                       *std::move(boot_id), remote);
  const absl::Status recovered = store->Recover();
  if (!recovered.ok()) {
    return absl::Status(
        recovered.code(),
        absl::StrCat("opening the workspaces in ", options.directory, ": ", recovered.message()));
  }
  return store;
}

}  // namespace rally::workspace
