#include "rallyctl/fetch/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/blob/cas_client.h"
#include "common/blob/file_digest.h"
#include "common/blob/materialise.h"
#include "common/blob/tree.h"
#include "rallyctl/fetch/counting_store.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/fetch/tree_selection.h"
#include "rallyctl/render/text.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {

absl::Status FetchInto(Invocation& invocation, Connection& connection, const Download& download) {
  const absl::Time begin = absl::Now();
  Terminal& terminal = invocation.terminal();
  blob::CasClient remote(connection.channel(), {});
  // Of the files, once it is known how many bytes they have.
  std::atomic<int64_t> total_bytes{-1}, bytes_before{0};
  CountingStore store(&remote, [&](int64_t bytes) {
    if (total_bytes < 0) bytes_before = bytes;
    if (invocation.progress() != ProgressMode::kTty || total_bytes < 0) return;
    terminal.SetBlock({absl::StrCat("fetched ", BytesText(bytes - bytes_before), " of ",
                                    BytesText(total_bytes))});
    terminal.Flush();
  });
  blob::CachingDirectoryReader reader(&store);
  auto selection = TreeSelection::Make(download.tree, &reader, download.paths);
  if (!selection.ok()) return selection.status();
  auto loaded = blob::LoadTree(**selection, (*selection)->root());
  if (!loaded.ok()) return loaded.status();
  int64_t content_bytes = 0;
  for (const blob::Digest& file : loaded->files) content_bytes += file.size_bytes;
  total_bytes = content_bytes;

  if (mkdir(download.to.c_str(), 0777) != 0 && errno != EEXIST) {
    return blob::ErrnoStatus(errno, absl::StrCat("making the folder ", download.to));
  }
  const int to = open(download.to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (to < 0) return blob::ErrnoStatus(errno, absl::StrCat("opening the folder ", download.to));
  // Beside its place, so that what is incomplete is never taken for the result.
  const std::string staging = absl::StrCat(".rally-fetch-", RandomKey().substr(0, 12));
  auto clean_up = absl::MakeCleanup([to, &staging] {
    RemoveTree(to, staging.c_str()).IgnoreError();  // Nothing better can be done with its error.
    close(to);
  });
  auto stats = blob::Materialise((*selection)->root(), **selection, store, nullptr, to, staging);
  terminal.SetBlock({});
  if (!stats.ok()) return stats.status();
  const int from = openat(to, staging.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0) return blob::ErrnoStatus(errno, "opening what was fetched");
  // The tree's root may have a mode that would keep its entries from being moved.
  fchmod(from, 0700);
  absl::Status status = InstallTree(from, to, download.replace);
  close(from);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat(download.to, ": ", status.message()));
  }
  invocation.Say(absl::StrCat("fetched ", Count(stats->files, "file"), ", ",
                              BytesText(stats->fetched_bytes), " into ", download.to, " in ",
                              DurationText(absl::Now() - begin)));
  return absl::OkStatus();
}

absl::Status FetchToOutput(Invocation& invocation, Connection& connection, const blob::Digest& tree,
                           const std::string& path) {
  blob::CasClient store(connection.channel(), {});
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
      return store.ReadToFile(blob::DigestOfNode((*directory)->files(0)),
                              invocation.terminal().RawOut());
    }
    if (last || (*directory)->directories_size() != 1) return no_file;
    folder = blob::DigestOfNode((*directory)->directories(0));
  }
  return no_file;
}

}  // namespace rally::rallyctl
