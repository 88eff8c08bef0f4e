#include "rallyctl/context_upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/render/progress_json.h"
#include "rallyctl/render/text.h"
#include "rallyctl/stat_cache_files.h"

namespace rally::rallyctl {
namespace {

// A folder's worth of warnings is enough to see what is going on.
constexpr size_t kMaxWarningsShown = 10;
constexpr absl::Duration kShownEvery = absl::Milliseconds(100);

// Shows how far something is, but not more often than a person can read.
class ContextMeter {
 public:
  explicit ContextMeter(Invocation* invocation) : invocation_(invocation) {}
  ~ContextMeter() {
    if (!shown_) return;
    invocation_->terminal().SetBlock({});
    invocation_->terminal().Flush();
  }

  void Show(const ContextProgress& progress, const std::string& line) {
    const absl::Time now = absl::Now();
    if (now - shown_at_ < kShownEvery) return;
    shown_at_ = now;
    Terminal& terminal = invocation_->terminal();
    switch (invocation_->progress()) {
      case ProgressMode::kTty:
        shown_ = true;
        terminal.SetBlock({line});
        break;
      case ProgressMode::kJson:
        terminal.Err(ContextEvent(progress, now));
        break;
      case ProgressMode::kPlain:
      case ProgressMode::kQuiet:
        return;
    }
    terminal.Flush();
  }

 private:
  Invocation* const invocation_;
  absl::Time shown_at_ = absl::Now();  // What is quick needs no meter.
  bool shown_ = false;
};

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

}  // namespace

absl::StatusOr<blob::CapturedTree> ReadContext(Invocation& invocation, const std::string& context,
                                               const ContextOptions& flags) {
  blob::CaptureOptions options;
  options.stat_cache_file = StatCacheFile(context);
  options.obey_ignore_files = !flags.no_ignore;
  options.keep_git = !flags.no_git;
  absl::StatusOr<blob::CapturedTree> tree = blob::CapturedTree();
  {
    ContextMeter meter(&invocation);
    options.on_hashed = [&meter](int64_t files, int64_t bytes) {
      meter.Show({"reading", files, bytes},
                 absl::StrCat("reading the context: ", files, " files, ", BytesText(bytes)));
    };
    tree = blob::CaptureDirectory(context, options);
  }
  if (!tree.ok()) {
    return absl::Status(tree.status().code(),
                        absl::StrCat("the context ", context, ": ", tree.status().message()));
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
  const auto progress_of = [&tree](absl::string_view phase, const blob::UploadProgress& uploaded) {
    return ContextProgress{phase,
                           tree.file_count,
                           tree.total_bytes,
                           uploaded.total_bytes - uploaded.missing_bytes,
                           uploaded.missing_bytes,
                           uploaded.uploaded_bytes};
  };
  absl::StatusOr<blob::UploadProgress> uploaded = blob::UploadProgress();
  {
    ContextMeter meter(&invocation);
    uploaded = blob::UploadTree(
        store, tree,
        [&](const blob::UploadProgress& now) {
          if (now.missing_bytes == 0) return;
          meter.Show(
              progress_of("uploading", now),
              absl::StrCat("uploading the context: ", BytesText(now.uploaded_bytes), " of ",
                           BytesText(now.missing_bytes), ", ", now.uploaded_blobs, " of ",
                           now.missing_blobs, " files and folders; ",
                           BytesText(now.total_bytes - now.missing_bytes), " known already"));
        },
        trust);
  }
  if (!uploaded.ok()) {
    if (uploaded.status().code() == absl::StatusCode::kUnavailable) return uploaded.status();
    return absl::Status(uploaded.status().code(),
                        absl::StrCat("uploading the context: ", uploaded.status().message()));
  }
  if (invocation.progress() == ProgressMode::kJson) {
    invocation.terminal().Err(ContextEvent(progress_of("ready", *uploaded), absl::Now()));
  }
  invocation.Say(absl::StrCat("context: ", Count(tree.file_count, "file"), ", ",
                              BytesText(tree.total_bytes), LeftOut(tree),
                              Sent(*uploaded, absl::Now() - begin)));
  return absl::OkStatus();
}

}  // namespace rally::rallyctl
