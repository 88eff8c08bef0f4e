#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(ElementFunctionsTest, Len) {
  ExpectRendered({
      {R"({{ len "abc" }})", "3"},
      {R"({{ len "é" }})", "2"},
      {R"({{ len "" }})", "0"},
      {R"({{ len .Values.list }})", "3"},
      {R"({{ len .Values.map }})", "2"},
      {R"({{ len (list) }})", "0"},
  });
}

TEST(ElementFunctionsTest, Index) {
  ExpectRendered({
      {R"({{ index .Values.list 0 }})", "b"},
      {R"({{ index .Values.list 2 }})", "c"},
      {R"({{ index .Values.map "x" }})", "1"},
      {R"({{ index .Values "map" "y" }})", "two"},
      {R"({{ index (list (list 5 6)) 0 1 }})", "6"},
      {R"({{ index "abc" 1 }})", "98"},
      {R"({{ index .Values.bytes 0 }})", "97"},
      {R"({{ index 5 }})", "5"},
      {R"({{ default "d" (index .Values.map "none") }})", "d"},
  });
}

TEST(ElementFunctionsTest, SliceIsGos) {
  ExpectRendered({
      {R"({{ slice "abcdef" 1 3 }})", "bc"},
      {R"({{ slice "abcdef" 2 }})", "cdef"},
      {R"({{ slice "abcdef" }})", "abcdef"},
      {R"({{ slice "abc" 3 }})", ""},
      {R"({{ slice "é" 0 1 | len }})", "1"},
      {R"({{ slice .Values.list 1 }})", "[a c]"},
      {R"({{ slice .Values.list 1 2 }})", "[a]"},
      {R"({{ slice .Values.list 0 2 3 }})", "[b a]"},
      {R"({{ slice .Values.list 3 }})", "[]"},
      {R"({{ slice .Values.list }})", "[b a c]"},
  });
}

TEST(ElementFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ len 3 }})", "error: len: wants a string, list or map, not an int"},
      {R"({{ len .Values.none }})", "error: len: .Values.none has no value"},
      {R"({{ len true }})", "error: len: wants a string, list or map, not a bool"},
      {R"({{ index .Values.list 3 }})", "error: index: index out of range: 3"},
      {R"({{ index .Values.list -1 }})", "error: index: index out of range: -1"},
      {R"({{ index .Values.list 4 }})", "error: index: index out of range: 4"},
      {R"({{ index "abc" 3 }})", "error: index: index out of range: 3"},
      {R"({{ index .Values.list "a" }})", "error: index: wants an int, not a string"},
      {R"({{ index .Values.list 0.0 }})", "error: index: wants an int, not a float"},
      {R"({{ index .Values.map 1 }})", "error: index: wants a string, not an int"},
      {R"({{ index .Values.none 1 }})", "error: index: .Values.none has no value"},
      {R"({{ index nil 1 }})", "error: index: nil has no value"},
      {R"({{ index 5 1 }})", "error: index: wants a list, map or string, not an int"},
      {R"({{ index .Values.map "none" "x" }})",
       "error: index: wants a list, map or string, but the value is missing"},
      {R"({{ slice "abc" 4 }})", "error: slice: index out of range: 4"},
      {R"({{ slice "abc" -1 }})", "error: slice: index out of range: -1"},
      {R"({{ slice "abc" 2 1 }})", "error: slice: invalid slice index: 2 > 1"},
      {R"({{ slice "abc" 0 1 2 }})", "error: slice: takes at most two indexes of a string"},
      {R"({{ slice .Values.list 0 3 2 }})", "error: slice: invalid slice index: 3 > 2"},
      {R"({{ slice .Values.list 4 }})", "error: slice: index out of range: 4"},
      {R"({{ slice "abc" "a" }})", "error: slice: wants an int, not a string"},
      {R"({{ slice .Values.map 1 }})", "error: slice: wants a string or list, not a map"},
      {R"({{ slice .Values.none }})", "error: slice: .Values.none has no value"},
      {R"({{ slice "abc" 1 2 3 4 }})", "error: \"slice\" takes 1 to 4 arguments, not 5"},
  });
}

}  // namespace
}  // namespace rally::go_template
