#include "agent/runtime/oci_layout_source.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/runtime/oci_layout_files.h"

namespace rally::runtime {
namespace {

constexpr char kIndexFile[] = "index.json";

std::string FileOf(const std::string& digest) {
  return absl::StrCat("blobs/sha256/", digest.substr(sizeof("sha256:") - 1));
}

absl::StatusOr<std::string> ReadSmallFile(OciLayoutSource::Files& files, const std::string& name) {
  std::string text;
  bool found = false;
  const absl::Status status =
      files.Visit({name}, [&](const std::string&, const PieceReader& read) -> absl::Status {
        found = true;
        while (true) {
          absl::StatusOr<absl::string_view> piece = read();
          if (!piece.ok()) return piece.status();
          if (piece->empty()) return absl::OkStatus();
          text.append(piece->data(), piece->size());
          if (static_cast<int64_t>(text.size()) > kMaxManifestBytes) {
            return absl::FailedPreconditionError(absl::StrCat(name, " is larger than 4 MiB"));
          }
        }
      });
  if (!status.ok()) return status;
  if (!found) return absl::NotFoundError(absl::StrCat("it has no ", name));
  return text;
}

std::string ListOf(const std::vector<BlobDescriptor>& manifests) {
  std::string list;
  for (const BlobDescriptor& manifest : manifests) {
    absl::StrAppend(&list, "\n  ", manifest.digest);
    if (!manifest.name.empty()) absl::StrAppend(&list, "  ", manifest.name);
    if (!manifest.architecture.empty()) {
      absl::StrAppend(&list, "  ", manifest.os, "/", manifest.architecture);
    }
  }
  return list;
}

// Passes the rest of a file to the writer, which may have its start already.
absl::Status Copy(const PieceReader& read, BlobWriter& writer, const CallLimits& limits) {
  int64_t to_skip = writer.offset();
  while (true) {
    if (absl::Status spent = CheckLimits(limits, "reading the image"); !spent.ok()) return spent;
    absl::StatusOr<absl::string_view> piece = read();
    if (!piece.ok()) return piece.status();
    if (piece->empty()) break;
    const int64_t skipped = std::min<int64_t>(to_skip, piece->size());
    to_skip -= skipped;
    if (absl::Status status = writer.Append(piece->substr(skipped)); !status.ok()) return status;
  }
  if (writer.offset() == writer.blob().size_bytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("blob ", writer.blob().digest, " has ", writer.offset(),
                                          " bytes; its manifest says ", writer.blob().size_bytes));
}

}  // namespace

OciLayoutSource::OciLayoutSource(std::string path, std::unique_ptr<Files> files)
    : path_(std::move(path)), files_(std::move(files)) {}

OciLayoutSource::~OciLayoutSource() = default;

absl::StatusOr<std::unique_ptr<OciLayoutSource>> OciLayoutSource::Open(int root_fd,
                                                                       const std::string& path) {
  absl::StatusOr<std::unique_ptr<Files>> files = Files::Open(root_fd, path);
  if (!files.ok()) return files.status();
  std::unique_ptr<OciLayoutSource> source(new OciLayoutSource(path, *std::move(files)));
  absl::StatusOr<std::string> text = ReadSmallFile(*source->files_, kIndexFile);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError("it is no OCI image layout: it has no index.json");
  }
  if (!text.ok()) return text.status();
  absl::StatusOr<ImageManifest> index =
      ParseImageManifest(*text, "application/vnd.oci.image.index.v1+json");
  if (!index.ok() || !index->is_index) {
    return absl::FailedPreconditionError(
        absl::StrCat("its index.json is not an image index: ",
                     index.ok() ? "it is a manifest" : std::string(index.status().message())));
  }
  source->manifests_ = std::move(index->children);
  return source;
}

absl::StatusOr<BlobDescriptor> OciLayoutSource::Choose(const std::string& digest) const {
  if (manifests_.empty()) return absl::FailedPreconditionError("its index.json names no image");
  if (digest.empty()) {
    if (manifests_.size() == 1) return manifests_[0];
    return absl::FailedPreconditionError(absl::StrCat("it holds ", manifests_.size(),
                                                      " images; write oci:", path_,
                                                      "@DIGEST with one of:", ListOf(manifests_)));
  }
  for (const BlobDescriptor& manifest : manifests_) {
    if (manifest.digest == digest) return manifest;
  }
  return absl::NotFoundError(
      absl::StrCat("it holds no image ", digest, "; it has:", ListOf(manifests_)));
}

absl::StatusOr<ManifestDocument> OciLayoutSource::ReadManifest(const std::string& digest,
                                                               const CallLimits&) {
  absl::StatusOr<std::string> text = ReadSmallFile(*files_, FileOf(digest));
  if (!text.ok()) return text.status();
  if (Sha256Of(*text) != digest) {
    return absl::DataLossError(absl::StrCat("blob ", digest, " does not match its digest"));
  }
  return ManifestDocument{*std::move(text), ""};
}

absl::Status OciLayoutSource::FetchBlobs(const std::vector<BlobDescriptor>& blobs,
                                         const BlobReceiver& receive, const CallLimits& limits) {
  std::map<std::string, const BlobDescriptor*> by_file;
  std::set<std::string> names;
  for (const BlobDescriptor& blob : blobs) {
    by_file[FileOf(blob.digest)] = &blob;
    names.insert(FileOf(blob.digest));
  }
  std::set<std::string> missing = names;
  const absl::Status status = files_->Visit(names, [&](const std::string& name,
                                                       const PieceReader& read) {
    missing.erase(name);
    return receive(*by_file[name], [&](BlobWriter& writer) { return Copy(read, writer, limits); });
  });
  if (!status.ok()) return status;
  // A layout may leave out what the store has already.
  for (const std::string& name : missing) {
    const absl::Status received = receive(*by_file[name], [&](BlobWriter&) {
      return absl::NotFoundError(absl::StrCat("it lacks ", name, ", which its manifest names"));
    });
    if (!received.ok()) return received;
  }
  return absl::OkStatus();
}

}  // namespace rally::runtime
