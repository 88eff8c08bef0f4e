#include "common/pipeline/go_template/lexer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

using ::testing::ElementsAre;

// Of each token its place and text; a bar before those that a blank precedes.
std::vector<std::string> Tokens(absl::string_view text) {
  std::vector<std::string> tokens;
  Lexer lexer(text);
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd; token = lexer.Next()) {
    tokens.push_back(token.kind == TokenKind::kError
                         ? absl::StrCat("error at ", token.offset)
                         : absl::StrCat(token.offset, token.after_blank ? "|" : ":", token.text));
  }
  return tokens;
}

std::vector<TokenKind> Kinds(absl::string_view text) {
  std::vector<TokenKind> kinds;
  Lexer lexer(text);
  do {
    kinds.push_back(lexer.Next().kind);
  } while (kinds.back() != TokenKind::kEnd);
  return kinds;
}

TEST(Lexer, FindsTokensInPlace) {
  EXPECT_THAT(Tokens("a {{ .x.y }}b"),
              ElementsAre("0:a ", "2:{{", "5|.x", "7:.y", "10|}}", "12:b"));
  EXPECT_THAT(Tokens("{{$x:=\"}}\"|print .}}"),
              ElementsAre("0:{{", "2:$x", "4::=", "6:\"}}\"", "10:|", "11:print", "17|.", "18:}}"));
}

TEST(Lexer, TrimsTheTextBesideMarkers) {
  EXPECT_THAT(Tokens("a \n{{- 1 -}} \tb "), ElementsAre("0:a", "3:{{- ", "7:1", "9|-}}", "14:b "));
  EXPECT_THAT(Tokens("  {{- 1 -}}  "), ElementsAre("2:{{- ", "6:1", "8|-}}"));
}

TEST(Lexer, LeavesCommentsOut) {
  EXPECT_THAT(Tokens("a{{/* }} */}}b"), ElementsAre("0:a", "13:b"));
  EXPECT_THAT(Tokens("a {{- /**/ -}} b"), ElementsAre("0:a", "15:b"));
}

TEST(Lexer, TellsKindsOfWords) {
  EXPECT_THAT(Kinds("{{if end1 true nil $ . .a ,(='b' `c` 1.5}}"),
              ElementsAre(TokenKind::kOpen, TokenKind::kKeyword, TokenKind::kIdentifier,
                          TokenKind::kBool, TokenKind::kNil, TokenKind::kVariable, TokenKind::kDot,
                          TokenKind::kField, TokenKind::kComma, TokenKind::kLeftParenthesis,
                          TokenKind::kAssign, TokenKind::kCharacter, TokenKind::kRawString,
                          TokenKind::kNumber, TokenKind::kClose, TokenKind::kEnd));
}

TEST(Lexer, EndsAfterAnError) {
  EXPECT_THAT(Tokens("{{ # }} b"), ElementsAre("0:{{", "error at 3"));
  EXPECT_THAT(Tokens("a {{ b"), ElementsAre("0:a ", "2:{{", "5|b", "error at 2"));
}

TEST(Lexer, ACopyReadsOnByItself) {
  Lexer lexer("{{1 2}}");
  lexer.Next();
  Lexer ahead = lexer;
  EXPECT_EQ(ahead.Next().text, "1");
  EXPECT_EQ(ahead.Next().text, "2");
  EXPECT_EQ(lexer.Next().text, "1");
}

TEST(Lexer, NamesMayHaveLettersOfAnyScript) {
  EXPECT_THAT(Tokens("{{.gr\xC3\xB6\xC3\x9F"
                     "e}}"),
              ElementsAre("0:{{",
                          "2:.gr\xC3\xB6\xC3\x9F"
                          "e",
                          "10:}}"));
  // A no-break space is no letter, nor are bytes that aren't UTF-8.
  EXPECT_THAT(Tokens("{{.a\xC2\xA0}}"), ElementsAre("0:{{", "error at 4"));
  EXPECT_THAT(Tokens("{{.a\xFF}}"), ElementsAre("0:{{", "error at 4"));
}

}  // namespace
}  // namespace rally::go_template
