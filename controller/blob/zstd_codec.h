#ifndef RALLY_CONTROLLER_BLOB_ZSTD_CODEC_H_
#define RALLY_CONTROLLER_BLOB_ZSTD_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace rally::cas {

// Decompresses one blob that comes in pieces from somebody who is not trusted: it stops as soon as
// there are more bytes than the blob may have, needs at most 8 MiB for the window whatever a frame
// asks for, and bounds the input too, which frames without content would make endless.
//
// Threads: not thread-safe. Blocking: never.
// Errors: InvalidArgument for all that the sender did wrong; what the sink returns comes through.
class ZstdDecoder {
 public:
  // What every decoder has to support, and what levels up to 19 need.
  static constexpr int kMaxWindowLog = 23;

  explicit ZstdDecoder(int64_t decoded_bytes);
  ~ZstdDecoder();
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  // Hands what a piece becomes to the sink, in parts that are valid during its call.
  absl::Status Decode(absl::string_view piece,
                      absl::FunctionRef<absl::Status(absl::string_view)> sink);

  // After the last piece: whether the stream is whole and the blob has all its bytes.
  absl::Status Finish() const;

 private:
  const int64_t decoded_bytes_;  // What the blob has.
  const int64_t max_input_bytes_;
  ZSTD_DCtx_s* context_;
  std::string buffer_;
  int64_t input_bytes_ = 0;
  int64_t output_bytes_ = 0;
  bool within_frame_ = false;
};

// Compresses one blob that comes in pieces, as quickly as zstd can.
// Threads: not thread-safe. Blocking: never. Errors: Internal, when zstd fails.
class ZstdEncoder {
 public:
  ZstdEncoder();
  ~ZstdEncoder();
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;

  // Appends to `output` what is ready; it may be nothing.
  absl::Status Encode(absl::string_view piece, std::string* output);
  // Appends the rest. A blob without bytes becomes an empty frame.
  absl::Status Finish(std::string* output);

 private:
  absl::Status Run(absl::string_view piece, bool end, std::string* output);

  ZSTD_CCtx_s* context_;
};

// A whole small blob.
absl::StatusOr<std::string> ZstdDecode(absl::string_view bytes, int64_t decoded_bytes);
absl::StatusOr<std::string> ZstdEncode(absl::string_view bytes);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_ZSTD_CODEC_H_
