#ifndef RALLY_TESTS_BLOB_FORWARDING_SERVER_H_
#define RALLY_TESTS_BLOB_FORWARDING_SERVER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "controller/blob/forward/forwarding_services.h"
#include "grpcpp/grpcpp.h"

namespace rally::testing {

// A server on a free port of the loopback that forwards to another store, as a controller does.
// Threads: construct and destroy on one. Blocking: both, a little.
class ForwardingServer {
 public:
  ForwardingServer(const std::shared_ptr<grpc::Channel>& store, cas::Upstream::Options options)
      : services_(store, std::move(options)) {
    grpc::ServerBuilder builder;
    rpc::ConfigureServer(&builder);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    services_.AddTo(&builder);
    server_ = builder.BuildAndStart();
  }
  ~ForwardingServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  std::shared_ptr<grpc::Channel> NewChannel() const {
    return grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                               grpc::InsecureChannelCredentials());
  }

 private:
  cas::ForwardingServices services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace rally::testing

#endif  // RALLY_TESTS_BLOB_FORWARDING_SERVER_H_
