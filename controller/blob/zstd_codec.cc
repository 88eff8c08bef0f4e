#include "controller/blob/zstd_codec.h"

#include <zstd.h>

#include <limits>

#include "absl/strings/str_cat.h"

namespace rally::cas {
namespace {

constexpr int kLevel = 1;
// Beyond what zstd makes of incompressible bytes, for streams of many small frames.
constexpr int64_t kInputSlackBytes = 1024 * 1024;

int64_t MaxInputBytes(int64_t decoded_bytes) {
  const int64_t overhead = decoded_bytes / 8 + kInputSlackBytes;
  return decoded_bytes > std::numeric_limits<int64_t>::max() - overhead
             ? std::numeric_limits<int64_t>::max()
             : decoded_bytes + overhead;
}

}  // namespace

ZstdDecoder::ZstdDecoder(int64_t decoded_bytes)
    : decoded_bytes_(decoded_bytes),
      max_input_bytes_(MaxInputBytes(decoded_bytes)),
      context_(ZSTD_createDCtx()) {
  ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog);
}

ZstdDecoder::~ZstdDecoder() { ZSTD_freeDCtx(context_); }

absl::Status ZstdDecoder::Decode(absl::string_view piece,
                                 absl::FunctionRef<absl::Status(absl::string_view)> sink) {
  input_bytes_ += static_cast<int64_t>(piece.size());
  if (input_bytes_ > max_input_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are more compressed bytes than a blob of ", decoded_bytes_, " bytes can need"));
  }
  if (piece.empty()) return absl::OkStatus();
  buffer_.resize(ZSTD_DStreamOutSize());
  ZSTD_inBuffer input = {piece.data(), piece.size(), 0};
  bool buffer_was_full = false;
  // A full buffer can mean that zstd holds back more, though all input is taken.
  while (input.pos < input.size || buffer_was_full) {
    ZSTD_outBuffer output = {buffer_.data(), buffer_.size(), 0};
    const size_t left = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(left)) {
      return absl::InvalidArgumentError(
          absl::StrCat("this is no zstd stream that can be read: ", ZSTD_getErrorName(left),
                       " (the window may have ", int64_t{1} << kMaxWindowLog, " bytes)"));
    }
    within_frame_ = left != 0;
    output_bytes_ += static_cast<int64_t>(output.pos);
    if (output_bytes_ > decoded_bytes_) {
      return absl::InvalidArgumentError(absl::StrCat("the stream decompresses to more than the ",
                                                     decoded_bytes_, " bytes of its digest"));
    }
    if (output.pos > 0) {
      absl::Status status = sink(absl::string_view(buffer_.data(), output.pos));
      if (!status.ok()) return status;
    }
    buffer_was_full = within_frame_ && output.pos == output.size;
  }
  return absl::OkStatus();
}

absl::Status ZstdDecoder::Finish() const {
  if (within_frame_) return absl::InvalidArgumentError("the zstd stream ends within a frame");
  if (output_bytes_ != decoded_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("the stream decompresses to ", output_bytes_,
                                                   " bytes, not the ", decoded_bytes_,
                                                   " of its digest"));
  }
  return absl::OkStatus();
}

ZstdEncoder::ZstdEncoder() : context_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kLevel);
}

ZstdEncoder::~ZstdEncoder() { ZSTD_freeCCtx(context_); }

absl::Status ZstdEncoder::Run(absl::string_view piece, bool end, std::string* output) {
  ZSTD_inBuffer input = {piece.data(), piece.size(), 0};
  while (true) {
    const size_t before = output->size();
    output->resize(before + ZSTD_CStreamOutSize());
    ZSTD_outBuffer room = {&(*output)[before], ZSTD_CStreamOutSize(), 0};
    const size_t left =
        ZSTD_compressStream2(context_, &room, &input, end ? ZSTD_e_end : ZSTD_e_continue);
    output->resize(before + room.pos);
    if (ZSTD_isError(left)) {
      return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(left)));
    }
    if (end ? left == 0 : input.pos == input.size) return absl::OkStatus();
  }
}

absl::Status ZstdEncoder::Encode(absl::string_view piece, std::string* output) {
  return Run(piece, /*end=*/false, output);
}

absl::Status ZstdEncoder::Finish(std::string* output) { return Run("", /*end=*/true, output); }

absl::StatusOr<std::string> ZstdDecode(absl::string_view bytes, int64_t decoded_bytes) {
  ZstdDecoder decoder(decoded_bytes);
  std::string decoded;
  absl::Status status = decoder.Decode(bytes, [&decoded](absl::string_view part) {
    decoded.append(part.data(), part.size());
    return absl::OkStatus();
  });
  if (status.ok()) status = decoder.Finish();
  if (!status.ok()) return status;
  return decoded;
}

absl::StatusOr<std::string> ZstdEncode(absl::string_view bytes) {
  ZstdEncoder encoder;
  std::string encoded;
  if (absl::Status status = encoder.Encode(bytes, &encoded); !status.ok()) return status;
  if (absl::Status status = encoder.Finish(&encoded); !status.ok()) return status;
  return encoded;
}

}  // namespace rally::cas
