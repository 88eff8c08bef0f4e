#ifndef RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_
#define RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_

#include "controller/blob/byte_stream_service.h"
#include "controller/blob/cas_service.h"
#include "controller/blob/disk_store.h"
#include "controller/worker_pool.h"
#include "grpcpp/server_builder.h"

namespace rally::cas {

// The blob service as a server takes it in: CAS, ByteStream and Capabilities over one DiskStore,
// and the threads that they work on.
// Ownership: the store must outlive it; it must outlive the server that it is registered with.
// Threads: any. Blocking: the destructor, until started disk work is done.
class BlobServices {
 public:
  struct Options {
    int disk_threads = 8;
    int max_queued_calls = 1'000;
    bool action_cache_writable = false;
  };

  explicit BlobServices(DiskStore* store) : BlobServices(store, Options()) {}
  BlobServices(DiskStore* store, const Options& options)
      : threads_(options.disk_threads, options.max_queued_calls),
        cas_(store, &threads_),
        byte_stream_(store, &threads_),
        capabilities_(options.action_cache_writable) {}

  // Registers the services and raises the limit of received messages to what batches need.
  void AddTo(grpc::ServerBuilder* builder) {
    builder->RegisterService(&cas_);
    builder->RegisterService(&byte_stream_);
    builder->RegisterService(&capabilities_);
    builder->SetMaxReceiveMessageSize(CasService::kMaxMessageBytes);
  }

 private:
  controller::WorkerPool threads_;
  CasService cas_;
  ByteStreamService byte_stream_;
  CapabilitiesService capabilities_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_
