#include "rallyctl/follow/line_assembler.h"

#include <gtest/gtest.h>

namespace rally::rallyctl {
namespace {

v1::LogRecord Record(const std::string& data, v1::LogStream stream = v1::LOG_STREAM_STDOUT) {
  v1::LogRecord record;
  record.set_stream(stream);
  record.set_data(data);
  return record;
}

std::vector<std::string> Texts(const std::vector<LogLine>& lines) {
  std::vector<std::string> texts;
  for (const LogLine& line : lines) texts.push_back(line.text);
  return texts;
}

using Strings = std::vector<std::string>;

TEST(LineAssemblerTest, JoinsALineThatCameInPieces) {
  LineAssembler assembler;
  EXPECT_EQ(Texts(assembler.Add(Record("on"))), Strings{});
  EXPECT_EQ(Texts(assembler.Add(Record("e\ntwo\nthr"))), (Strings{"one", "two"}));
  EXPECT_EQ(Texts(assembler.Finish()), Strings{"thr"});
  EXPECT_EQ(Texts(assembler.Finish()), Strings{});
}

TEST(LineAssemblerTest, KeepsStreamsApart) {
  LineAssembler assembler;
  assembler.Add(Record("out "));
  const auto lines = assembler.Add(Record("err\n", v1::LOG_STREAM_STDERR));
  ASSERT_EQ(Texts(lines), Strings{"err"});
  EXPECT_EQ(lines[0].stream, v1::LOG_STREAM_STDERR);
  EXPECT_EQ(Texts(assembler.Add(Record("put\n"))), Strings{"out put"});
}

TEST(LineAssemblerTest, ShowsTheLastStateOfAProgressBar) {
  LineAssembler assembler;
  EXPECT_EQ(Texts(assembler.Add(Record("10%\r50%\r100%\r\ncrlf\r\n\n"))),
            (Strings{"100%", "crlf", ""}));
}

TEST(LineAssemblerTest, CutsALineWithoutEnd) {
  LineAssembler assembler;
  const auto lines = assembler.Add(Record(std::string(LineAssembler::kMaxLineBytes + 5, 'x')));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].text.size(), LineAssembler::kMaxLineBytes + 5);
  EXPECT_EQ(Texts(assembler.Add(Record("y\n"))), Strings{"y"});
}

TEST(SafeForTerminalTest, KeepsColoursAndDropsTheRest) {
  EXPECT_EQ(SafeForTerminal("\x1b[1;31mred\x1b[0m"), "\x1b[1;31mred\x1b[0m");
  EXPECT_EQ(SafeForTerminal("a\x1b[2Jb\x1b[10;10Hc"), "abc");
  EXPECT_EQ(SafeForTerminal("bell\a back\b tab\t ä"), "bell back tab\t ä");
  EXPECT_EQ(SafeForTerminal("cut\x1b[12"), "cut");
  EXPECT_EQ(SafeForTerminal("\x1b]0;title\a"), "]0;title");
}

}  // namespace
}  // namespace rally::rallyctl
