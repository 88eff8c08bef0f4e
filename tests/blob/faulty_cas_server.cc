#include "tests/blob/faulty_cas_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/bytestream/bytestream.grpc.pb.h"

namespace rally::testing {

namespace reapi = build::bazel::remote::execution::v2;
namespace bytestream = google::bytestream;

namespace {

constexpr size_t kFrameBytes = 256 * 1024;

std::string NameOf(const reapi::Digest& digest) {
  return absl::StrCat(digest.hash(), "/", digest.size_bytes());
}

grpc::Status Refuse(const std::string& why) {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why);
}

// HASH/SIZE of a name that begins so and has so many segments; "" if it is another.
std::string BlobIn(const std::string& resource, const std::string& first, size_t segments) {
  const std::vector<std::string> parts = absl::StrSplit(resource, '/');
  if (parts.size() != segments || parts[0] != first || parts[segments - 3] != "blobs") return "";
  return absl::StrCat(parts[segments - 2], "/", parts[segments - 1]);
}

size_t SizeIn(const std::string& name) {
  size_t size = 0;
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return absl::SimpleAtoi(parts.back(), &size) ? size : 0;
}

}  // namespace

class FaultyCasServer::Cas : public reapi::ContentAddressableStorage::Service {
 public:
  explicit Cas(FaultyCasServer* owner) : owner_(owner) {}

  grpc::Status FindMissingBlobs(grpc::ServerContext*, const reapi::FindMissingBlobsRequest* request,
                                reapi::FindMissingBlobsResponse* response) override {
    std::string call = "find";
    for (const auto& digest : request->blob_digests()) absl::StrAppend(&call, " ", digest.hash());
    grpc::Status status = owner_->Enter(&Seen::find_calls, call);
    if (!status.ok()) return status;
    absl::MutexLock lock(&owner_->mutex_);
    owner_->seen_.largest_find =
        std::max<int64_t>(owner_->seen_.largest_find, request->blob_digests_size());
    for (const auto& digest : request->blob_digests()) {
      if (owner_->blobs_.count(NameOf(digest)) == 0) *response->add_missing_blob_digests() = digest;
    }
    if (owner_->faults_.nonsense) response->add_missing_blob_digests()->set_hash("nonsense");
    return grpc::Status::OK;
  }

  grpc::Status BatchUpdateBlobs(grpc::ServerContext*, const reapi::BatchUpdateBlobsRequest* request,
                                reapi::BatchUpdateBlobsResponse* response) override {
    std::string call = "update";
    int64_t bytes = 0;
    for (const auto& part : request->requests()) {
      absl::StrAppend(&call, " ", part.digest().hash());
      bytes += static_cast<int64_t>(part.data().size());
      if (part.compressor() != reapi::Compressor::IDENTITY) owner_->SawCompression();
    }
    grpc::Status status = owner_->EnterBatch(&Seen::update_calls, call, bytes);
    if (!status.ok()) return status;
    const Faults faults = owner_->faults();
    for (const auto& part : request->requests()) {
      if (faults.forgetful && response->responses_size() + 1 == request->requests_size()) break;
      auto* const answer = response->add_responses();
      *answer->mutable_digest() = part.digest();
      const std::string name = NameOf(part.digest());
      if (owner_->IsAmongFirst(faults.failing_blob_attempts, "update " + name)) {
        answer->mutable_status()->set_code(faults.blob_status);
      } else if (blob::DigestOf(part.data()).ToString() != name) {
        // What some real servers say.
        answer->mutable_status()->set_code(grpc::StatusCode::FAILED_PRECONDITION);
      }
      absl::MutexLock lock(&owner_->mutex_);
      ++owner_->seen_.updated_blobs;
      if (answer->status().code() == 0) owner_->blobs_[name] = part.data();
    }
    return grpc::Status::OK;
  }

  grpc::Status BatchReadBlobs(grpc::ServerContext*, const reapi::BatchReadBlobsRequest* request,
                              reapi::BatchReadBlobsResponse* response) override {
    std::string call = "read";
    int64_t bytes = 0;
    for (const auto& digest : request->digests()) {
      absl::StrAppend(&call, " ", digest.hash());
      bytes += digest.size_bytes();
    }
    if (request->acceptable_compressors_size() > 0) owner_->SawCompression();
    grpc::Status status = owner_->EnterBatch(&Seen::batch_read_calls, call, bytes);
    if (!status.ok()) return status;
    const Faults faults = owner_->faults();
    for (const auto& digest : request->digests()) {
      if (faults.forgetful && response->responses_size() + 1 == request->digests_size()) break;
      auto* const answer = response->add_responses();
      *answer->mutable_digest() = digest;
      if (owner_->IsAmongFirst(faults.failing_blob_attempts, "read " + NameOf(digest))) {
        answer->mutable_status()->set_code(faults.blob_status);
      } else if (!owner_->Load(NameOf(digest), answer->mutable_data())) {
        answer->mutable_status()->set_code(grpc::StatusCode::NOT_FOUND);
      }
    }
    return grpc::Status::OK;
  }

 private:
  FaultyCasServer* const owner_;
};

class FaultyCasServer::ByteStream : public bytestream::ByteStream::Service {
 public:
  explicit ByteStream(FaultyCasServer* owner) : owner_(owner) {}

  grpc::Status Read(grpc::ServerContext*, const bytestream::ReadRequest* request,
                    grpc::ServerWriter<bytestream::ReadResponse>* writer) override {
    const std::string name = BlobIn(request->resource_name(), "blobs", 3);
    if (name.empty()) return Refuse(request->resource_name() + " is no name to read");
    grpc::Status status = owner_->Enter(&Seen::read_calls, "stream from " + name);
    if (!status.ok()) return status;
    {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->seen_.read_offsets.push_back(request->read_offset());
    }
    std::string bytes;
    if (!owner_->Load(name, &bytes)) return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
    if (request->read_offset() > static_cast<int64_t>(bytes.size())) {
      return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "no such offset");
    }
    const Faults faults = owner_->faults();
    if (faults.surplus_byte) bytes.push_back('!');
    absl::string_view rest = absl::string_view(bytes).substr(request->read_offset());
    const bool cut = owner_->IsAmongFirst(faults.cut_streams, "cut " + name);
    if (cut) rest = rest.substr(0, rest.size() / 2);
    while (!rest.empty()) {
      bytestream::ReadResponse frame;
      frame.set_data(std::string(rest.substr(0, kFrameBytes)));
      rest.remove_prefix(frame.data().size());
      if (!writer->Write(frame)) return grpc::Status::CANCELLED;
    }
    return cut ? grpc::Status(faults.cut_status, "") : grpc::Status::OK;
  }

  grpc::Status Write(grpc::ServerContext*, grpc::ServerReader<bytestream::WriteRequest>* reader,
                     bytestream::WriteResponse* response) override {
    const Faults faults = owner_->faults();
    bytestream::WriteRequest frame;
    std::string name;
    std::string upload;
    std::string bytes;
    bool cut = false;
    bool finished = false;
    while (!finished && reader->Read(&frame)) {
      if (name.empty()) {
        upload = frame.resource_name();
        name = BlobIn(upload, "uploads", 5);
        if (name.empty()) return Refuse(upload + " is no name to write");
        grpc::Status status = owner_->Enter(&Seen::write_calls, "stream to " + name);
        if (!status.ok()) return status;
        cut = owner_->IsAmongFirst(faults.cut_uploads, "cut " + name);
        absl::MutexLock lock(&owner_->mutex_);
        owner_->seen_.write_offsets.push_back(frame.write_offset());
        if (frame.write_offset() > 0) bytes = owner_->uploads_[upload];
      }
      if (frame.write_offset() != static_cast<int64_t>(bytes.size())) return Refuse("a gap");
      bytes += frame.data();
      finished = frame.finish_write();
      if (cut && 2 * bytes.size() >= SizeIn(name)) {
        if (faults.damages_uploads) bytes[0] ^= 1;
        absl::MutexLock lock(&owner_->mutex_);
        owner_->uploads_[upload] = std::move(bytes);
        return grpc::Status(faults.cut_status, "");
      }
    }
    if (!finished) return Refuse("it never finished");
    if (blob::DigestOf(bytes).ToString() != name) {
      return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "");
    }
    response->set_committed_size(static_cast<int64_t>(bytes.size()));
    absl::MutexLock lock(&owner_->mutex_);
    owner_->blobs_[name] = std::move(bytes);
    return grpc::Status::OK;
  }

  grpc::Status QueryWriteStatus(grpc::ServerContext*,
                                const bytestream::QueryWriteStatusRequest* request,
                                bytestream::QueryWriteStatusResponse* response) override {
    if (!owner_->faults().knows_write_status) {
      return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
    }
    absl::MutexLock lock(&owner_->mutex_);
    const auto upload = owner_->uploads_.find(request->resource_name());
    if (upload == owner_->uploads_.end()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
    response->set_committed_size(static_cast<int64_t>(upload->second.size()));
    return grpc::Status::OK;
  }

 private:
  FaultyCasServer* const owner_;
};

class FaultyCasServer::Capabilities : public reapi::Capabilities::Service {
 public:
  explicit Capabilities(FaultyCasServer* owner) : owner_(owner) {}

  grpc::Status GetCapabilities(grpc::ServerContext*, const reapi::GetCapabilitiesRequest*,
                               reapi::ServerCapabilities* response) override {
    grpc::Status status = owner_->Enter(&Seen::capabilities_calls, "capabilities");
    if (!status.ok()) return status;
    const Faults faults = owner_->faults();
    if (faults.without_capabilities) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
    auto* const cache = response->mutable_cache_capabilities();
    for (auto function : faults.digest_functions) cache->add_digest_function(function);
    cache->set_max_batch_total_size_bytes(faults.max_batch_bytes);
    response->mutable_low_api_version()->set_major(faults.low_version);
    response->mutable_high_api_version()->set_major(faults.high_version);
    return grpc::Status::OK;
  }

 private:
  FaultyCasServer* const owner_;
};

FaultyCasServer::FaultyCasServer(Faults faults)
    : faults_(std::move(faults)),
      cas_(std::make_unique<Cas>(this)),
      byte_stream_(std::make_unique<ByteStream>(this)),
      capabilities_(std::make_unique<Capabilities>(this)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(cas_.get());
  builder.RegisterService(byte_stream_.get());
  builder.RegisterService(capabilities_.get());
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FaultyCasServer::~FaultyCasServer() {
  stopping_.Notify();
  server_->Shutdown(std::chrono::system_clock::now());
}

std::shared_ptr<grpc::Channel> FaultyCasServer::NewChannel() const {
  return grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
}

void FaultyCasServer::SetFaults(Faults faults) {
  absl::MutexLock lock(&mutex_);
  faults_ = std::move(faults);
  attempts_.clear();
}

FaultyCasServer::Seen FaultyCasServer::seen() const {
  absl::MutexLock lock(&mutex_);
  return seen_;
}

FaultyCasServer::Faults FaultyCasServer::faults() const {
  absl::MutexLock lock(&mutex_);
  return faults_;
}

blob::Digest FaultyCasServer::Put(const std::string& bytes) {
  const blob::Digest digest = blob::DigestOf(bytes);
  absl::MutexLock lock(&mutex_);
  blobs_[digest.ToString()] = bytes;
  return digest;
}

grpc::Status FaultyCasServer::Enter(int64_t Seen::*counter, const std::string& call) {
  Faults faults;
  {
    absl::MutexLock lock(&mutex_);
    ++(seen_.*counter);
    faults = faults_;
  }
  stopping_.WaitForNotificationWithTimeout(faults.delay);
  if (IsAmongFirst(faults.failing_attempts, call)) return grpc::Status(faults.status, "not now");
  return grpc::Status::OK;
}

grpc::Status FaultyCasServer::EnterBatch(int64_t Seen::*counter, const std::string& call,
                                         int64_t bytes) {
  int64_t limit;
  {
    absl::MutexLock lock(&mutex_);
    seen_.largest_batch_bytes = std::max(seen_.largest_batch_bytes, bytes);
    limit = faults_.max_batch_bytes;
  }
  if (limit > 0 && bytes > limit) return Refuse("the batch is too large");
  return Enter(counter, call);
}

bool FaultyCasServer::IsAmongFirst(int count, const std::string& what) {
  if (count == 0) return false;
  absl::MutexLock lock(&mutex_);
  return attempts_[what]++ < count;
}

void FaultyCasServer::SawCompression() {
  absl::MutexLock lock(&mutex_);
  seen_.compression_wanted = true;
}

bool FaultyCasServer::Load(const std::string& name, std::string* bytes) {
  absl::MutexLock lock(&mutex_);
  const auto found = blobs_.find(name);
  if (found == blobs_.end() || faults_.lost) return false;
  *bytes = found->second;
  if (faults_.wrong_bytes && !bytes->empty()) bytes->back() ^= 1;
  return true;
}

}  // namespace rally::testing
