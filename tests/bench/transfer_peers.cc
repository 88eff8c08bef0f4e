// What transfers are compared with, each as plain as it can be. Prints seconds.
//
//   transfer_peers sha256 FILE        OpenSSL's SHA-256 of a file in memory, one core
//   transfer_peers hash-list FILE     opening, reading and hashing each file that FILE names
//   transfer_peers grpc FILE          its bytes as a gRPC stream over loopback: "up" and "down"
//   transfer_peers copy FROM TO       a tree through two sockets, SHA-256 at both ends
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/blob/digest.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"

namespace rally {
namespace {

namespace fs = std::filesystem;
namespace bytestream = google::bytestream;

constexpr size_t kFrameBytes = 1 << 20;
constexpr int kConnections = 2;

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "transfer_peers: " << why << ": " << strerror(errno) << "\n";
  _exit(1);
}

std::string ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) Die(path);
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = read(fd, &bytes[filled], bytes.size() - filled);
    if (n <= 0) Die(path);
    filled += static_cast<size_t>(n);
  }
  close(fd);
  return bytes;
}

// Seconds that `work` takes.
template <typename Work>
double Time(const Work& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - start);
}

double HashInMemory(const std::string& path) {
  const std::string bytes = ReadFile(path);
  return Time([&] { blob::DigestOf(bytes); });
}

double HashFiles(const std::string& list) {
  std::ifstream names(list);
  std::vector<std::string> paths;
  for (std::string path; std::getline(names, path);) paths.push_back(path);
  return Time([&] {
    for (const std::string& path : paths) {
      const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.valid() || !blob::DigestOfFile(file.get()).ok()) Die(path);
    }
  });
}

// Takes and hands out bytes, and does nothing with them.
class PlainStreams : public bytestream::ByteStream::Service {
 public:
  explicit PlainStreams(const std::string& bytes) : bytes_(bytes) {}

  grpc::Status Write(grpc::ServerContext* /*context*/,
                     grpc::ServerReader<bytestream::WriteRequest>* reader,
                     bytestream::WriteResponse* response) override {
    bytestream::WriteRequest request;
    int64_t sum = 0;
    while (reader->Read(&request)) sum += static_cast<int64_t>(request.data().size());
    response->set_committed_size(sum);
    return grpc::Status::OK;
  }

  grpc::Status Read(grpc::ServerContext* /*context*/, const bytestream::ReadRequest* /*request*/,
                    grpc::ServerWriter<bytestream::ReadResponse>* writer) override {
    bytestream::ReadResponse response;
    for (size_t at = 0; at < bytes_.size(); at += kFrameBytes) {
      response.set_data(bytes_.data() + at, std::min(kFrameBytes, bytes_.size() - at));
      writer->Write(response);
    }
    return grpc::Status::OK;
  }

 private:
  const std::string& bytes_;
};

// In a process of its own until its stdin ends; its port is the first thing it says.
void ServePlainStreams(const std::string& bytes, int port_fd, int stop_fd) {
  PlainStreams service(bytes);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || write(port_fd, &port, sizeof(port)) != sizeof(port)) Die("serving");
  char end;
  while (read(stop_fd, &end, 1) > 0) {
  }
  server->Shutdown();
}

void StreamByGrpc(const std::string& path) {
  const std::string bytes = ReadFile(path);
  int port_pipe[2], stop_pipe[2];
  if (pipe(port_pipe) != 0 || pipe(stop_pipe) != 0) Die("pipe");
  // Before gRPC starts its threads.
  const pid_t server = fork();
  if (server == 0) {
    close(stop_pipe[1]);
    ServePlainStreams(bytes, port_pipe[1], stop_pipe[0]);
    _exit(0);
  }
  int port = 0;
  if (read(port_pipe[0], &port, sizeof(port)) != sizeof(port)) Die("the server didn't start");
  {
    const auto stub = bytestream::ByteStream::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    const double up = Time([&] {
      grpc::ClientContext context;
      bytestream::WriteResponse response;
      const auto writer = stub->Write(&context, &response);
      bytestream::WriteRequest request;
      for (size_t at = 0; at < bytes.size(); at += kFrameBytes) {
        request.set_data(bytes.data() + at, std::min(kFrameBytes, bytes.size() - at));
        writer->Write(request);
      }
      writer->WritesDone();
      if (!writer->Finish().ok() || response.committed_size() != int64_t(bytes.size())) Die("up");
    });
    const double down = Time([&] {
      grpc::ClientContext context;
      const auto reader = stub->Read(&context, bytestream::ReadRequest());
      bytestream::ReadResponse response;
      size_t sum = 0;
      while (reader->Read(&response)) sum += response.data().size();
      if (!reader->Finish().ok() || sum != bytes.size()) Die("down");
    });
    std::cout << up << " " << down << "\n";
  }
  close(stop_pipe[1]);
  waitpid(server, nullptr, 0);
}

// One file on its way: this, its path, its bytes, its hash.
struct FileHeader {
  uint32_t path_bytes;
  uint32_t size_bytes;
};

void SendAll(int fd, const void* data, size_t size) {
  for (auto* at = static_cast<const char*>(data); size > 0;) {
    const ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
    if (n <= 0) Die("send");
    at += n;
    size -= static_cast<size_t>(n);
  }
}

// False at the end of the stream.
bool ReceiveAll(int fd, void* data, size_t size) {
  for (auto* at = static_cast<char*>(data); size > 0;) {
    const ssize_t n = recv(fd, at, size, 0);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void ReceiveFiles(int socket, const std::string& target) {
  FileHeader header;
  std::string path, bytes, hash(64, '\0');
  while (ReceiveAll(socket, &header, sizeof(header))) {
    path.resize(header.path_bytes);
    bytes.resize(header.size_bytes);
    if (!ReceiveAll(socket, path.data(), path.size()) ||
        !ReceiveAll(socket, bytes.data(), bytes.size()) ||
        !ReceiveAll(socket, hash.data(), hash.size())) {
      Die("the sender stopped");
    }
    if (blob::DigestOf(bytes).hash != hash) Die("wrong bytes");
    const std::string full = absl::StrCat(target, "/", path);
    int fd = open(full.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) {
      fs::create_directories(fs::path(full).parent_path());
      fd = open(full.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    }
    if (fd < 0 || write(fd, bytes.data(), bytes.size()) != ssize_t(bytes.size())) Die(full);
    close(fd);
  }
  SendAll(socket, "k", 1);
}

void SendFiles(int socket, const std::string& source, const std::vector<std::string>& paths,
               size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    const std::string bytes = ReadFile(absl::StrCat(source, "/", paths[i]));
    const std::string hash = blob::DigestOf(bytes).hash;
    const FileHeader header{static_cast<uint32_t>(paths[i].size()),
                            static_cast<uint32_t>(bytes.size())};
    SendAll(socket, &header, sizeof(header));
    SendAll(socket, paths[i].data(), paths[i].size());
    SendAll(socket, bytes.data(), bytes.size());
    SendAll(socket, hash.data(), hash.size());
  }
  shutdown(socket, SHUT_WR);
  char done;
  if (!ReceiveAll(socket, &done, 1)) Die("the receiver stopped");
}

double CopyTree(const std::string& source, const std::string& target) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, any, length) != 0 || listen(listener, kConnections) != 0 ||
      getsockname(listener, any, &length) != 0) {
    Die("listening");
  }
  const pid_t receiver = fork();
  if (receiver == 0) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kConnections; ++i) {
      const int connection = accept(listener, nullptr, nullptr);
      threads.emplace_back([=] { ReceiveFiles(connection, target); });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(0);
  }
  const double seconds = Time([&] {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      if (entry.is_regular_file()) {
        paths.push_back(entry.path().string().substr(source.size() + 1));
      }
    }
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kConnections; ++i) {
      const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(connection, any, length) != 0) Die("connecting");
      threads.emplace_back([&, connection, i] {
        SendFiles(connection, source, paths, paths.size() * i / kConnections,
                  paths.size() * (i + 1) / kConnections);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  int status = 0;
  waitpid(receiver, &status, 0);
  if (status != 0) Die("the receiver failed");
  return seconds;
}

int Main(const std::vector<std::string>& words) {
  if (words.size() == 2 && words[0] == "sha256") {
    std::cout << HashInMemory(words[1]) << "\n";
  } else if (words.size() == 2 && words[0] == "hash-list") {
    std::cout << HashFiles(words[1]) << "\n";
  } else if (words.size() == 2 && words[0] == "grpc") {
    StreamByGrpc(words[1]);
  } else if (words.size() == 3 && words[0] == "copy") {
    std::cout << CopyTree(words[1], words[2]) << "\n";
  } else {
    std::cerr << "usage: transfer_peers sha256|hash-list|grpc FILE, or copy FROM TO\n";
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace rally

int main(int argc, char** argv) { return rally::Main({argv + 1, argv + argc}); }
