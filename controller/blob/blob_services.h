#ifndef RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_
#define RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_

#include "controller/blob/action_cache.h"
#include "controller/blob/action_cache_service.h"
#include "controller/blob/action_cache_store.h"
#include "controller/blob/byte_stream_service.h"
#include "controller/blob/capabilities_service.h"
#include "controller/blob/cas_service.h"
#include "controller/blob/disk_store.h"
#include "controller/worker_pool.h"
#include "grpcpp/server_builder.h"

namespace rally::cas {

// The blob service as a server takes it in: CAS, ByteStream, ActionCache and Capabilities over two
// stores, and the threads that they work on.
// Ownership: the stores must outlive it; it must outlive the server that it is registered with.
// Threads: any. Blocking: the destructor, until started disk work is done.
class BlobServices {
 public:
  struct Options {
    int disk_threads = 8;
    int max_queued_calls = 1'000;
    ByteStreamLimits streams;
  };

  BlobServices(DiskStore* blobs, ActionCacheStore* results)
      : BlobServices(blobs, results, Options()) {}
  BlobServices(DiskStore* blobs, ActionCacheStore* results, const Options& options)
      : threads_(options.disk_threads, options.max_queued_calls),
        action_cache_(results, blobs),
        cas_service_(blobs, &threads_, options.streams.idle),
        byte_stream_service_(blobs, &threads_, options.streams),
        action_cache_service_(&action_cache_, blobs, &threads_),
        capabilities_service_(options.streams.max_blob_bytes) {}

  // Registers the services and raises the limit of received messages to what batches need.
  void AddTo(grpc::ServerBuilder* builder) {
    builder->RegisterService(&cas_service_);
    builder->RegisterService(&byte_stream_service_);
    builder->RegisterService(&action_cache_service_);
    builder->RegisterService(&capabilities_service_);
    builder->SetMaxReceiveMessageSize(CasService::kMaxMessageBytes);
  }

  // For the process itself, which may write every instance.
  ActionCache& action_cache() { return action_cache_; }

 private:
  controller::WorkerPool threads_;
  ActionCache action_cache_;
  CasService cas_service_;
  ByteStreamService byte_stream_service_;
  ActionCacheService action_cache_service_;
  CapabilitiesService capabilities_service_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_SERVICES_H_
