#ifndef RALLY_CONTROLLER_BLOB_BLOB_KEY_H_
#define RALLY_CONTROLLER_BLOB_BLOB_KEY_H_

#include "common/blob/blob_key.h"

namespace rally::cas {

using blob::BlobKey;

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_KEY_H_
