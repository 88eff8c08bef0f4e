// An agent's data plane without the rest of the agent: its workspaces over the controller's blob
// service, told what to do by lines on stdin, so that a benchmark sees each phase alone.
//
//   workspace_agent CONTROLLER DIRECTORY
//
//   mount ATTEMPT ROOT    capture ATTEMPT    discard ATTEMPT    ensure ROOT    root FOLDER
//   put FILE              get DIGEST FILE    settle
//
// Each is answered by one line of JSON: the seconds it took, of these the seconds of uploads, and
// what came out; or an error.
#include <fcntl.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/capture_directory.h"
#include "common/blob/cas_client.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"
#include "common/rpc/channel.h"
#include "common/tune_process.h"

namespace rally {
namespace {

using blob::Digest;

// How long uploads and their questions take, from the first to the last of those at the same time;
// downloads are most of what asks for them, and come in parallel. Threads: thread-safe.
class TimedStore : public blob::BlobStore {
 public:
  explicit TimedStore(blob::BlobStore* store) : store_(store) {}

  absl::StatusOr<std::vector<Digest>> FindMissing(absl::Span<const Digest> digests) override {
    const Timer timer(this);
    return store_->FindMissing(digests);
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    const Timer timer(this);
    return store_->Upload(std::move(uploads));
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const Digest> digests) override {
    return store_->Read(digests);
  }
  absl::Status ReadEach(absl::Span<const Digest> digests, const Take& take) override {
    return store_->ReadEach(digests, take);
  }
  absl::Status ReadToFile(const Digest& digest, int fd) override {
    return store_->ReadToFile(digest, fd);
  }

  // Since the last call.
  absl::Duration TakeSpent() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(spent_, absl::ZeroDuration());
  }

 private:
  class Timer {
   public:
    explicit Timer(TimedStore* store) : store_(*store) {
      absl::MutexLock lock(&store_.mutex_);
      if (store_.calls_++ == 0) store_.start_ = absl::Now();
    }
    ~Timer() {
      absl::MutexLock lock(&store_.mutex_);
      if (--store_.calls_ == 0) store_.spent_ += absl::Now() - store_.start_;
    }

   private:
    TimedStore& store_;
  };

  blob::BlobStore* const store_;
  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time start_ ABSL_GUARDED_BY(mutex_);
  absl::Duration spent_ ABSL_GUARDED_BY(mutex_);
};

class Commands {
 public:
  Commands(workspace::WorkspaceStore* workspaces, TimedStore* blobs)
      : workspaces_(*workspaces), blobs_(*blobs) {}

  std::string Run(const std::string& line) {
    std::istringstream words(line);
    std::string command, first, second;
    words >> command >> first >> second;
    blobs_.TakeSpent();
    result_.clear();
    const absl::Time start = absl::Now();
    const absl::Status status = Do(command, first, second);
    const absl::Duration took = absl::Now() - start - untimed_;
    untimed_ = absl::ZeroDuration();
    if (!status.ok())
      return absl::StrCat("{\"error\": \"", absl::CEscape(status.ToString()), "\"}");
    return absl::StrCat("{\"seconds\": ", absl::ToDoubleSeconds(took),
                        ", \"upload_seconds\": ", absl::ToDoubleSeconds(blobs_.TakeSpent()),
                        result_, "}");
  }

 private:
  static absl::Time Later() { return absl::Now() + absl::Minutes(10); }

  void Say(absl::string_view name, absl::string_view value) {
    absl::StrAppend(&result_, ", \"", name, "\": \"", value, "\"");
  }

  absl::Status Do(const std::string& command, const std::string& first, const std::string& second) {
    if (command == "mount") return Mount(first, second);
    if (command == "capture") return Capture(first);
    if (command == "discard") return workspaces_.Discard(first);
    if (command == "root") return Root(first);
    if (command == "put") return Put(first);
    if (command == "get") return Get(first, second);
    if (command == "settle") {
      workspaces_.FinishBackgroundWork();
      return absl::OkStatus();
    }
    if (command == "ensure") {
      const auto root = blob::ParseDigest(first);
      return root.ok() ? workspaces_.EnsureTree(*root, Later()) : root.status();
    }
    return absl::InvalidArgumentError(absl::StrCat("no command '", command, "'"));
  }

  absl::Status Mount(const std::string& attempt, const std::string& tree) {
    const absl::Time start = absl::Now();
    const auto path = workspaces_.CreateMountPoint(attempt);
    if (!path.ok()) return path.status();
    untimed_ = absl::Now() - start;  // Part of the preparation, when the tree isn't known yet.
    Say("path", *path);
    const auto root = tree == "empty" ? blob::EmptyTreeDigest() : blob::ParseDigest(tree);
    return root.ok() ? workspaces_.Mount(attempt, *root, 0, 0) : root.status();
  }

  absl::Status Capture(const std::string& attempt) {
    const auto captured = workspaces_.Capture(attempt, Later());
    if (!captured.ok()) return captured.status();
    Say("root", captured->output_root.ToString());
    absl::StrAppend(&result_,
                    ", \"changes\": ", captured->added + captured->changed + captured->removed,
                    ", \"uploaded_bytes\": ", captured->uploaded_bytes);
    return absl::OkStatus();
  }

  // What the tree of a folder should be.
  absl::Status Root(const std::string& folder) {
    const auto tree = blob::CaptureDirectory(folder);
    if (!tree.ok()) return tree.status();
    Say("root", tree->root.ToString());
    return absl::OkStatus();
  }

  absl::Status Put(const std::string& path) {
    const absl::Time start = absl::Now();
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return absl::ErrnoToStatus(errno, path);
    const auto digest = blob::DigestOfFile(file.get());
    if (!digest.ok()) return digest.status();
    untimed_ = absl::Now() - start;
    Say("digest", digest->ToString());
    std::vector<blob::BlobUpload> uploads;
    uploads.push_back({*digest, [path]() -> absl::StatusOr<int> {
                         const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
                         if (fd < 0) return absl::ErrnoToStatus(errno, path);
                         return fd;
                       }});
    return blobs_.Upload(std::move(uploads));
  }

  absl::Status Get(const std::string& name, const std::string& path) {
    const auto digest = blob::ParseDigest(name);
    if (!digest.ok()) return digest.status();
    FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.valid()) return absl::ErrnoToStatus(errno, path);
    return blobs_.ReadToFile(*digest, file.get());
  }

  workspace::WorkspaceStore& workspaces_;
  TimedStore& blobs_;
  std::string result_;
  absl::Duration untimed_;
};

int Main(const std::string& controller, const std::string& directory) {
  rpc::Security security;
  security.insecure = true;
  const auto channel = rpc::Dial(controller, security, rpc::Connection::kOwn);
  if (!channel.ok()) {
    std::cerr << channel.status() << "\n";
    return 1;
  }
  blob::CasClient client(*channel, blob::CasClient::Options());
  TimedStore blobs(&client);
  workspace::WorkspaceStore::Options options;
  options.directory = directory;
  const auto workspaces = workspace::WorkspaceStore::Open(options, &blobs);
  if (!workspaces.ok()) {
    std::cerr << workspaces.status() << "\n";
    return 1;
  }
  Commands commands(workspaces->get(), &blobs);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << commands.Run(line) << std::endl;
  return 0;
}

}  // namespace
}  // namespace rally

int main(int argc, char** argv) {
  rally::TuneProcess(rally::kArenasOfADaemon);
  if (argc != 3) {
    std::cerr << "usage: workspace_agent CONTROLLER DIRECTORY\n";
    return 2;
  }
  return rally::Main(argv[1], argv[2]);
}
