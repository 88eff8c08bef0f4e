// blob-server DIRECTORY [ADDRESS]: Rally's blob service and nothing else, in a process of its own,
// for tests of stores elsewhere. Says where it listens, and goes on until it's killed.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "controller/blob/embedded_backend.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: blob-server DIRECTORY [ADDRESS]\n";
    return 2;
  }
  std::string address = argc > 2 ? argv[2] : "127.0.0.1:0";
  auto blobs = rally::cas::EmbeddedBackend::Open(argv[1], rally::cas::DiskStoreOptions());
  if (!blobs.ok()) {
    std::cerr << "blob-server: " << blobs.status() << "\n";
    return 1;
  }
  grpc::ServerBuilder builder;
  rally::rpc::ConfigureServer(&builder);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  (*blobs)->AddTo(&builder);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "blob-server: can't listen on " << address << "\n";
    return 1;
  }
  if (!absl::StartsWith(address, "unix:")) {
    address = absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
  }
  std::cout << "listening on " << address << std::endl;
  while (true) pause();
}
