#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(PrintfFunctionsTest, Verbs) {
  ExpectRendered({
      {R"({{ printf "%v %v %v %v" 1 "a" true 1.5 }})", "1 a true 1.5"},
      {R"({{ printf "%v" .Values.list }})", "[b a c]"},
      {R"({{ printf "%v" .Values.map }})", "map[x:1 y:two]"},
      {R"({{ printf "%+v %#v %#v" 5 "a\"" 5 }})", "5 \"a\\\"\" 5"},
      {R"({{ printf "%d" 42 }})", "42"},
      {R"({{ printf "%s" "abc" }})", "abc"},
      {R"({{ printf "%q" "a\"é" }})", "\"a\\\"é\""},
      {R"({{ printf "%+q" "é😀" }})", "\"\\u00e9\\U0001f600\""},
      {R"({{ printf "%#q" "a\\b" }})", "`a\\b`"},
      {R"({{ printf "%#q" "a`b" }})", "\"a`b\""},
      {R"({{ printf "%q %+q" 97 233 }})", "'a' '\\u00e9'"},
      {R"({{ printf "%q" 39 }})", "'\\''"},
      {R"({{ printf "%x %X" 255 -255 }})", "ff -FF"},
      {R"({{ printf "%x %X" "hé" "hé" }})", "68c3a9 68C3A9"},
      {R"({{ printf "%o %#o %O" 8 8 8 }})", "10 010 0o10"},
      {R"({{ printf "%b %#b" 5 5 }})", "101 0b101"},
      {R"({{ printf "%c%c%c" 72 0x20AC 0x1F600 }})", "H€😀"},
      {R"({{ printf "%c" -1 }})", "�"},
      {R"({{ printf "%U %#U %#U" 8364 8364 7 }})", "U+20AC U+20AC '€' U+0007"},
      {R"({{ printf "%t" false }})", "false"},
      {R"({{ printf "%e %E" 1234.5678 1234.5678 }})", "1.234568e+03 1.234568E+03"},
      {R"({{ printf "%f %F" 1.5 1.5 }})", "1.500000 1.500000"},
      {R"({{ printf "%g %G" 1e-7 1e-7 }})", "1e-07 1E-07"},
      {R"({{ printf "%g %g" 100000.0 1e6 }})", "100000 1e+06"},
      {R"({{ printf "%b" 1.5 }})", "6755399441055744p-52"},
      {R"({{ printf "%x %X" 1.5 -0.1 }})", "0x1.8p+00 -0X1.999999999999AP-04"},
      {R"({{ printf "%x" 0.0 }})", "0x0p+00"},
      {R"({{ printf "%x" 5e-324 }})", "0x1p-1074"},
      {R"({{ printf "100%%" }})", "100%"},
      {R"({{ printf "%d%%" 50 }})", "50%"},
      {R"({{ printf "%5%" }})", "%"},
      {R"({{ printf "a%-3%b" }})", "a%b"},
      {R"({{ printf "" }})", ""},
      {R"({{ printf "no verbs" }})", "no verbs"},
      {R"({{ printf "%s|%s" "a" "b" }})", "a|b"},
  });
}

TEST(PrintfFunctionsTest, Types) {
  ExpectRendered({
      {R"({{ printf "%T %T %T %T" 1 "a" true 1.0 }})", "int string bool float64"},
      {R"({{ printf "%T %T" .Values.max (add 1 2) }})", "int int"},
      {R"({{ printf "%T|%T" .Values.list (list) }})", "[]interface {}|[]interface {}"},
      {R"({{ printf "%T" .Values.map }})", "map[string]interface {}"},
      {R"({{ printf "%T %T" nil .Values.none }})", "<nil> <nil>"},
      {R"({{ printf "%8T|%-8T|%08T|%.3T|%#T|%+T" "a" "a" "a" "a" "a" "a" }})",
       "  string|string  |00string|str|string|string"},
      {R"({{ printf "%7.2T|%-7T|" nil nil }})", "  <nil>|<nil>  |"},
  });
}

TEST(PrintfFunctionsTest, GoSyntaxOfListsAndMaps) {
  ExpectRendered({
      {R"({{ printf "%#v" (list 1 "a\"" true 2.5) }})", R"([]interface {}{1, "a\"", true, 2.5})"},
      {R"({{ printf "%#v" .Values.map }})", R"(map[string]interface {}{"x":1, "y":"two"})"},
      {R"({{ printf "%#v %#v" (list) (dict) }})", "[]interface {}{} map[string]interface {}{}"},
      {R"({{ printf "%#v" (list (list 1) (dict "b" (list) "a" 1)) }})",
       R"([]interface {}{[]interface {}{1}, map[string]interface {}{"a":1, "b":[]interface {}{}}})"},
      {R"({{ printf "%#4v" (list 1 "a") }})", R"([]interface {}{   1,  "a"})"},
      {R"({{ printf "%#x" (list 1 "a") }})", "[0x1 0x61]"},
  });
}

TEST(PrintfFunctionsTest, WidthAndPrecision) {
  ExpectRendered({
      {R"({{ printf "%5d|%-5d|%05d" 42 42 42 }})", "   42|42   |00042"},
      {R"({{ printf "%06d" -42 }})", "-00042"},
      {R"({{ printf "%+d %+d" 5 -5 }})", "+5 -5"},
      {R"({{ printf "% d % d" 5 -5 }})", " 5 -5"},
      {R"({{ printf "%+05d" 5 }})", "+0005"},
      {R"({{ printf "%.3d|%5.3d|%05.3d" 7 7 7 }})", "007|  007|  007"},
      {R"({{ printf "%.0d|%.d|%3.0d" 0 0 0 }})", "||   "},
      {R"({{ printf "%#x %#X %#08x" 255 255 255 }})", "0xff 0XFF 0x000000ff"},
      {R"({{ printf "%6.2f|%-8.3f|%08.2f" 3.14159 3.14159 -3.14159 }})",
       "  3.14|3.142   |-0003.14"},
      {R"({{ printf "%+.1f % .1f" 2.0 2.0 }})", "+2.0  2.0"},
      {R"({{ printf "%.0f %.0f %.0f" 0.5 1.5 2.5 }})", "0 2 2"},
      {R"({{ printf "%.3e" 123456.0 }})", "1.235e+05"},
      {R"({{ printf "%.3g %.10g" 1234.5678 1234.5678 }})", "1.23e+03 1234.5678"},
      {R"({{ printf "%#g %#.3g %#.0f" 1.0 1.0 1.0 }})", "1.00000 1.00 1."},
      {R"({{ printf "%.20f" 0.1 }})", "0.10000000000000000555"},
      {R"({{ printf "%.3x" 3.14159 }})", "0x1.922p+01"},
      {R"({{ printf "%5s|%-5s|%05s" "ab" "ab" "ab" }})", "   ab|ab   |000ab"},
      {R"({{ printf "%.2s" "héllo" }})", "hé"},
      {R"({{ printf "%5.1s|" "éa" }})", "    é|"},
      {R"({{ printf "%5s|" "é" }})", "    é|"},
      {R"({{ printf "%8q|%-8q|" "a" "a" }})", "     \"a\"|\"a\"     |"},
      {R"({{ printf "%.2q" "abc" }})", "\"ab\""},
      {R"({{ printf "% x|%#x|%# x" "abc" "abc" "abc" }})", "61 62 63|0x616263|0x61 0x62 0x63"},
      {R"({{ printf "%.2x|%8x|%-8x|" "abc" "abc" "abc" }})", "6162|  616263|616263  |"},
      {R"({{ printf "%5t|%-6t|" true true }})", " true|true  |"},
      {R"({{ printf "%3c|%-3c|%03c" 65 65 65 }})", "  A|A  |00A"},
      {R"({{ printf "%10U|%-10U|%.6U" 65 65 65 }})", "    U+0041|U+0041    |U+000041"},
      {R"({{ printf "%6v|%-6v|%06v" 1 "a" 2.5 }})", "     1|a     |0002.5"},
      {R"({{ printf "%+v %+.2e" 1.5 1.5 }})", "1.5 +1.50e+00"},
      {R"({{ printf "%5v" .Values.inf }})", " +Inf"},
      {R"({{ printf "%05v|%+v|% v" .Values.inf .Values.inf .Values.inf }})", " +Inf|+Inf| Inf"},
      {R"({{ printf "%5v|%+v" .Values.nan .Values.nan }})", "  NaN|NaN"},
      {R"({{ printf "%6.1f" (list 1.25 2.5) }})", "[   1.2    2.5]"},
      {R"({{ printf "%03d" (list 1 20) }})", "[001 020]"},
      {R"({{ printf "%q" .Values.list }})", "[\"b\" \"a\" \"c\"]"},
      {R"({{ printf "%x" (list "a" 255) }})", "[61 ff]"},
      {R"({{ printf "%-4d|" (dict) }})", "map[]|"},
      {R"({{ printf "%v" (dict "k" (list 1 "a")) }})", "map[k:[1 a]]"},
  });
}

TEST(PrintfFunctionsTest, StarsAndIndexes) {
  ExpectRendered({
      {R"({{ printf "%*d|%-*d|" 5 42 5 42 }})", "   42|42   |"},
      {R"({{ printf "%*d|" -5 42 }})", "42   |"},
      {R"({{ printf "%.*f" 2 3.14159 }})", "3.14"},
      {R"({{ printf "%*.*f" 8 2 3.14159 }})", "    3.14"},
      {R"({{ printf "%[2]s %[1]s" "a" "b" }})", "b a"},
      {R"({{ printf "%[1]d %[1]x" 10 }})", "10 a"},
      {R"({{ printf "%[2]d" 1 2 }})", "2"},
      {R"({{ printf "%[3]*.[2]*[1]f" 12.0 2 6 }})", " 12.00"},
      {R"({{ printf "%[1]*d" 3 4 }})", "  4"},
      {R"({{ printf "%[2]*[1]d" 2 5 }})", "    2"},
      {R"({{ printf "%[1]v %v" 1 2 }})", "1 2"},
  });
}

TEST(PrintfFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ printf "%d" "x" }})", "error: printf: \"%d\" cannot show a string"},
      {R"({{ printf "%d" 1.5 }})", "error: printf: \"%d\" cannot show a float"},
      {R"({{ printf "%d" true }})", "error: printf: \"%d\" cannot show a bool"},
      {R"({{ printf "%s" 1 }})", "error: printf: \"%s\" cannot show an int"},
      {R"({{ printf "%s" 1.5 }})", "error: printf: \"%s\" cannot show a float"},
      {R"({{ printf "%s" true }})", "error: printf: \"%s\" cannot show a bool"},
      {R"({{ printf "%t" 1 }})", "error: printf: \"%t\" cannot show an int"},
      {R"({{ printf "%f" 1 }})", "error: printf: \"%f\" cannot show an int"},
      {R"({{ printf "%c" "a" }})", "error: printf: \"%c\" cannot show a string"},
      {R"({{ printf "%x" true }})", "error: printf: \"%x\" cannot show a bool"},
      {R"({{ printf "%U" 1.5 }})", "error: printf: \"%U\" cannot show a float"},
      {R"({{ printf "%e" "a" }})", "error: printf: \"%e\" cannot show a string"},
      {R"({{ printf "%d" (list 1 "a") }})", "error: printf: \"%d\" cannot show a string"},
      {R"({{ printf "%d" .Values.map }})", "error: printf: \"%d\" cannot show a string"},
      {R"({{ printf "%d %d" 1 }})", "error: printf: \"%d\" has no argument"},
      {R"({{ printf "%d" }})", "error: printf: \"%d\" has no argument"},
      {R"({{ printf "%d" 1 2 }})", "error: printf: has 1 argument too many"},
      {R"({{ printf "" 1 2 }})", "error: printf: has 2 arguments too many"},
      {R"({{ printf "%[3]d" 1 2 }})", "error: printf: \"%[3]\" names no argument"},
      {R"({{ printf "%[0]d" 1 }})", "error: printf: \"%[0]\" names no argument"},
      {R"({{ printf "%[x]d" 1 }})", "error: printf: \"%[\" names no argument"},
      {R"({{ printf "%[1" 1 }})", "error: printf: \"%[1\" names no argument"},
      {R"({{ printf "%[]d" 1 }})", "error: printf: \"%[]\" names no argument"},
      {R"({{ printf "%[1]5d" 1 }})", "error: printf: \"%[1]5\" has its width behind the index"},
      {R"({{ printf "%[1].2d" 1 }})",
       "error: printf: \"%[1].\" has its precision behind the index"},
      {R"({{ printf "%*d" "a" 1 }})",
       "error: printf: \"%*\" needs an int of at most 1000000 for the \"*\""},
      {R"({{ printf "%*d" 1 }})", "error: printf: \"%*d\" has no argument"},
      {R"({{ printf "%.*d" -1 1 }})", "error: printf: \"%.*\" has a negative precision"},
      {R"({{ printf "%*d" 1000001 1 }})",
       "error: printf: \"%*\" needs an int of at most 1000000 for the \"*\""},
      {R"({{ printf "%1000001d" 1 }})", "error: printf: \"%1000001\" has a number over 1000000"},
      {R"({{ printf "%" }})", "error: printf: \"%\" ends without a verb"},
      {R"({{ printf "%5" }})", "error: printf: \"%5\" ends without a verb"},
      {R"({{ printf "%.2" }})", "error: printf: \"%.2\" ends without a verb"},
      {R"({{ printf "%z" 1 }})", "error: printf: \"%z\" has no verb that printf knows"},
      {R"({{ printf "%!" 1 }})", "error: printf: \"%!\" has no verb that printf knows"},
      {R"({{ printf "%p" .Values.list }})", "error: printf: \"%p\" has no verb that printf knows"},
      {R"({{ printf "%é" 1 }})", "error: printf: \"%é\" has no verb that printf knows"},
      {R"({{ printf "%#v" (list .Values.none) }})",
       "error: printf: \"%#v\" cannot show a missing value"},
      {R"({{ printf "%#v" (dict "k" (list .Values.none)) }})",
       "error: printf: \"%#v\" cannot show a missing value"},
      {R"({{ printf "%v" .Values.none }})",
       "error: printf: \"%v\" cannot show a missing value; .Values.none has no value"},
      {R"({{ printf "%s" .Values.none }})",
       "error: printf: \"%s\" cannot show a missing value; .Values.none has no value"},
      {R"({{ printf "%v" (list .Values.none) }})",
       "error: printf: \"%v\" cannot show a missing value"},
      {R"({{ printf 1 }})", "error: printf: wants a string, not an int"},
      {R"({{ printf .Values.none }})", "error: printf: .Values.none has no value"},
      {R"({{ printf  }})", "error: \"printf\" takes at least 1 argument, not 0"},
  });
}

}  // namespace
}  // namespace rally::go_template
