#include "common/blob/blob_store.h"

namespace rally::blob {

BlobStore::~BlobStore() = default;

}  // namespace rally::blob
