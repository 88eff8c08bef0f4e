#include "rallyctl/context_upload.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/blob/ignore_files.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/text.h"
#include "rallyctl/stat_cache_files.h"
#include "rallyctl/transfer/counting_store.h"
#include "rallyctl/transfer/transfer_meter.h"

namespace rally::rallyctl {
namespace {

// A folder's worth of warnings is enough to see what is going on.
constexpr size_t kMaxWarningsShown = 10;

std::string LeftOut(const blob::CapturedTree& tree) {
  if (tree.ignored_entries == 0) return "";
  return absl::StrCat(" (", tree.ignored_entries, " left out",
                      tree.ignore_file.empty() ? "" : absl::StrCat(" by ", tree.ignore_file), ")");
}

std::string Sent(const blob::UploadProgress& uploaded, absl::Duration took) {
  if (uploaded.missing_blobs == 0) return ", nothing new to upload";
  const int64_t known = uploaded.total_bytes - uploaded.missing_bytes;
  return absl::StrCat("; uploaded ", BytesText(uploaded.uploaded_bytes), " in ", DurationText(took),
                      known == 0 ? "" : absl::StrCat(", ", BytesText(known), " known already"));
}

// A file that isn't in force would switch off the one that is, and send all that it hides.
std::string Cure(const absl::Status& error, const std::string& context,
                 const ContextOptions& flags) {
  const bool is_too_much = absl::IsResourceExhausted(error);
  if (!absl::IsPermissionDenied(error) && !is_too_much) return "";
  const absl::string_view deed = is_too_much ? "remove it" : "make it readable";
  if (flags.no_ignore) return absl::StrCat("; ", deed, ": with --no-ignore nothing is left out");
  return absl::StrCat("; ", deed, ", or list it in ", blob::IgnoreFiles::NameInForce(context));
}

}  // namespace

absl::StatusOr<blob::CapturedTree> ReadContext(Invocation& invocation, const std::string& context,
                                               const ContextOptions& flags) {
  blob::CaptureOptions options;
  options.stat_cache_file = StatCacheFile(context);
  options.obey_ignore_files = !flags.no_ignore;
  options.keep_git = !flags.no_git;
  std::atomic<int64_t> files{0}, bytes{0};
  options.on_hashed = [&files, &bytes](int64_t files_now, int64_t bytes_now) {
    files = files_now;
    bytes = bytes_now;
  };
  absl::StatusOr<blob::CapturedTree> tree = blob::CapturedTree();
  {
    TransferMeter meter(&invocation, [&files, &bytes] {
      if (files == 0) return TransferMeter::Snapshot();
      return TransferMeter::Snapshot{
          absl::StrCat("reading the context: ", Count(files, "file"), ", ", BytesText(bytes)),
          ContextEvent({"reading", files, bytes}, absl::Now())};
    });
    tree = blob::CaptureDirectory(context, options);
  }
  if (!tree.ok()) {
    return absl::Status(tree.status().code(),
                        absl::StrCat("the context ", context, ": ", tree.status().message(),
                                     Cure(tree.status(), context, flags)));
  }
  if (!options.stat_cache_file.empty()) KeepNewestStatCaches(options.stat_cache_file);
  for (size_t i = 0; i < tree->warnings.size() && i < kMaxWarningsShown; ++i) {
    invocation.Say(absl::StrCat("warning: context: ", tree->warnings[i]));
  }
  if (tree->warnings.size() > kMaxWarningsShown) {
    invocation.Say(absl::StrCat("and ", tree->warnings.size() - kMaxWarningsShown, " more"));
  }
  return tree;
}

absl::Status UploadContext(Invocation& invocation, blob::BlobStore& store,
                           const blob::CapturedTree& tree, blob::UploadTrust trust) {
  const absl::Time begin = absl::Now();
  const auto event_of = [&tree](absl::string_view phase, const blob::UploadProgress& uploaded,
                                int64_t uploaded_bytes) {
    return ContextEvent(
        {phase, tree.file_count, tree.total_bytes, uploaded.total_bytes - uploaded.missing_bytes,
         uploaded.missing_bytes, uploaded_bytes},
        absl::Now());
  };
  CountingStore counting(&store);
  absl::Mutex mutex;
  blob::UploadProgress latest;  // under the mutex, until the meter is gone
  absl::StatusOr<blob::UploadProgress> uploaded = blob::UploadProgress();
  {
    TransferMeter meter(&invocation, [&] {
      absl::MutexLock lock(&mutex);
      if (latest.missing_bytes == 0) return TransferMeter::Snapshot();
      // A file that is sent again after an error counts once.
      const int64_t bytes = std::min(counting.transferred_bytes(), latest.missing_bytes);
      return TransferMeter::Snapshot{
          absl::StrCat("uploading the context: ", BytesText(bytes), " of ",
                       BytesText(latest.missing_bytes), ", ", latest.uploaded_blobs, " of ",
                       latest.missing_blobs, " files and folders; ",
                       BytesText(latest.total_bytes - latest.missing_bytes), " known already"),
          event_of("uploading", latest, bytes)};
    });
    uploaded = blob::UploadTree(
        counting, tree,
        [&](const blob::UploadProgress& now) {
          absl::MutexLock lock(&mutex);
          latest = now;
        },
        trust);
  }
  if (!uploaded.ok()) {
    if (uploaded.status().code() == absl::StatusCode::kUnavailable) return uploaded.status();
    return absl::Status(uploaded.status().code(),
                        absl::StrCat("uploading the context: ", uploaded.status().message()));
  }
  if (invocation.progress() == ProgressMode::kJson) {
    invocation.terminal().Err(event_of("ready", *uploaded, uploaded->uploaded_bytes));
  }
  invocation.Say(absl::StrCat("context: ", Count(tree.file_count, "file"), ", ",
                              BytesText(tree.total_bytes), LeftOut(tree),
                              Sent(*uploaded, absl::Now() - begin)));
  return absl::OkStatus();
}

}  // namespace rally::rallyctl
