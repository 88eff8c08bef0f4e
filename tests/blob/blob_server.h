#ifndef RALLY_TESTS_BLOB_BLOB_SERVER_H_
#define RALLY_TESTS_BLOB_BLOB_SERVER_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/blob/action_cache_store.h"
#include "controller/blob/blob_services.h"
#include "controller/blob/disk_store.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace rally::testing {

// A blob service on a free port of the loopback, over a directory of its own that goes with it.
// Threads: construct and destroy on one. Blocking: both, a little.
class BlobServer {
 public:
  struct Options {
    cas::DiskStoreOptions store;
    cas::BlobServices::Options services;
  };

  BlobServer() : BlobServer(Options()) {}
  explicit BlobServer(Options options) : options_(std::move(options)) {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/blobs_XXXXXX");
    directory_ = mkdtemp(pattern.data());
    other_address_ = absl::StrCat("unix-abstract:", directory_.filename().string(), "-", getpid());
    Open();
    Start();
  }
  ~BlobServer() {
    Stop();
    Close();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(),
                             &port_);
    builder.AddListeningPort(other_address_, grpc::InsecureServerCredentials());
    services_->AddTo(&builder);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  // As another process that goes on with what the first one left on disk.
  void Restart() {
    Stop();
    Close();
    Open();
    Start();
  }

  // Over a connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  // The server takes it for another host's.
  std::shared_ptr<grpc::Channel> NewChannelFromAnotherHost() const {
    return grpc::CreateChannel(other_address_, grpc::InsecureChannelCredentials());
  }
  cas::DiskStore& store() { return *store_; }
  cas::ActionCacheStore& results() { return *results_; }
  cas::BlobServices& services() { return *services_; }
  const std::filesystem::path& directory() const { return directory_; }

 private:
  void Open() {
    store_ = cas::DiskStore::Open(directory_.string(), options_.store).value();
    results_ = cas::ActionCacheStore::Open((directory_ / "action-cache.db").string(), {}).value();
    services_ =
        std::make_unique<cas::BlobServices>(store_.get(), results_.get(), options_.services);
  }
  void Close() {
    services_.reset();
    results_.reset();
    store_.reset();
  }

  const Options options_;
  std::filesystem::path directory_;
  std::string other_address_;
  std::unique_ptr<cas::DiskStore> store_;
  std::unique_ptr<cas::ActionCacheStore> results_;
  std::unique_ptr<cas::BlobServices> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace rally::testing

#endif  // RALLY_TESTS_BLOB_BLOB_SERVER_H_
