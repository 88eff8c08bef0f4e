#include "rallyctl/fetch/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/blob/cas_client.h"
#include "common/blob/file_digest.h"
#include "common/blob/materialise.h"
#include "common/blob/tree.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/fetch/staging_folder.h"
#include "rallyctl/fetch/target_folder.h"
#include "rallyctl/fetch/tree_selection.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/text.h"
#include "rallyctl/transfer/counting_store.h"
#include "rallyctl/transfer/transfer_meter.h"

namespace rally::rallyctl {
namespace {

// The tree's name while it lies aside.
constexpr char kFetched[] = "tree";

}  // namespace

absl::Status FetchInto(Invocation& invocation, Connection& connection, const Download& download) {
  const absl::Time begin = absl::Now();
  blob::CasClient remote(connection.channel(), connection.StoreOptions());
  CountingStore store(&remote);
  blob::CachingDirectoryReader reader(&store);
  auto selection = TreeSelection::Make(download.tree, &reader, download.paths);
  if (!selection.ok()) return selection.status();
  auto loaded = blob::LoadTree(**selection, (*selection)->root());
  if (!loaded.ok()) return loaded.status();
  int64_t total_bytes = 0;
  const auto files = blob::DistinctFiles(*loaded);
  for (const blob::BlobKey& file : files) total_bytes += file.size_bytes;
  const int64_t total_files = static_cast<int64_t>(files.size());
  const int64_t bytes_before = store.transferred_bytes();

  auto opened = OpenTarget(download.to);
  if (!opened.ok()) return opened.status();
  const int to = opened->get();
  const auto there = [&download](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(download.to, ": ", status.message()));
  };
  // Asked again at the end; here before anybody waits for what can't be put in its place.
  absl::Status status = CheckInstall(**selection, (*selection)->root(), to, download.replace);
  if (!status.ok()) return there(status);
  auto staging = StagingFolder::Make(to, download.to, download.ends_on_interrupt);
  if (!staging.ok()) return staging.status();
  absl::StatusOr<blob::MaterialiseStats> stats = blob::MaterialiseStats();
  {
    TransferMeter meter(&invocation, [&] {
      const int64_t bytes = std::min(store.transferred_bytes() - bytes_before, total_bytes);
      return TransferMeter::Snapshot{
          absl::StrCat("fetched ", BytesText(bytes), " of ", BytesText(total_bytes), " in ",
                       Count(total_files, "file")),
          FetchEvent(bytes, total_bytes, absl::Now())};
    });
    stats = blob::Materialise((*selection)->root(), **selection, store, nullptr, (*staging)->fd(),
                              kFetched);
  }
  if (absl::IsResourceExhausted(stats.status())) {
    return absl::Status(stats.status().code(),
                        absl::StrCat("fetching into ", download.to, ": ", stats.status().message(),
                                     "; nothing was put there. It takes ", BytesText(total_bytes),
                                     ": free some space, or give another folder with --to"));
  }
  if (absl::IsUnavailable(stats.status())) {
    return connection.Unreachable(
        absl::StrCat(stats.status().message(), "; nothing was put in ", download.to));
  }
  if (!stats.ok()) return stats.status();
  (*staging)->BeginInstall();
  const int from =
      openat((*staging)->fd(), kFetched, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0) return blob::ErrnoStatus(errno, "opening what was fetched");
  // The tree's root may have a mode that would keep its entries from being moved.
  fchmod(from, 0700);
  status = InstallTree(from, to, download.replace);
  close(from);
  if (!status.ok()) return there(status);
  const std::string links =
      stats->symlinks == 0 ? "" : absl::StrCat(", ", Count(stats->symlinks, "link"));
  invocation.Say(absl::StrCat("fetched ", Count(stats->files, "file"), links, ", ",
                              BytesText(stats->fetched_bytes), " into ", download.to, " in ",
                              DurationText(absl::Now() - begin)));
  return absl::OkStatus();
}

absl::Status FetchToOutput(Invocation& invocation, Connection& connection, const blob::Digest& tree,
                           const std::string& path) {
  blob::CasClient store(connection.channel(), connection.StoreOptions());
  blob::CachingDirectoryReader reader(&store);
  auto names = SplitWorkspacePath(path);
  if (!names.ok()) return names.status();
  const auto no_file = absl::InvalidArgumentError(
      absl::StrCat(path, " is no file; --to DIR fetches folders and links"));
  if (names->empty()) return no_file;
  // Makes the folders on the way, and says well where a path stops.
  auto selection = TreeSelection::Make(tree, &reader, {path});
  if (!selection.ok()) return selection.status();
  blob::Digest folder = (*selection)->root();
  for (size_t i = 0; i < names->size(); ++i) {
    auto directory = (*selection)->Read(folder);
    if (!directory.ok()) return directory.status();
    const bool last = i + 1 == names->size();
    if (last && (*directory)->files_size() == 1) {
      absl::Status status = store.ReadToFile(blob::DigestOfNode((*directory)->files(0)),
                                             invocation.terminal().RawOut());
      if (status.ok()) return status;
      return absl::Status(status.code(), absl::StrCat("printing ", path, ": ", status.message()));
    }
    if (last || (*directory)->directories_size() != 1) return no_file;
    folder = blob::DigestOfNode((*directory)->directories(0));
  }
  return no_file;
}

}  // namespace rally::rallyctl
