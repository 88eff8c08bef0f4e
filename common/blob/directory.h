#ifndef RALLY_COMMON_BLOB_DIRECTORY_H_
#define RALLY_COMMON_BLOB_DIRECTORY_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest.h"

namespace rally::blob {

using Directory = build::bazel::remote::execution::v2::Directory;
using DirectoryNode = build::bazel::remote::execution::v2::DirectoryNode;
using FileNode = build::bazel::remote::execution::v2::FileNode;
using NodeProperties = build::bazel::remote::execution::v2::NodeProperties;
using SymlinkNode = build::bazel::remote::execution::v2::SymlinkNode;

// What a tree may have at most, counting an entry once for each path that leads to it.
inline constexpr int64_t kMaxTreeEntries = 1'000'000;
inline constexpr int kMaxTreeDepth = 512;
inline constexpr int64_t kMaxTreeBytes = int64_t{1} << 40;
// Of one file; Rally's own store takes no larger blob.
inline constexpr int64_t kMaxFileBytes = int64_t{64} << 30;
inline constexpr int kMaxNameBytes = 255;
inline constexpr int kMaxSymlinkTargetBytes = 4095;
// Of one Directory message, which has to be in memory whole.
inline constexpr int64_t kMaxDirectoryBytes = 256 * 1024 * 1024;

// Modes that need no unix_mode property. Only the nine permission bits are kept: setuid, setgid and
// sticky are dropped.
inline constexpr uint32_t kPlainFileMode = 0644;
inline constexpr uint32_t kExecutableFileMode = 0755;
inline constexpr uint32_t kPlainDirectoryMode = 0755;
inline constexpr uint32_t kModeMask = 0777;

// OK if it can be one entry's name: not empty, not "." or "..", no '/' or NUL, at most 255 bytes,
// UTF-8.
absl::Status ValidateName(absl::string_view name);

// Sorts each kind of entry by name, byte by byte, as the API's canonical form wants it.
void Canonicalise(Directory* directory);

// The canonical bytes of a directory that is in canonical form already.
std::string Serialise(const Directory& directory);

// InvalidArgument, saying why, unless all names are valid, unique across the kinds and sorted, all
// digests well-formed, symlink targets between 1 and 4095 bytes without NUL, and times in range.
absl::Status Validate(const Directory& directory);

// Parses and validates; what comes from another machine has to pass here before it is used.
absl::StatusOr<Directory> ParseDirectory(absl::string_view bytes);
// The same for one that is kept: with its memory in one piece, which is made and gone the faster.
absl::StatusOr<std::shared_ptr<const Directory>> ParseSharedDirectory(absl::string_view bytes);

// An entry's mode: unix_mode if given, else by is_executable.
uint32_t ModeOf(const FileNode& node);
uint32_t ModeOf(const Directory& directory);

// Absent if the entry carries none: its maker didn't keep times.
std::optional<absl::Time> MtimeOf(const FileNode& node);
std::optional<absl::Time> MtimeOf(const Directory& directory);

// Times are kept to the nanosecond; absl::nullopt keeps none.
FileNode MakeFileNode(absl::string_view name, const Digest& digest, uint32_t mode,
                      std::optional<absl::Time> mtime);
// The same in a new node's place, which may be in an arena.
void FillFileNode(absl::string_view name, const Digest& digest, uint32_t mode,
                  std::optional<absl::Time> mtime, FileNode* node);
SymlinkNode MakeSymlinkNode(absl::string_view name, absl::string_view target);
DirectoryNode MakeDirectoryNode(absl::string_view name, const Digest& digest);
void SetDirectoryProperties(uint32_t mode, std::optional<absl::Time> mtime, Directory* directory);

// The node of that name among those of one kind, which are sorted; null if there is none.
template <typename Nodes>
auto FindNode(const Nodes& nodes, const std::string& name) -> decltype(&*nodes.begin()) {
  const auto found =
      std::lower_bound(nodes.begin(), nodes.end(), name,
                       [](const auto& node, const std::string& key) { return node.name() < key; });
  return found != nodes.end() && found->name() == name ? &*found : nullptr;
}

// Whether two nodes' digests are equal.
template <typename Node>
bool IsSameBlob(const Node& a, const Node& b) {
  return a.digest().hash() == b.digest().hash() &&
         a.digest().size_bytes() == b.digest().size_bytes();
}

// Whether both stand for the same content, mode and mtime.
bool IsSameFile(const FileNode& a, const FileNode& b);

// The digest in a node of a directory that passed Validate.
Digest DigestOfNode(const FileNode& node);
Digest DigestOfNode(const DirectoryNode& node);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DIRECTORY_H_
