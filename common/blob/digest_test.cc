#include "common/blob/digest.h"

#include <string>

#include "absl/hash/hash_testing.h"
#include "common/blob/digest_proto.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kAbcHash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(DigestTest, AHashIsLowerCaseHexadecimalDigits) {
  const std::string good = DigestOf("x").hash;
  EXPECT_TRUE(IsValidHash(good));
  EXPECT_FALSE(IsValidHash(good + "0"));
  EXPECT_FALSE(IsValidHash(good.substr(1)));
  EXPECT_FALSE(IsValidHash(""));
  for (size_t position = 0; position < good.size(); ++position) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string hash = good;
      hash[position] = static_cast<char>(byte);
      const bool digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
      ASSERT_EQ(IsValidHash(hash), digit) << position << " " << byte;
    }
  }
}

TEST(DigestTest, KnownVectors) {
  EXPECT_EQ(DigestOf("").ToString(), std::string(kEmptyHash) + "/0");
  EXPECT_EQ(DigestOf("abc").ToString(), std::string(kAbcHash) + "/3");
  // The long vector of FIPS 180-2.
  EXPECT_EQ(DigestOf(std::string(1'000'000, 'a')).hash,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(EmptyTreeDigest(), DigestOf(""));
}

TEST(DigestTest, HasherTakesPiecesAndStartsAfresh) {
  Hasher hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.size_bytes(), 3);
  EXPECT_EQ(hasher.Finish(), DigestOf("abc"));
  EXPECT_EQ(hasher.size_bytes(), 0);
  hasher.Update("x");
  Hasher moved = std::move(hasher);
  EXPECT_EQ(moved.Finish(), DigestOf("x"));
}

TEST(DigestTest, ParsesWhatItPrints) {
  const Digest digest = DigestOf("hello");
  EXPECT_EQ(ParseDigest(digest.ToString()).value(), digest);
  EXPECT_EQ(ParseDigest(std::string(kAbcHash) + "/9223372036854775807")->size_bytes,
            9223372036854775807);
}

TEST(DigestTest, RefusesMalformedText) {
  const std::string hash = kAbcHash;
  for (const std::string& text :
       {std::string(), hash, hash + "/", std::string("/3"), hash + "/-3", hash + "/+3",
        hash + "/ 3", hash + "/3 ", hash + "/03", hash + "/3/", hash + "/0x3",
        hash + "/9223372036854775808", hash.substr(1) + "/3", hash + "0/3", " " + hash + "/3",
        "B" + hash.substr(1) + "/3", "g" + hash.substr(1) + "/3",
        std::string("../") + hash.substr(3) + "/3"}) {
    EXPECT_EQ(ParseDigest(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(DigestTest, ProtoIsValidated) {
  const Digest digest = DigestOf("hello");
  EXPECT_EQ(FromProto(ToProto(digest)).value(), digest);
  auto proto = ToProto(digest);
  proto.set_size_bytes(-1);
  EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument);
  proto = ToProto(digest);
  proto.set_hash("../../etc/passwd");
  EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DigestTest, SizeIsPartOfTheName) {
  const Digest a = DigestOf("abc");
  const Digest b{a.hash, 4};
  EXPECT_NE(a, b);
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({a, b, DigestOf(""), Digest()}));
}

}  // namespace
}  // namespace rally::blob
