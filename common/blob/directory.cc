#include "common/blob/directory.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/digest_proto.h"
#include "common/pipeline/utf8.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace rally::blob {
namespace {

constexpr int64_t kMinTimestampSeconds = -62135596800;  // 0001-01-01.
constexpr int64_t kMaxTimestampSeconds = 253402300799;  // 9999-12-31.

// What most of a parsed directory takes of its arena.
constexpr size_t kParsedPerSerialised = 3;
constexpr size_t kLeastBlockBytes = 512;
constexpr size_t kLargestBlockBytes = 1 << 20;

absl::Status Parse(absl::string_view bytes, Directory* directory) {
  if (!directory->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("the blob is no Directory message");
  }
  return Validate(*directory);
}

template <typename Nodes>
void SortByName(Nodes* nodes) {
  // By their pointers: the nodes stay where they are.
  std::sort(nodes->pointer_begin(), nodes->pointer_end(),
            [](const auto* a, const auto* b) { return a->name() < b->name(); });
}

absl::Status Invalid(absl::string_view what, absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid directory: ", what, " '", absl::CEscape(name), "': ", why));
}

absl::Status ValidateProperties(absl::string_view what, absl::string_view name,
                                const NodeProperties& properties) {
  if (properties.has_mtime()) {
    const auto& mtime = properties.mtime();
    if (mtime.seconds() < kMinTimestampSeconds || mtime.seconds() > kMaxTimestampSeconds ||
        mtime.nanos() < 0 || mtime.nanos() > 999'999'999) {
      return Invalid(what, name, "mtime out of range");
    }
  }
  return absl::OkStatus();
}

template <typename Nodes>
absl::Status ValidateNames(absl::string_view what, const Nodes& nodes) {
  const std::string* previous = nullptr;
  for (const auto& node : nodes) {
    if (absl::Status valid = ValidateName(node.name()); !valid.ok()) {
      return Invalid(what, node.name(), valid.message());
    }
    if (previous != nullptr && node.name() <= *previous) {
      return Invalid(what, node.name(),
                     node.name() == *previous ? "the name occurs twice" : "not in sorted order");
    }
    previous = &node.name();
  }
  return absl::OkStatus();
}

// Both sorted. A name that is two things is how a tree makes its reader write through a link.
template <typename A, typename B>
absl::Status ValidateDisjoint(const A& a, const B& b) {
  auto i = a.begin();
  auto j = b.begin();
  while (i != a.end() && j != b.end()) {
    if (i->name() == j->name()) return Invalid("entry", i->name(), "the name occurs twice");
    if (i->name() < j->name()) {
      ++i;
    } else {
      ++j;
    }
  }
  return absl::OkStatus();
}

// Filesystems have times that no Timestamp has; whoever makes a tree of them sees the same here.
void SetMtime(std::optional<absl::Time> mtime, NodeProperties* properties) {
  static const absl::Time kFirst = absl::FromUnixSeconds(kMinTimestampSeconds);
  static const absl::Time kLast =
      absl::FromUnixSeconds(kMaxTimestampSeconds + 1) - absl::Nanoseconds(1);
  const timespec time = absl::ToTimespec(std::clamp(*mtime, kFirst, kLast));
  properties->mutable_mtime()->set_seconds(time.tv_sec);
  properties->mutable_mtime()->set_nanos(static_cast<int32_t>(time.tv_nsec));
}

std::optional<absl::Time> GetMtime(const NodeProperties& properties) {
  if (!properties.has_mtime()) return std::nullopt;
  timespec time;
  time.tv_sec = properties.mtime().seconds();
  time.tv_nsec = properties.mtime().nanos();
  return absl::TimeFromTimespec(time);
}

Digest TrustedDigest(const build::bazel::remote::execution::v2::Digest& proto) {
  return Digest{proto.hash(), proto.size_bytes()};
}

template <typename Node>
absl::Status ValidateDigestOf(const Node& node) {
  return ValidateDigest(node.digest().hash(), node.digest().size_bytes());
}

}  // namespace

absl::Status ValidateName(absl::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("the name is empty");
  if (name == "." || name == "..") return absl::InvalidArgumentError("the name is reserved");
  if (name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name has ", name.size(), " bytes, more than ", kMaxNameBytes));
  }
  if (name.find('/') != absl::string_view::npos) {
    return absl::InvalidArgumentError("the name contains '/'");
  }
  if (name.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("the name contains a NUL byte");
  }
  if (!IsValidUtf8(name)) return absl::InvalidArgumentError("the name is not UTF-8");
  return absl::OkStatus();
}

void Canonicalise(Directory* directory) {
  SortByName(directory->mutable_files());
  SortByName(directory->mutable_directories());
  SortByName(directory->mutable_symlinks());
}

std::string Serialise(const Directory& directory) {
  std::string bytes;
  bytes.reserve(directory.ByteSizeLong());  // Or it would grow by doubling, and stay so.
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    directory.SerializeToCodedStream(&coded);
  }
  return bytes;
}

absl::Status Validate(const Directory& directory) {
  if (absl::Status valid = ValidateNames("file", directory.files()); !valid.ok()) return valid;
  if (absl::Status valid = ValidateNames("directory", directory.directories()); !valid.ok()) {
    return valid;
  }
  if (absl::Status valid = ValidateNames("symlink", directory.symlinks()); !valid.ok()) {
    return valid;
  }
  if (absl::Status valid = ValidateDisjoint(directory.files(), directory.directories());
      !valid.ok()) {
    return valid;
  }
  if (absl::Status valid = ValidateDisjoint(directory.files(), directory.symlinks()); !valid.ok()) {
    return valid;
  }
  if (absl::Status valid = ValidateDisjoint(directory.directories(), directory.symlinks());
      !valid.ok()) {
    return valid;
  }
  for (const FileNode& node : directory.files()) {
    if (absl::Status valid = ValidateDigestOf(node); !valid.ok()) {
      return Invalid("file", node.name(), valid.message());
    }
    if (absl::Status valid = ValidateProperties("file", node.name(), node.node_properties());
        !valid.ok()) {
      return valid;
    }
  }
  for (const DirectoryNode& node : directory.directories()) {
    if (absl::Status valid = ValidateDigestOf(node); !valid.ok()) {
      return Invalid("directory", node.name(), valid.message());
    }
  }
  for (const SymlinkNode& node : directory.symlinks()) {
    if (node.target().empty() || node.target().size() > kMaxSymlinkTargetBytes ||
        node.target().find('\0') != std::string::npos) {
      return Invalid("symlink", node.name(), "its target is no path that a symlink can have");
    }
  }
  return ValidateProperties("directory", ".", directory.node_properties());
}

absl::StatusOr<Directory> ParseDirectory(absl::string_view bytes) {
  Directory directory;
  if (absl::Status parsed = Parse(bytes, &directory); !parsed.ok()) return parsed;
  return directory;
}

absl::StatusOr<std::shared_ptr<const Directory>> ParseSharedDirectory(absl::string_view bytes) {
  google::protobuf::ArenaOptions options;
  options.start_block_size =
      std::clamp(bytes.size() * kParsedPerSerialised, kLeastBlockBytes, kLargestBlockBytes);
  auto arena = std::make_shared<google::protobuf::Arena>(options);
  auto* const directory = google::protobuf::Arena::CreateMessage<Directory>(arena.get());
  if (absl::Status parsed = Parse(bytes, directory); !parsed.ok()) return parsed;
  return std::shared_ptr<const Directory>(std::move(arena), directory);
}

uint32_t ModeOf(const FileNode& node) {
  if (node.node_properties().has_unix_mode()) {
    return node.node_properties().unix_mode().value() & kModeMask;
  }
  return node.is_executable() ? kExecutableFileMode : kPlainFileMode;
}

uint32_t ModeOf(const Directory& directory) {
  if (directory.node_properties().has_unix_mode()) {
    return directory.node_properties().unix_mode().value() & kModeMask;
  }
  return kPlainDirectoryMode;
}

std::optional<absl::Time> MtimeOf(const FileNode& node) { return GetMtime(node.node_properties()); }

std::optional<absl::Time> MtimeOf(const Directory& directory) {
  return GetMtime(directory.node_properties());
}

FileNode MakeFileNode(absl::string_view name, const Digest& digest, uint32_t mode,
                      std::optional<absl::Time> mtime) {
  FileNode node;
  FillFileNode(name, digest, mode, mtime, &node);
  return node;
}

void FillFileNode(absl::string_view name, const Digest& digest, uint32_t mode,
                  std::optional<absl::Time> mtime, FileNode* node) {
  node->set_name(name.data(), name.size());
  node->mutable_digest()->set_hash(digest.hash);
  node->mutable_digest()->set_size_bytes(digest.size_bytes);
  mode &= kModeMask;
  node->set_is_executable((mode & 0111) != 0);
  if (mode != kPlainFileMode && mode != kExecutableFileMode) {
    node->mutable_node_properties()->mutable_unix_mode()->set_value(mode);
  }
  if (mtime.has_value()) SetMtime(mtime, node->mutable_node_properties());
}

SymlinkNode MakeSymlinkNode(absl::string_view name, absl::string_view target) {
  SymlinkNode node;
  node.set_name(std::string(name));
  node.set_target(std::string(target));
  return node;
}

DirectoryNode MakeDirectoryNode(absl::string_view name, const Digest& digest) {
  DirectoryNode node;
  node.set_name(std::string(name));
  *node.mutable_digest() = ToProto(digest);
  return node;
}

void SetDirectoryProperties(uint32_t mode, std::optional<absl::Time> mtime, Directory* directory) {
  directory->clear_node_properties();
  mode &= kModeMask;
  if (mode != kPlainDirectoryMode) {
    directory->mutable_node_properties()->mutable_unix_mode()->set_value(mode);
  }
  if (mtime.has_value()) SetMtime(mtime, directory->mutable_node_properties());
}

bool IsSameFile(const FileNode& a, const FileNode& b) {
  return IsSameBlob(a, b) && ModeOf(a) == ModeOf(b) && MtimeOf(a) == MtimeOf(b);
}

Digest DigestOfNode(const FileNode& node) { return TrustedDigest(node.digest()); }

Digest DigestOfNode(const DirectoryNode& node) { return TrustedDigest(node.digest()); }

}  // namespace rally::blob
