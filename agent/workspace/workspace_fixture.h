#ifndef RALLY_AGENT_WORKSPACE_WORKSPACE_FIXTURE_H_
#define RALLY_AGENT_WORKSPACE_WORKSPACE_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "agent/workspace/workspace_store.h"
#include "common/blob/digest.h"
#include "common/blob/memory_blob_store.h"

namespace rally::workspace {

// A directory for one test. It goes away at its end, with all that is mounted below. The first one
// puts the process into a mount namespace of its own, so it is made before any thread.
class TestDirectory {
 public:
  // In memory where there is a tmpfs, else in TEST_TMPDIR; `on_disk` asks for the latter.
  explicit TestDirectory(bool on_disk = false);
  ~TestDirectory();
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Below(const std::string& name) const;

 private:
  std::string path_;
};

// Mount points at or below a directory, from /proc/self/mountinfo.
std::vector<std::string> MountsBelow(const std::string& directory);

// Runs a shell script in a directory, with umask 022; adds a failure to the test if it fails.
void RunScript(const std::string& directory, const std::string& script);

// The files below a directory that share their inode with one listed before, which no step may see.
std::vector<std::string> FilesThatAreOne(const std::string& directory);

// The root digest of a directory by a full scan. Adds a failure to the test if that fails.
blob::Digest ScanOf(const std::string& directory);

// Scans a directory and uploads it.
blob::Digest UploadDirectory(const std::string& directory, blob::BlobStore& store);

// Opens a store, or ends the test binary's current test with a failure and returns null.
std::unique_ptr<WorkspaceStore> OpenStore(const std::string& directory, blob::BlobStore* remote,
                                          int max_layers = 32);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_WORKSPACE_FIXTURE_H_
