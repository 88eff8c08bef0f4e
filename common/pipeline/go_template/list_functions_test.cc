#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(ListFunctionsTest, SplitAndJoin) {
  ExpectRendered({
      {R"({{ splitList "," "a,b,,c" }})", "[a b  c]"},
      {R"({{ splitList "," "" }})", "[]"},
      {R"({{ splitList "" "aéb" }})", "[a é b]"},
      {R"({{ splitList "" "" }})", "[]"},
      {R"({{ splitList "--" "a--b-c" }})", "[a b-c]"},
      {R"({{ len (splitList "," "a") }})", "1"},
      {R"({{ join "," .Values.list }})", "b,a,c"},
      {R"({{ join "" .Values.list }})", "bac"},
      {R"({{ join "-" (list 1 "a" true 2.5) }})", "1-a-true-2.5"},
      {R"({{ join "," (list) }})", ""},
      {R"({{ join "," "abc" }})", "abc"},
      {R"({{ join "," 5 }})", "5"},
      {R"({{ "a.b" | splitList "." | join "/" }})", "a/b"},
  });
}

TEST(ListFunctionsTest, Ends) {
  ExpectRendered({
      {R"({{ first .Values.list }})", "b"},
      {R"({{ last .Values.list }})", "c"},
      {R"({{ rest .Values.list }})", "[a c]"},
      {R"({{ rest (list 1) }})", "[]"},
      {R"({{ rest (list) }})", "[]"},
      {R"({{ first (splitList "/" "a/b") }})", "a"},
      {R"({{ default "none" (first (list)) }})", "none"},
      {R"({{ default "none" (last (list)) }})", "none"},
  });
}

TEST(ListFunctionsTest, Has) {
  ExpectRendered({
      {R"({{ has "a" .Values.list }})", "true"},
      {R"({{ has "x" .Values.list }})", "false"},
      {R"({{ has 1 (list 1) }})", "true"},
      {R"({{ has "1" (list 1) }})", "false"},
      {R"({{ has 1.0 (list 1) }})", "false"},
      {R"({{ has (list 1) (list (list 1) 2) }})", "true"},
      {R"({{ has (list 1) (list (list 2) (list 1 2)) }})", "false"},
      {R"({{ has (dict "a" 1) (list (dict "a" 1)) }})", "true"},
      {R"({{ has (dict "a" 1) (list (dict "b" 1)) }})", "false"},
      {R"({{ has 1 .Values.none }})", "false"},
      {R"({{ has true (list false true) }})", "true"},
      {R"({{ has "a" (list) }})", "false"},
  });
}

TEST(ListFunctionsTest, Maps) {
  ExpectRendered({
      {R"({{ dict "b" 2 "a" 1 }})", "map[a:1 b:2]"},
      {R"({{ dict "a" }})", "map[a:]"},
      {R"({{ dict "a" 1 "a" 2 }})", "map[a:2]"},
      {R"({{ dict 1 2 }})", "map[1:2]"},
      {R"({{ dict }})", "map[]"},
      {R"({{ (dict "a" (list 1)).a }})", "[1]"},
      {R"({{ hasKey .Values.map "x" }})", "true"},
      {R"({{ hasKey .Values.map "none" }})", "false"},
      {R"({{ keys (dict "k" 1) }})", "[k]"},
      {R"({{ keys }})", "[]"},
      {R"({{ keys (dict "k" 1) (dict "j" 2) }})", "[k j]"},
      {R"({{ hasKey .Values.none "a" }})", "false"},
      {R"({{ keys .Values.none }})", "[]"},
  });
}

TEST(ListFunctionsTest, SortAlpha) {
  ExpectRendered({
      {R"({{ sortAlpha (list "b" "a" "B") }})", "[B a b]"},
      {R"({{ sortAlpha (list 10 9 true) }})", "[10 9 true]"},
      {R"({{ sortAlpha "x" }})", "[x]"},
      {R"({{ sortAlpha (list) }})", "[]"},
      {R"({{ sortAlpha .Values.list | first }})", "a"},
  });
}

TEST(ListFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ splitList "," .Values.none }})", "error: splitList: .Values.none has no value"},
      {R"({{ splitList 1 "a" }})", "error: splitList: wants a string, not an int"},
      {R"({{ join "," .Values.none }})",
       "error: join: a missing value has no text; .Values.none has no value"},
      {R"({{ join 1 (list) }})", "error: join: wants a string, not an int"},
      {R"({{ join "," (list .Values.none) }})", "error: join: a missing value has no text"},
      {R"({{ first "abc" }})", "error: first: wants a list, not a string"},
      {R"({{ last 1 }})", "error: last: wants a list, not an int"},
      {R"({{ rest .Values.map }})", "error: rest: wants a list, not a map"},
      {R"({{ first .Values.none }})", "error: first: .Values.none has no value"},
      {R"({{ has 1 "1" }})", "error: has: wants a list, not a string"},
      {R"({{ has 1 .Values.map }})", "error: has: wants a list, not a map"},
      {R"({{ hasKey .Values.list "a" }})", "error: hasKey: wants a map, not a list"},
      {R"({{ hasKey .Values.map 1 }})", "error: hasKey: wants a string, not an int"},
      {R"({{ keys .Values.list }})", "error: keys: wants a map, not a list"},
      {R"({{ dict .Values.none 1 }})",
       "error: dict: a missing value has no text; .Values.none has no value"},
      {R"({{ sortAlpha .Values.none }})",
       "error: sortAlpha: a missing value has no text; .Values.none has no value"},
      {R"({{ list 1 .Values.none }})", "error: list 1 .Values.none: a missing value has no text"},
      {R"({{ first (list) }})", "error: first (list) has no value"},
      {R"({{ hasKey (dict) }})", "error: \"hasKey\" takes 2 arguments, not 1"},
  });
}

}  // namespace
}  // namespace rally::go_template
