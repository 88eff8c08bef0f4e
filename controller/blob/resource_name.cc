#include "controller/blob/resource_name.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/blob/instance_name.h"

namespace rally::cas {
namespace {

constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxShownBytes = 200;

using Segments = std::vector<absl::string_view>;

absl::Status Malformed(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "resource name '", absl::CHexEscape(name.substr(0, kMaxShownBytes)), "': ", why));
}

// Splits off the instance; what is left starts with a keyword.
absl::StatusOr<Segments> SplitOffInstance(absl::string_view name, std::string* instance) {
  if (name.size() > kMaxNameBytes) return Malformed(name, "too long");
  Segments segments = absl::StrSplit(name, '/');
  const auto keyword = std::find_if(segments.begin(), segments.end(), blob::IsReservedSegment);
  if (keyword == segments.end()) return Malformed(name, "it names no blob");
  if (std::find(segments.begin(), keyword, "") != keyword) {
    return Malformed(name, "the instance has an empty segment");
  }
  *instance = absl::StrJoin(segments.begin(), keyword, "/");
  segments.erase(segments.begin(), keyword);
  return segments;
}

// {blobs|compressed-blobs/{compressor}}/{hash}/{size}, then, if allowed, anything.
absl::StatusOr<ResourceName> ParseBlobPart(absl::string_view name,
                                           absl::Span<absl::string_view> rest,
                                           bool metadata_allowed, std::string instance) {
  ResourceName result;
  result.instance = std::move(instance);
  if (rest.empty()) return Malformed(name, "it names no blob");
  const bool compressed = rest[0] == "compressed-blobs";
  if (!compressed && rest[0] != "blobs") return Malformed(name, "it names no blob");
  rest.remove_prefix(1);
  if (compressed) {
    if (rest.empty() || rest[0].empty()) return Malformed(name, "it names no compressor");
    result.compressor = std::string(rest[0]);
    rest.remove_prefix(1);
  }
  if (rest.size() < 2) return Malformed(name, "expected HASH/SIZE");
  absl::StatusOr<blob::Digest> digest = blob::ParseDigest(absl::StrCat(rest[0], "/", rest[1]));
  if (!digest.ok()) {
    // With a digest function in front the hash comes one later.
    if (rest.size() >= 3 && !blob::IsValidHash(rest[0]) && blob::IsValidHash(rest[1])) {
      return Malformed(name, "only SHA-256 digests are supported");
    }
    return Malformed(name, digest.status().message());
  }
  if (rest.size() > 2 && !metadata_allowed) return Malformed(name, "there is more after the size");
  result.digest = *std::move(digest);
  return result;
}

}  // namespace

absl::StatusOr<ResourceName> ParseReadName(absl::string_view name) {
  std::string instance;
  absl::StatusOr<Segments> segments = SplitOffInstance(name, &instance);
  if (!segments.ok()) return segments.status();
  return ParseBlobPart(name, absl::MakeSpan(*segments), /*metadata_allowed=*/false,
                       std::move(instance));
}

absl::StatusOr<ResourceName> ParseWriteName(absl::string_view name) {
  std::string instance;
  absl::StatusOr<Segments> segments = SplitOffInstance(name, &instance);
  if (!segments.ok()) return segments.status();
  if (segments->front() != "uploads") return Malformed(name, "it is not for an upload");
  if (segments->size() < 2 || (*segments)[1].empty()) {
    return Malformed(name, "the upload has no id");
  }
  return ParseBlobPart(name, absl::MakeSpan(*segments).subspan(2), /*metadata_allowed=*/true,
                       std::move(instance));
}

}  // namespace rally::cas
