#include "agent/keeper/protocol.h"

#include <random>
#include <string>

#include "gtest/gtest.h"

namespace rally::keeper {
namespace {

TEST(ProtocolTest, AFrameComesBackAsItWasWrittenHoweverItIsCut) {
  const std::string first =
      FrameWriter(FrameType::kAttach).String("b-1-2").U64(7).U64(1ull << 40).Take();
  const std::string second = FrameWriter(FrameType::kList).Take();
  const std::string bytes = first + second;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameParser parser;
    Frame frame;
    std::string seen;
    for (const std::string& piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
      parser.Put(piece);
      while (parser.Next(&frame) == FrameParser::Result::kFrame) {
        PayloadReader payload(frame.payload);
        if (frame.type == FrameType::kList) {
          seen += "list";
          EXPECT_TRUE(payload.AtEnd());
          continue;
        }
        const std::string key(payload.String());
        const uint64_t out = payload.U64();
        const uint64_t err = payload.U64();
        seen += key + "," + std::to_string(out) + "," + std::to_string(err) + ";";
        EXPECT_TRUE(payload.AtEnd());
      }
    }
    EXPECT_EQ(seen, "b-1-2,7,1099511627776;list") << "cut at " << cut;
  }
}

TEST(ProtocolTest, AShortPayloadReadsAsNothingForGood) {
  const std::string frame = FrameWriter(FrameType::kFinish).U16(10).Bytes("short").Take();
  PayloadReader payload(std::string_view(frame).substr(kFrameHeaderSize));
  EXPECT_EQ(payload.String(), "");
  EXPECT_FALSE(payload.ok());
  EXPECT_EQ(payload.U8(), 0);
  EXPECT_EQ(payload.Rest(), "");
  EXPECT_FALSE(payload.AtEnd());
}

TEST(ProtocolTest, LeftOverPayloadIsNotTheEnd) {
  PayloadReader payload("\x01\x02");
  EXPECT_EQ(payload.U8(), 1);
  EXPECT_TRUE(payload.ok());
  EXPECT_FALSE(payload.AtEnd());
}

TEST(ProtocolTest, WhatCannotBeAFrameBreaksTheParserForGood) {
  std::string too_long = FrameWriter(FrameType::kData).Take();
  too_long[2] = 0x7f;
  std::string no_type = FrameWriter(FrameType::kList).Take();
  no_type[4] = 42;
  std::string reserved = FrameWriter(FrameType::kList).Take();
  reserved[7] = 1;
  for (const std::string& bad : {too_long, no_type, reserved, std::string("GET / HTTP/1.1\r\n")}) {
    FrameParser parser;
    Frame frame;
    parser.Put(bad);
    EXPECT_EQ(parser.Next(&frame), FrameParser::Result::kBroken);
    parser.Put(FrameWriter(FrameType::kList).Take());
    EXPECT_EQ(parser.Next(&frame), FrameParser::Result::kBroken);
  }
}

TEST(ProtocolTest, RandomBytesNeverYieldAnOversizedFrame) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    FrameParser parser;
    Frame frame;
    std::string bytes(random() % 64, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() : 0);
    parser.Put(bytes);
    while (parser.Next(&frame) == FrameParser::Result::kFrame) {
      ASSERT_LE(frame.payload.size(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace rally::keeper
