#include "controller/blob/result_references.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "common/blob/digest_proto.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"
#include "controller/blob/local_blob_store.h"
#include "controller/blob/message_bulk.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/unknown_field_set.h"
#include "google/protobuf/wire_format_lite.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
using google::protobuf::internal::WireFormatLite;

constexpr int64_t kMaxTreeBytes = 64 * 1024 * 1024;
// OutputDirectory.root_directory_digest, which the distribution's API file doesn't know yet.
constexpr int kRootDirectoryField = 5;

// What is referred to, each once, and what is known to be missing already.
struct References {
  std::vector<blob::Digest> digests;
  absl::flat_hash_set<blob::Digest> seen;
  std::vector<blob::Digest> missing;

  absl::Status Add(const reapi::Digest& proto) {
    absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
    if (!digest.ok()) return digest.status();
    if (seen.insert(*digest).second) digests.push_back(*std::move(digest));
    return absl::OkStatus();
  }
};

absl::Status AddFiles(const reapi::Directory& directory, References* references) {
  for (const reapi::FileNode& file : directory.files()) {
    if (absl::Status status = references->Add(file.digest()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The digests of the tree's children, of their bytes as they are in the message: written anew they
// might be others.
absl::flat_hash_set<blob::Digest> DigestsOfChildren(absl::string_view tree) {
  constexpr uint32_t kChild = WireFormatLite::MakeTag(reapi::Tree::kChildrenFieldNumber,
                                                      WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  absl::flat_hash_set<blob::Digest> digests;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(tree.data()),
                                               static_cast<int>(tree.size()));
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t size = 0;
    if (tag != kChild) {
      if (!WireFormatLite::SkipField(&input, tag)) break;
    } else if (input.ReadVarint32(&size)) {
      digests.insert(blob::DigestOf(tree.substr(input.CurrentPosition(), size)));
      if (!input.Skip(static_cast<int>(size))) break;
    }
  }
  return digests;
}

// A tree has to have every directory that it leads to within itself: clients look nowhere else.
absl::Status CheckChildren(const reapi::Tree& tree, absl::string_view bytes) {
  absl::optional<absl::flat_hash_set<blob::Digest>> children;
  const auto check = [&](const reapi::Directory& directory) {
    for (const reapi::DirectoryNode& node : directory.directories()) {
      absl::StatusOr<blob::Digest> digest = blob::FromProto(node.digest());
      if (!digest.ok()) return digest.status();
      if (!children.has_value()) children = DigestsOfChildren(bytes);
      if (children->contains(*digest)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("it lacks directory '", node.name(), "' (", digest->ToString(), ")"));
    }
    return absl::OkStatus();
  };
  absl::Status status = check(tree.root());
  for (int i = 0; i < tree.children_size() && status.ok(); ++i) status = check(tree.children(i));
  return status;
}

absl::Status AddTree(DiskStore& blobs, const reapi::Digest& proto, References* references) {
  absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
  if (!digest.ok()) return digest.status();
  if (digest->size_bytes > kMaxTreeBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tree ", digest->ToString(), " is too large; it may have ", kMaxTreeBytes, " bytes"));
  }
  absl::StatusOr<std::string> bytes = blobs.ReadAll(*digest);
  if (absl::IsNotFound(bytes.status())) {
    references->missing.push_back(*digest);
    return absl::OkStatus();
  }
  if (!bytes.ok()) return bytes.status();
  reapi::Tree tree;
  if (absl::Status status = ParseWithinBulk(*bytes, &tree); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest->ToString(), " is no tree: ", status.message()));
  }
  if (absl::Status status = CheckChildren(tree, *bytes); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tree ", digest->ToString(), ": ", status.message()));
  }
  absl::Status status = AddFiles(tree.root(), references);
  for (int i = 0; i < tree.children_size() && status.ok(); ++i) {
    status = AddFiles(tree.children(i), references);
  }
  return status;
}

absl::optional<reapi::Digest> RootDirectory(const reapi::OutputDirectory& directory) {
  const google::protobuf::UnknownFieldSet& unknown =
      directory.GetReflection()->GetUnknownFields(directory);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const google::protobuf::UnknownField& field = unknown.field(i);
    if (field.number() != kRootDirectoryField ||
        field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      continue;
    }
    reapi::Digest digest;
    // One that can't be read is refused as malformed later.
    if (!digest.ParseFromString(field.length_delimited())) digest.Clear();
    return digest;
  }
  return absl::nullopt;
}

absl::Status AddDirectories(DiskStore& blobs, const reapi::Digest& proto, References* references) {
  absl::StatusOr<blob::Digest> root = blob::FromProto(proto);
  if (!root.ok()) return root.status();
  LocalBlobStore store(&blobs);
  blob::CachingDirectoryReader reader(&store);
  absl::StatusOr<std::vector<blob::Digest>> missing = blob::FindMissingInTree(store, reader, *root);
  if (absl::IsResourceExhausted(missing.status())) {
    return absl::InvalidArgumentError(missing.status().message());
  }
  if (!missing.ok()) return missing.status();
  references->missing.insert(references->missing.end(), missing->begin(), missing->end());
  return absl::OkStatus();
}

absl::Status AddOutputDirectory(DiskStore& blobs, const reapi::OutputDirectory& directory,
                                References* references) {
  const absl::optional<reapi::Digest> root = RootDirectory(directory);
  if (root.has_value()) {
    absl::Status status = AddDirectories(blobs, *root, references);
    if (!status.ok()) return status;
  }
  // The one may stand in for the other.
  if (root.has_value() && !directory.has_tree_digest()) return absl::OkStatus();
  return AddTree(blobs, directory.tree_digest(), references);
}

}  // namespace

absl::StatusOr<std::vector<blob::Digest>> FindMissingReferences(DiskStore& blobs,
                                                                const reapi::ActionResult& result) {
  References references;
  absl::Status status;
  for (int i = 0; i < result.output_files_size() && status.ok(); ++i) {
    status = references.Add(result.output_files(i).digest());
  }
  if (status.ok() && result.has_stdout_digest()) status = references.Add(result.stdout_digest());
  if (status.ok() && result.has_stderr_digest()) status = references.Add(result.stderr_digest());
  for (int i = 0; i < result.output_directories_size() && status.ok(); ++i) {
    status = AddOutputDirectory(blobs, result.output_directories(i), &references);
  }
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<blob::Digest>> missing = blobs.FindMissing(references.digests);
  if (!missing.ok()) return missing.status();
  missing->insert(missing->end(), references.missing.begin(), references.missing.end());
  return missing;
}

}  // namespace rally::cas
