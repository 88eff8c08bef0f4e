#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(NumberFunctionsTest, Arithmetic) {
  ExpectRendered({
      {R"({{ add 1 2 3 }})", "6"},
      {R"({{ add }})", "0"},
      {R"({{ add 5 }})", "5"},
      {R"({{ sub 5 7 }})", "-2"},
      {R"({{ mul 2 3 4 }})", "24"},
      {R"({{ mul 5 }})", "5"},
      {R"({{ div 7 2 }})", "3"},
      {R"({{ div -7 2 }})", "-3"},
      {R"({{ div 7 -2 }})", "-3"},
      {R"({{ mod 7 3 }})", "1"},
      {R"({{ mod -7 3 }})", "-1"},
      {R"({{ mod 7 -3 }})", "1"},
      {R"({{ max 1 5 3 }})", "5"},
      {R"({{ max -2 }})", "-2"},
      {R"({{ min 4 2 8 }})", "2"},
      {R"({{ min 1 -1 }})", "-1"},
      {R"({{ 5 | sub 7 }})", "2"},
  });
}

TEST(NumberFunctionsTest, WrapsAroundLikeInt64) {
  ExpectRendered({
      {R"({{ add .Values.max 1 }})", "-9223372036854775808"},
      {R"({{ sub .Values.min 1 }})", "9223372036854775807"},
      {R"({{ mul .Values.max 2 }})", "-2"},
      {R"({{ div .Values.min -1 }})", "-9223372036854775808"},
      {R"({{ mod .Values.min -1 }})", "0"},
      {R"({{ mul .Values.min -1 }})", "-9223372036854775808"},
  });
}

TEST(NumberFunctionsTest, WhatLooksLikeAnIntegerIsOne) {
  ExpectRendered({
      {R"({{ add "3" 4 }})", "7"},
      {R"({{ int "42" }})", "42"},
      {R"({{ int "-5" }})", "-5"},
      {R"({{ int "+5" }})", "5"},
      {R"({{ int "8.00" }})", "8"},
      {R"({{ int "0x1F" }})", "31"},
      {R"({{ int "0b101" }})", "5"},
      {R"({{ int "0o17" }})", "15"},
      {R"({{ int "0" }})", "0"},
      {R"({{ int 3.99 }})", "3"},
      {R"({{ int -3.99 }})", "-3"},
      {R"({{ int true }})", "1"},
      {R"({{ int false }})", "0"},
      {R"({{ int 1e18 }})", "1000000000000000000"},
      {R"({{ int "9223372036854775807" }})", "9223372036854775807"},
      {R"({{ int "-9223372036854775808" }})", "-9223372036854775808"},
      {R"({{ max "10" 9 }})", "10"},
      {R"({{ add 1.9 1 }})", "2"},
  });
}

TEST(NumberFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ int "x" }})", "error: int: \"x\" is not an integer"},
      {R"({{ int "" }})", "error: int: \"\" is not an integer"},
      {R"({{ int " 3" }})", "error: int: \" 3\" is not an integer"},
      {R"({{ int "3.5" }})", "error: int: \"3.5\" is not an integer"},
      {R"({{ int "3." }})", "error: int: \"3.\" is not an integer"},
      {R"({{ int "0x" }})", "error: int: \"0x\" is not an integer"},
      {R"({{ int "1e3" }})", "error: int: \"1e3\" is not an integer"},
      {R"({{ int "--3" }})", "error: int: \"--3\" is not an integer"},
      {R"({{ int "017" }})", "error: int: \"017\" could be octal; drop the leading zero"},
      {R"({{ int "9223372036854775808" }})",
       "error: int: \"9223372036854775808\" is not an integer"},
      {R"({{ int "-9223372036854775809" }})",
       "error: int: \"-9223372036854775809\" is not an integer"},
      {R"({{ int "99999999999999999999999" }})",
       "error: int: \"99999999999999999999999\" is not an integer"},
      {R"({{ int 1e19 }})", "error: int: has a float that no int64 can hold"},
      {R"({{ int .Values.nan }})", "error: int: has a float that no int64 can hold"},
      {R"({{ int .Values.inf }})", "error: int: has a float that no int64 can hold"},
      {R"({{ int .Values.none }})", "error: int: .Values.none has no value"},
      {R"({{ int .Values.list }})", "error: int: wants a number, not a list"},
      {R"({{ int .Values.map }})", "error: int: wants a number, not a map"},
      {R"({{ add 1 "x" }})", "error: add: \"x\" is not an integer"},
      {R"({{ add 1 .Values.none }})", "error: add: .Values.none has no value"},
      {R"({{ sub 1 }})", "error: \"sub\" takes 2 arguments, not 1"},
      {R"({{ mul }})", "error: \"mul\" takes at least 1 argument, not 0"},
      {R"({{ div 1 0 }})", "error: div: cannot divide by zero"},
      {R"({{ div 1 "0" }})", "error: div: cannot divide by zero"},
      {R"({{ mod 1 0 }})", "error: mod: cannot divide by zero"},
      {R"({{ max }})", "error: \"max\" takes at least 1 argument, not 0"},
      {R"({{ max 1 "a" }})", "error: max: \"a\" is not an integer"},
      {R"({{ min 1 (list) }})", "error: min: wants a number, not a list"},
  });
}

}  // namespace
}  // namespace rally::go_template
