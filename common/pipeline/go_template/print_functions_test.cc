#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(PrintFunctionsTest, PrintPutsBlanksBetweenWhatIsNoString) {
  ExpectRendered({
      {R"({{ print }})", ""},
      {R"({{ print 1 2 }})", "1 2"},
      {R"({{ print "a" "b" }})", "ab"},
      {R"({{ print "a" 1 2 "b" 3 }})", "a1 2b3"},
      {R"({{ print 1 "a" true }})", "1atrue"},
      {R"({{ print true false 1.5 }})", "true false 1.5"},
      {R"({{ println }})", "\n"},
      {R"({{ println "a" 1 }})", "a 1\n"},
      {R"({{ println "a" "b" }})", "a b\n"},
  });
}

TEST(PrintFunctionsTest, TextOfValues) {
  ExpectRendered({
      {R"({{ true }})", "true"},
      {R"({{ 3.0 }})", "3"},
      {R"({{ .Values.float }})", "2.5"},
      {R"({{ 999999.0 }})", "999999"},
      {R"({{ 1e6 }})", "1e+06"},
      {R"({{ 12345678.0 }})", "1.2345678e+07"},
      {R"({{ 0.0001 }})", "0.0001"},
      {R"({{ 0.00001 }})", "1e-05"},
      {R"({{ .Values.list }})", "[b a c]"},
      {R"({{ .Values.map }})", "map[x:1 y:two]"},
      {R"({{ list 1 "a" (list 2.5) (dict "k" true) }})", "[1 a [2.5] map[k:true]]"},
      {R"({{ list }})", "[]"},
      {R"({{ dict }})", "map[]"},
      {R"({{ "x" }})", "x"},
      {R"({{ `a\n` }})", "a\\n"},
      {R"({{ 'a' }})", "97"},
      {R"({{ .Values.inf }})", "+Inf"},
      {R"({{ .Values.nan }})", "NaN"},
      {R"({{ -0.0 }})", "-0"},
  });
}

TEST(PrintFunctionsTest, Html) {
  ExpectRendered({
      {R"({{ html "<a href=\"x\">T's & \x00</a>" }})",
       "&lt;a href=&#34;x&#34;&gt;T&#39;s &amp; �&lt;/a&gt;"},
      {R"({{ html 1 2 }})", "1 2"},
      {R"({{ html .Values.list }})", "[b a c]"},
      {R"({{ html }})", ""},
  });
}

TEST(PrintFunctionsTest, Js) {
  ExpectRendered({
      {R"({{ js "\\ ' \" < > & = \n \x01" }})",
       "\\\\ \\' \\\" \\u003C \\u003E \\u0026 \\u003D \\u000A \\u0001"},
      {R"({{ js "é\u00ad\u2028" }})", "é\\u00AD\\u2028"},
      {R"({{ js .Values.bytes }})", "a\377b"},
      {R"({{ js 1 "a" }})", "1a"},
  });
}

TEST(PrintFunctionsTest, UrlQuery) {
  ExpectRendered({
      {R"({{ urlquery "a b&c=d/é" }})", "a+b%26c%3Dd%2F%C3%A9"},
      {R"t({{ urlquery "-_.~!*()" }})t", "-_.~%21%2A%28%29"},
      {R"({{ urlquery 1 "a" }})", "1a"},
  });
}

TEST(PrintFunctionsTest, MissingValuesHaveNoText) {
  ExpectRendered({
      {R"({{ print .Values.none }})",
       "error: print: a missing value has no text; .Values.none has no value"},
      {R"({{ println "a" .Values.none }})",
       "error: println: a missing value has no text; .Values.none has no value"},
      {R"({{ print (list 1 .Values.none) }})", "error: print: a missing value has no text"},
      {R"({{ html .Values.none }})",
       "error: html: a missing value has no text; .Values.none has no value"},
      {R"({{ js nil }})", "error: js: a missing value has no text; nil has no value"},
      {R"({{ urlquery .Values.none }})",
       "error: urlquery: a missing value has no text; .Values.none has no value"},
  });
}

}  // namespace
}  // namespace rally::go_template
