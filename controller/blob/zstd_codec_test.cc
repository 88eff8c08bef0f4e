#include "controller/blob/zstd_codec.h"

#include <zstd.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using ::testing::HasSubstr;

std::string RandomBytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string Compressed(const std::string& bytes, int level, int window_log = 0) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string result(ZSTD_compressBound(bytes.size()) + 100, '\0');
  // The first byte by itself: zstd would choose a smaller window if it knew the size.
  ZSTD_inBuffer input = {bytes.data(), bytes.empty() ? 0u : 1u, 0};
  ZSTD_outBuffer output = {result.data(), result.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush), 0u);
  input.size = bytes.size();
  EXPECT_EQ(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end), 0u);
  result.resize(output.pos);
  ZSTD_freeCCtx(context);
  return result;
}

std::string Text(size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  text.resize(size);
  return text;
}

TEST(ZstdCodecTest, DecodesWhatItEncodes) {
  for (size_t size : {0, 1, 1000, 131'072, 131'073, 3'000'000}) {
    for (const std::string& bytes : {Text(size), RandomBytes(size, size), std::string(size, 'z')}) {
      const std::string encoded = ZstdEncode(bytes).value();
      EXPECT_FALSE(encoded.empty()) << "the empty blob is an empty frame, not nothing";
      EXPECT_TRUE(ZstdDecode(encoded, size).value() == bytes) << size;
    }
  }
}

TEST(ZstdCodecTest, PiecesMayBeOfAnySize) {
  const std::string bytes = Text(300'000);
  const std::string encoded = Compressed(bytes, 3);
  for (size_t piece : {1, 7, 1000, 100'000}) {
    ZstdDecoder decoder(bytes.size());
    std::string decoded;
    for (size_t at = 0; at < encoded.size(); at += piece) {
      ASSERT_EQ(decoder.Decode(absl::string_view(encoded).substr(at, piece),
                               [&](absl::string_view part) {
                                 decoded.append(part.data(), part.size());
                                 return absl::OkStatus();
                               }),
                absl::OkStatus());
    }
    EXPECT_EQ(decoder.Finish(), absl::OkStatus());
    EXPECT_TRUE(decoded == bytes);
  }
}

TEST(ZstdCodecTest, SeveralFramesAreOneBlob) {
  const std::string twice = ZstdEncode("hello ").value() + ZstdEncode("world").value();
  EXPECT_EQ(ZstdDecode(twice, 11).value(), "hello world");
}

TEST(ZstdCodecTest, BombsStopAtTheSizeOfTheDigest) {
  // 1 GiB of zeros in some tens of KiB.
  std::string bomb;
  const std::string frame = ZstdEncode(std::string(64 << 20, '\0')).value();
  for (int i = 0; i < 16; ++i) bomb += frame;
  ZstdDecoder decoder(1'000'000);
  size_t handed_out = 0;
  const absl::Status status = decoder.Decode(bomb, [&](absl::string_view part) {
    handed_out += part.size();
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("more than the 1000000 bytes"));
  EXPECT_LE(handed_out, 1'000'000u);
}

TEST(ZstdCodecTest, EndlessInputWithoutContentStops) {
  const std::string skippable("\x50\x2a\x4d\x18\x08\x00\x00\x00 nothing", 16);
  ZstdDecoder decoder(100);
  absl::Status status;
  int pieces = 0;
  for (; pieces < 1'000'000 && status.ok(); ++pieces) {
    status = decoder.Decode(skippable, [](absl::string_view) { return absl::OkStatus(); });
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LT(pieces, 100'000);
}

TEST(ZstdCodecTest, LargeWindowsAreRefused) {
  const std::string bytes = RandomBytes(200'000, 1);
  EXPECT_EQ(ZstdDecode(Compressed(bytes, 1, 23), bytes.size()).status(), absl::OkStatus());
  for (int window_log : {24, 27, 31}) {
    const absl::Status status = ZstdDecode(Compressed(bytes, 1, window_log), bytes.size()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << window_log;
    EXPECT_THAT(status.message(), HasSubstr("window"));
  }
}

TEST(ZstdCodecTest, WrongSizesAndCutStreamsAreRefused) {
  const std::string bytes = Text(10'000);
  const std::string encoded = ZstdEncode(bytes).value();
  EXPECT_EQ(ZstdDecode(encoded, 9'999).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ZstdDecode(encoded, 10'001).status().code(), absl::StatusCode::kInvalidArgument);
  for (size_t cut = 0; cut < encoded.size(); ++cut) {
    EXPECT_EQ(ZstdDecode(encoded.substr(0, cut), bytes.size()).status().code(),
              absl::StatusCode::kInvalidArgument)
        << cut;
  }
  EXPECT_EQ(ZstdDecode(encoded + "x", bytes.size()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ZstdCodecTest, DamagedStreamsNeverYieldMoreThanTheirSize) {
  const std::string bytes = Text(50'000);
  const std::string encoded = Compressed(bytes, 3);
  std::mt19937 random(20);
  for (int round = 0; round < 3'000; ++round) {
    std::string damaged = encoded;
    for (int flips = 1 + random() % 4; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    if (random() % 3 == 0) damaged.resize(random() % damaged.size());
    size_t handed_out = 0;
    ZstdDecoder decoder(bytes.size());
    absl::Status status = decoder.Decode(damaged, [&](absl::string_view part) {
      handed_out += part.size();
      return absl::OkStatus();
    });
    if (status.ok()) status = decoder.Finish();
    EXPECT_LE(handed_out, bytes.size());
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    }
    if (status.ok()) {
      EXPECT_EQ(handed_out, bytes.size());
    }
  }
  for (int round = 0; round < 3'000; ++round) {
    const std::string noise = RandomBytes(random() % 200, round);
    EXPECT_EQ(ZstdDecode(noise, 1'000).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ZstdCodecTest, TheSinksErrorComesThrough) {
  ZstdDecoder decoder(5);
  EXPECT_EQ(decoder.Decode(ZstdEncode("hello").value(),
                           [](absl::string_view) { return absl::ResourceExhaustedError("full"); }),
            absl::ResourceExhaustedError("full"));
}

}  // namespace
}  // namespace rally::cas
