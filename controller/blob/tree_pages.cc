#include "controller/blob/tree_pages.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/blob/digest_proto.h"
#include "controller/blob/message_bulk.h"

namespace rally::cas {
namespace {

absl::Status BadToken(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("this page token ", why, "; begin with the first page again"));
}

}  // namespace

absl::Status TreePages::Begin(const blob::Digest& root, int page_directories,
                              absl::string_view token) {
  if (page_directories < 0) return absl::InvalidArgumentError("the page size is negative");
  page_directories_ = page_directories;
  int64_t count = 0;
  blob::Digest last;
  if (!token.empty()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(token, absl::MaxSplits(':', 1));
    absl::StatusOr<blob::Digest> digest = blob::ParseDigest(parts.second);
    if (!absl::SimpleAtoi(parts.first, &count) || count <= 0 || !digest.ok()) {
      return BadToken("is none of this server");
    }
    last = *std::move(digest);
  }
  Directory directory;
  if (absl::Status status = Load(root, &directory); !status.ok()) return status;
  seen_.insert(root);
  upcoming_ = std::move(directory);
  upcoming_digest_ = root;
  while (handed_out_ < count) {
    if (!upcoming_.has_value()) return BadToken("is of another tree, or parts of it were lost");
    last_ = upcoming_digest_;
    ++handed_out_;
    if (absl::Status status = Advance(); !status.ok()) return status;
  }
  if (count > 0 && last_ != last) {
    return BadToken("is of another tree, or parts of it were lost");
  }
  return absl::OkStatus();
}

absl::Status TreePages::Next(build::bazel::remote::execution::v2::GetTreeResponse* page) {
  page->Clear();
  int64_t bytes = 0;
  while (upcoming_.has_value()) {
    const int64_t size = upcoming_->ByteSizeLong();
    const int in_page = page->directories_size();
    if (in_page > 0 && (bytes + size > limits_.page_bytes || in_page == page_directories_)) break;
    bytes += size;
    last_ = upcoming_digest_;
    ++handed_out_;
    *page->add_directories() = *upcoming_;
    if (absl::Status status = Advance(); !status.ok()) return status;
  }
  if (upcoming_.has_value()) page->set_next_page_token(Token());
  return absl::OkStatus();
}

absl::Status TreePages::Advance() {
  for (const auto& child : upcoming_->directories()) {
    absl::StatusOr<blob::Digest> digest = blob::FromProto(child.digest());
    // One that is no digest names no blob.
    if (digest.ok() && seen_.insert(*digest).second) waiting_.push_back(*std::move(digest));
    if (seen_.size() > limits_.directories) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the tree has more than ", limits_.directories, " directories"));
    }
  }
  upcoming_.reset();
  while (!waiting_.empty() && !upcoming_.has_value()) {
    upcoming_digest_ = std::move(waiting_.front());
    waiting_.pop_front();
    Directory directory;
    absl::Status status = Load(upcoming_digest_, &directory);
    if (status.ok()) {
      upcoming_ = std::move(directory);
    } else if (!absl::IsNotFound(status) && !absl::IsInvalidArgument(status)) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status TreePages::Load(const blob::Digest& digest, Directory* directory) {
  if (digest.size_bytes > limits_.directory_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest.ToString(), " is too large to be a directory"));
  }
  absl::StatusOr<std::string> bytes = store_->ReadAll(digest);
  if (!bytes.ok()) return bytes.status();
  if (ParseWithinBulk(*bytes, directory).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("blob ", digest.ToString(), " is no directory"));
}

std::string TreePages::Token() const { return absl::StrCat(handed_out_, ":", last_.ToString()); }

}  // namespace rally::cas
