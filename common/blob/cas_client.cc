#include "common/blob/cas_client.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/blob/blob_key.h"
#include "common/blob/cas_calls.h"
#include "common/blob/file_digest.h"
#include "common/blob/received_bytes.h"
#include "common/blob/run_in_parallel.h"
#include "common/file_descriptor.h"

namespace rally::blob {
namespace {

// What a batch's message needs beside the bytes of one blob: digest, status, tags.
constexpr int64_t kOverheadPerBlobBytes = 150;
constexpr size_t kBlobsPerBatch = 4'000;
// Fewer aren't worth calls of their own; more are shared out, so that the store's cores share them,
// unless other callers keep these busy.
constexpr size_t kBlobsWorthACall = 50;
// Of a question which blobs are missing.
constexpr size_t kDigestsWorthARequest = 1'000;
constexpr size_t kDigestsPerRequest = 10'000;
// A size in a message from elsewhere is a claim until that many bytes came.
constexpr int64_t kLargestReserveBytes = 16 * 1024 * 1024;

absl::Status CheckDigests(absl::Span<const Digest> digests) {
  for (const Digest& digest : digests) {
    if (absl::Status valid = ValidateDigest(digest.hash, digest.size_bytes); !valid.ok()) {
      return valid;
    }
  }
  return absl::OkStatus();
}

// Which blobs travel together, as indices.
struct Plan {
  std::vector<std::vector<size_t>> batches;
  std::vector<size_t> streams;

  size_t size() const { return batches.size() + streams.size(); }
};

// `callers` is how many share the streams.
Plan MakePlan(absl::Span<const Digest> digests, int64_t batch_limit, int callers,
              const CasClient::Options& options) {
  const int64_t max_batched_blob = options.max_batched_blob_bytes;
  const size_t most_blobs = std::clamp(digests.size() / std::max(options.max_streams / callers, 1),
                                       kBlobsWorthACall, kBlobsPerBatch);
  const int64_t largest = std::min(max_batched_blob, batch_limit - kOverheadPerBlobBytes);
  Plan plan;
  int64_t bytes = 0;
  for (size_t i = 0; i < digests.size(); ++i) {
    if (digests[i].size_bytes > largest) {
      plan.streams.push_back(i);
      continue;
    }
    const int64_t cost = digests[i].size_bytes + kOverheadPerBlobBytes;
    if (plan.batches.empty() || bytes + cost > batch_limit ||
        plan.batches.back().size() >= most_blobs) {
      plan.batches.emplace_back();
      bytes = 0;
    }
    plan.batches.back().push_back(i);
    bytes += cost;
  }
  return plan;
}

// The bytes of a source to `to`, which has room for as many as the digest says.
absl::Status ReadSource(const BlobUpload& upload, char* to) {
  if (upload.keep_going) {
    if (absl::Status status = upload.keep_going(); !status.ok()) return status;
  }
  const size_t size = static_cast<size_t>(upload.digest.size_bytes);
  size_t filled = 0;
  if (const auto* bytes = std::get_if<std::string>(&upload.source)) {
    filled = bytes->size();
    if (filled == size) memcpy(to, bytes->data(), size);
  } else {
    absl::StatusOr<int> opened = std::get<1>(upload.source)();
    if (!opened.ok()) return opened.status();
    const FileDescriptor fd(*opened);
    while (filled < size) {
      const ssize_t n = read(fd.get(), to + filled, size - filled);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, absl::StrCat("reading ", upload.digest.ToString()));
      if (n == 0) break;
      filled += static_cast<size_t>(n);
    }
  }
  if (filled != size) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", upload.digest.ToString(),
                     ": the file changed while it was uploaded, it is shorter now; try again"));
  }
  return absl::OkStatus();
}

void Append(Pieces pieces, std::string* bytes) {
  bytes->reserve(bytes->size() + static_cast<size_t>(SizeOf(pieces)));
  for (const absl::string_view piece : pieces) bytes->append(piece.data(), piece.size());
}

// The next bytes of an open file: fewer than asked for only at its end.
absl::StatusOr<size_t> ReadNext(int fd, char* to, size_t bytes) {
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t n = read(fd, to + filled, bytes - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "reading the file to upload");
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  return filled;
}

}  // namespace

CasClient::CasClient(std::shared_ptr<grpc::Channel> channel, Options options)
    : calls_(std::make_unique<Calls>(std::move(channel), std::move(options))) {}

CasClient::~CasClient() = default;

absl::StatusOr<std::vector<Digest>> CasClient::FindMissing(absl::Span<const Digest> digests) {
  if (absl::Status valid = CheckDigests(digests); !valid.ok()) return valid;
  std::vector<Digest> asked;
  absl::flat_hash_set<BlobKey> seen = {BlobKey::OfEmptyBlob()};
  for (const Digest& digest : digests) {
    if (seen.insert(BlobKey::Of(digest)).second) asked.push_back(digest);
  }
  // In equal parts, so that the store's cores share them.
  const size_t streams = std::max(calls_->options().max_streams, 1);
  const size_t part =
      std::clamp((asked.size() + streams - 1) / streams, kDigestsWorthARequest, kDigestsPerRequest);
  std::vector<absl::flat_hash_set<BlobKey>> missing((asked.size() + part - 1) / part);
  absl::Status status = RunInParallel(missing.size(), streams, [&](size_t i) {
    return calls_->FindMissing(absl::MakeConstSpan(asked).subspan(i * part, part), &missing[i]);
  });
  if (!status.ok()) return status;
  // The order is the caller's, whatever the server's, and nothing that wasn't asked for.
  std::vector<Digest> result;
  for (size_t i = 0; i < asked.size(); ++i) {
    if (missing[i / part].contains(BlobKey::Of(asked[i]))) result.push_back(std::move(asked[i]));
  }
  return result;
}

absl::Status CasClient::Upload(std::vector<BlobUpload> uploads) {
  std::vector<Digest> digests;
  uploads.erase(
      std::remove_if(uploads.begin(), uploads.end(),
                     [](const BlobUpload& upload) { return upload.digest == EmptyBlobDigest(); }),
      uploads.end());
  for (const BlobUpload& upload : uploads) digests.push_back(upload.digest);
  if (absl::Status valid = CheckDigests(digests); !valid.ok()) return valid;
  if (digests.empty()) return absl::OkStatus();
  const absl::StatusOr<int64_t> batch_limit = calls_->BatchLimit();
  if (!batch_limit.ok()) return batch_limit.status();
  const int callers = ++callers_;
  const absl::Cleanup left = [this] { --callers_; };
  const Plan plan = MakePlan(digests, *batch_limit, callers, calls_->options());

  const auto send_batch = [&](const std::vector<size_t>& indices) -> absl::Status {
    std::vector<Digest> batch;
    for (size_t i : indices) batch.push_back(digests[i]);
    return calls_->UploadBatch(
        batch, [&](size_t k, char* to) { return ReadSource(uploads[indices[k]], to); });
  };
  const auto send_stream = [&](size_t i) {
    return calls_->StreamWrite(digests[i], [&, i]() -> absl::StatusOr<Calls::NextBytes> {
      if (const auto* bytes = std::get_if<std::string>(&uploads[i].source)) {
        // A file may have grown, but bytes at hand are all meant.
        if (static_cast<int64_t>(bytes->size()) != digests[i].size_bytes) {
          return NotWhatItSays(digests[i]);
        }
        return Calls::NextBytes([rest = absl::string_view(*bytes)](char* to, size_t most) mutable {
          const size_t copied = rest.copy(to, most);
          rest.remove_prefix(copied);
          return copied;
        });
      }
      absl::StatusOr<int> fd = std::get<1>(uploads[i].source)();
      if (!fd.ok()) return fd.status();
      // Shared, as std::function wants its callable copyable.
      auto file = std::make_shared<FileDescriptor>(*fd);
      return Calls::NextBytes([file, keep_going = uploads[i].keep_going](
                                  char* to, size_t bytes) -> absl::StatusOr<size_t> {
        if (keep_going) {
          if (absl::Status status = keep_going(); !status.ok()) return status;
        }
        return ReadNext(file->get(), to, bytes);
      });
    });
  };
  return RunInParallel(plan.size(), calls_->options().max_streams, [&](size_t work) {
    return work < plan.batches.size() ? send_batch(plan.batches[work])
                                      : send_stream(plan.streams[work - plan.batches.size()]);
  });
}

absl::StatusOr<std::vector<std::string>> CasClient::Read(absl::Span<const Digest> digests) {
  if (absl::Status valid = CheckDigests(digests); !valid.ok()) return valid;
  // Different ones only, since answers are found by digest.
  std::vector<Digest> wanted;
  absl::flat_hash_map<BlobKey, size_t> position;
  for (const Digest& digest : digests) {
    if (digest != EmptyBlobDigest() &&
        position.emplace(BlobKey::Of(digest), wanted.size()).second) {
      wanted.push_back(digest);
    }
  }
  std::vector<std::string> fetched(wanted.size());
  if (!wanted.empty()) {
    const absl::StatusOr<int64_t> batch_limit = calls_->BatchLimit();
    if (!batch_limit.ok()) return batch_limit.status();
    const int callers = ++callers_;
    const absl::Cleanup left = [this] { --callers_; };
    const Plan plan = MakePlan(wanted, *batch_limit, callers, calls_->options());
    const auto read_batch = [&](const std::vector<size_t>& indices) -> absl::Status {
      std::vector<Digest> batch;
      for (size_t i : indices) batch.push_back(wanted[i]);
      return calls_->BatchRead(
          batch, [&](size_t k, Pieces bytes) { Append(bytes, &fetched[indices[k]]); });
    };
    const auto read_stream = [&](size_t i) {
      fetched[i].reserve(std::min(wanted[i].size_bytes, kLargestReserveBytes));
      return calls_->StreamRead(wanted[i], [&fetched, i](absl::string_view piece) {
        fetched[i].append(piece.data(), piece.size());
        return absl::OkStatus();
      });
    };
    absl::Status status =
        RunInParallel(plan.size(), calls_->options().max_streams, [&](size_t work) {
          return work < plan.batches.size() ? read_batch(plan.batches[work])
                                            : read_stream(plan.streams[work - plan.batches.size()]);
        });
    if (!status.ok()) return status;
  }
  // All different, as most callers ask: nothing to copy.
  if (wanted.size() == digests.size()) return fetched;
  std::vector<std::string> blobs(digests.size());
  for (size_t i = 0; i < digests.size(); ++i) {
    const auto found = position.find(BlobKey::Of(digests[i]));
    if (found != position.end()) blobs[i] = fetched[found->second];
  }
  return blobs;
}

absl::Status CasClient::ReadEach(absl::Span<const Digest> digests, const Take& take) {
  if (absl::Status valid = CheckDigests(digests); !valid.ok()) return valid;
  if (digests.empty()) return absl::OkStatus();
  const absl::StatusOr<int64_t> batch_limit = calls_->BatchLimit();
  if (!batch_limit.ok()) return batch_limit.status();
  // One call after another: whoever wants several at a time calls this several times.
  const Plan plan =
      MakePlan(digests, *batch_limit, calls_->options().max_streams, calls_->options());
  for (const std::vector<size_t>& indices : plan.batches) {
    std::vector<Digest> batch;
    std::vector<size_t> numbers;
    for (size_t i : indices) {
      if (digests[i] == EmptyBlobDigest()) {
        take(i, {});
        continue;
      }
      batch.push_back(digests[i]);
      numbers.push_back(i);
    }
    if (batch.empty()) continue;
    absl::Status status =
        calls_->BatchRead(batch, [&](size_t k, Pieces bytes) { take(numbers[k], bytes); });
    if (!status.ok()) return status;
  }
  for (size_t i : plan.streams) {
    std::string bytes;
    bytes.reserve(std::min(digests[i].size_bytes, kLargestReserveBytes));
    absl::Status status = calls_->StreamRead(digests[i], [&bytes](absl::string_view piece) {
      bytes.append(piece.data(), piece.size());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    const absl::string_view whole = bytes;
    take(i, absl::MakeConstSpan(&whole, 1));
  }
  return absl::OkStatus();
}

absl::Status CasClient::ReadToFile(const Digest& digest, int fd) {
  if (absl::Status valid = CheckDigests({digest}); !valid.ok()) return valid;
  if (digest == EmptyBlobDigest()) return absl::OkStatus();
  return calls_->StreamRead(digest, [fd](absl::string_view piece) { return WriteAll(fd, piece); });
}

}  // namespace rally::blob
