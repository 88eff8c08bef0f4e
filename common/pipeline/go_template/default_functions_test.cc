#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(DefaultFunctionsTest, Default) {
  ExpectRendered({
      {R"({{ default "x" "" }})", "x"},
      {R"({{ default "x" "y" }})", "y"},
      {R"({{ default "x" 0 }})", "x"},
      {R"({{ default "x" 1 }})", "1"},
      {R"({{ default "x" false }})", "x"},
      {R"({{ default "x" (list) }})", "x"},
      {R"({{ default "x" }})", "x"},
      {R"({{ .Values.none | default "x" }})", "x"},
      {R"({{ .Values.none.deeper | default "x" }})", "x"},
      {R"({{ default 5 .Values.list }})", "[b a c]"},
      {R"({{ default "x" 0.0 }})", "x"},
  });
}

TEST(DefaultFunctionsTest, EmptyAndCoalesce) {
  ExpectRendered({
      {R"({{ empty "" }})", "true"},
      {R"({{ empty "a" }})", "false"},
      {R"({{ empty 0 }})", "true"},
      {R"({{ empty .Values.none }})", "true"},
      {R"({{ empty .Values.list }})", "false"},
      {R"({{ empty (dict) }})", "true"},
      {R"({{ empty false }})", "true"},
      {R"({{ coalesce .Values.none 0 "" "a" "b" }})", "a"},
      {R"({{ coalesce "a" }})", "a"},
      {R"({{ coalesce .Values.none .Values.list }})", "[b a c]"},
  });
}

TEST(DefaultFunctionsTest, Ternary) {
  ExpectRendered({
      {R"({{ ternary "a" "b" true }})", "a"},
      {R"({{ ternary "a" "b" false }})", "b"},
      {R"({{ true | ternary 1 2 }})", "1"},
      {R"({{ eq 1 2 | ternary "same" "other" }})", "other"},
  });
}

TEST(DefaultFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ ternary "a" "b" 1 }})", "error: ternary: wants a bool as its condition, not an int"},
      {R"({{ ternary "a" "b" "true" }})",
       "error: ternary: wants a bool as its condition, not a string"},
      {R"({{ ternary "a" "b" }})", "error: \"ternary\" takes 3 arguments, not 2"},
      {R"({{ fail "the tag is missing" }})", "error: fail: the tag is missing"},
      {R"({{ fail 1 }})", "error: fail: wants a string, not an int"},
      {R"({{ fail .Values.none }})", "error: fail: .Values.none has no value"},
      {R"({{ coalesce }})", "error: coalesce has no value"},
      {R"({{ coalesce .Values.none "" }})", "error: coalesce .Values.none \"\" has no value"},
      {R"({{ default .Values.none "" }})", "error: default .Values.none \"\" has no value"},
      {R"({{ default }})", "error: \"default\" takes 1 to 2 arguments, not 0"},
      {R"({{ empty }})", "error: \"empty\" takes 1 argument, not 0"},
  });
}

}  // namespace
}  // namespace rally::go_template
