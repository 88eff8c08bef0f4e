#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(ComparisonTest, EqIsForValuesOfOneKind) {
  ExpectRendered({
      {R"({{ eq 1 1 }})", "true"},
      {R"({{ eq 1 2 }})", "false"},
      {R"({{ eq "a" "a" }})", "true"},
      {R"({{ eq 1.5 1.5 }})", "true"},
      {R"({{ eq true true }})", "true"},
      {R"({{ eq true false }})", "false"},
      {R"({{ eq 1 2 3 1 }})", "true"},
      {R"({{ eq 1 2 3 }})", "false"},
      {R"({{ eq 1 1 "a" }})", "true"},
      {R"({{ ne 1 2 }})", "true"},
      {R"({{ ne "a" "a" }})", "false"},
      {R"({{ eq .Values.none nil }})", "true"},
      {R"({{ eq .Values.none 1 }})", "false"},
      {R"({{ ne .Values.none 1 }})", "true"},
      {R"({{ eq nil nil }})", "true"},
      {R"({{ eq .Values.list .Values.none }})", "false"},
  });
}

TEST(ComparisonTest, OrderIsForNumbersAndStrings) {
  ExpectRendered({
      {R"({{ lt 1 2 }})", "true"},
      {R"({{ lt 2 1 }})", "false"},
      {R"({{ lt 1 1 }})", "false"},
      {R"({{ le 1 1 }})", "true"},
      {R"({{ le 2 1 }})", "false"},
      {R"({{ gt 2 1 }})", "true"},
      {R"({{ gt 1 1 }})", "false"},
      {R"({{ ge 1 1 }})", "true"},
      {R"({{ ge 1 2 }})", "false"},
      {R"({{ lt "a" "b" }})", "true"},
      {R"({{ lt "B" "a" }})", "true"},
      {R"({{ ge "b" "a" }})", "true"},
      {R"({{ lt 1.5 2.5 }})", "true"},
      {R"({{ gt 2.5 1.5 }})", "true"},
      {R"({{ lt .Values.nan 1.0 }})", "false"},
      {R"({{ gt .Values.nan 1.0 }})", "true"},
      {R"({{ ge .Values.nan 1.0 }})", "true"},
      {R"({{ le .Values.nan 1.0 }})", "false"},
      {R"({{ eq .Values.nan .Values.nan }})", "false"},
  });
}

TEST(ComparisonTest, NotIsTheOppositeOfTrue) {
  ExpectRendered({
      {R"({{ not true }})", "false"},
      {R"({{ not false }})", "true"},
      {R"({{ not 0 }})", "true"},
      {R"({{ not 3 }})", "false"},
      {R"({{ not "" }})", "true"},
      {R"({{ not "a" }})", "false"},
      {R"({{ not .Values.none }})", "true"},
      {R"({{ not .Values.list }})", "false"},
      {R"({{ not (list) }})", "true"},
      {R"({{ not 0.0 }})", "true"},
  });
}

TEST(ComparisonTest, ErrorsNameBothKinds) {
  ExpectRendered({
      {R"({{ eq 1 1.0 }})", "error: eq: incompatible types for comparison (int and float)"},
      {R"({{ eq 1 "1" }})", "error: eq: incompatible types for comparison (int and string)"},
      {R"({{ eq true 1 }})", "error: eq: incompatible types for comparison (bool and int)"},
      {R"({{ eq 1 2 "a" }})", "error: eq: incompatible types for comparison (int and string)"},
      {R"({{ eq .Values.list .Values.list }})",
       "error: eq: invalid type for comparison (list and list)"},
      {R"({{ eq .Values.map 1 }})", "error: eq: incompatible types for comparison (map and int)"},
      {R"({{ ne 1 "a" }})", "error: ne: incompatible types for comparison (int and string)"},
      {R"({{ lt 1 "2" }})", "error: lt: incompatible types for comparison (int and string)"},
      {R"({{ lt 1 2.0 }})", "error: lt: incompatible types for comparison (int and float)"},
      {R"({{ lt true false }})", "error: lt: invalid type for comparison (bool and bool)"},
      {R"({{ lt .Values.none 1 }})",
       "error: lt: invalid type for comparison (nil and int); .Values.none has no value"},
      {R"({{ lt 1 .Values.none }})",
       "error: lt: invalid type for comparison (int and nil); .Values.none has no value"},
      {R"({{ gt .Values.list 1 }})", "error: gt: invalid type for comparison (list and int)"},
      {R"({{ le "a" 1 }})", "error: le: incompatible types for comparison (string and int)"},
      {R"({{ ge 1.0 1 }})", "error: ge: incompatible types for comparison (float and int)"},
      {R"({{ eq 1 }})", "error: \"eq\" takes at least 2 arguments, not 1"},
      {R"({{ lt 1 }})", "error: \"lt\" takes 2 arguments, not 1"},
      {R"({{ ne 1 2 3 }})", "error: \"ne\" takes 2 arguments, not 3"},
      {R"({{ not }})", "error: \"not\" takes 1 argument, not 0"},
  });
}

}  // namespace
}  // namespace rally::go_template
