#include "common/pipeline/go_template/render.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Value Text(const char* text) { return Value(std::string(text)); }
Value Int(int64_t number) { return Value(number); }

Value Data() {
  const Value::Map build = {
      {"ID", Text("id7")}, {"Branch", Text("main")}, {"TriggeredBy", Text("")}};
  const Value::Map values = {
      {"name", Text("shop")},
      {"empty", Text("")},
      {"count", Int(7)},
      {"zero", Int(0)},
      {"ratio", Value(2.5)},
      {"yes", Value(true)},
      {"no", Value(false)},
      {"list", Value(Value::List{Text("p"), Text("q"), Text("r")})},
      {"none", Value(Value::List{})},
      {"map", Value(Value::Map{{"b", Int(1)}, {"a", Int(2)}})},
      {"people", Value(Value::List{Value(Value::Map{{"k", Text("x")}}),
                                   Value(Value::Map{{"k", Text("y")}})})},
      {"deep", Value(Value::Map{{"er", Value(Value::Map{{"est", Text("d")}})}})},
  };
  return Value(Value::Map{{"Build", Value(build)}, {"Values", Value(values)}});
}

// The text, or "LINE:COLUMN: MESSAGE".
std::string Outcome(absl::string_view text) {
  Budget budget;
  const Rendered rendered = Render(text, Data(), &budget);
  if (!rendered.error.has_value()) return rendered.text;
  EXPECT_EQ(rendered.text, "");
  return absl::StrCat(rendered.error->line, ":", rendered.error->column, ": ",
                      rendered.error->message);
}

struct Case {
  const char* text;
  const char* outcome;
};

// What Go's own text/template gives for the same, unless said otherwise.
template <size_t N>
void ExpectOutcomes(const Case (&cases)[N]) {
  for (const Case& c : cases) EXPECT_EQ(Outcome(c.text), c.outcome) << c.text;
}

TEST(Render, TextAndTrimming) {
  ExpectOutcomes({
      {"", ""},
      {"plain", "plain"},
      {"}} { }", "}} { }"},
      {"a{{1}}b", "a1b"},
      {"a {{- 1 -}} b", "a1b"},
      {"a \t\r\n{{- 1 }} b", "a1 b"},
      {"{{-3}} {{- 3}}", "-33"},
      {"{{ 1 -}}\n\n{{- 2 -}} ", "12"},
      {" \xC2\xA0 {{- 1}}", " \xC2\xA0\x31"},
      {"{{\n1\n}}", "1"},
      {"{{.Build.ID}}}}", "id7}}"},
      {"x {{- /* nothing */ -}} y", "xy"},
      {"x {{/* a {{ b }} c */}} y", "x  y"},
      {"{{/* only */ -}} ", ""},
      {"{{- /**/ -}}", ""},
      {"{{ \"}}\" }}", "}}"},
  });
}

TEST(Render, Constants) {
  ExpectOutcomes({
      {"{{1}} {{-0x1F}} {{+5}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{0x_f}}",
       "1 -31 5 3 15 15 1000 15"},
      {"{{2.5}} {{.5}} {{3.}} {{1e3}} {{1E2}} {{0x1p-2}} {{1_0.5}} {{1e-400}}",
       "2.5 0.5 3 1000 100 0.25 10.5 0"},
      {"{{-0x8000000000000000}} {{9223372036854775807}}",
       "-9223372036854775808 9223372036854775807"},
      {"{{'a'}} {{'\xC3\xA9'}} {{'\\''}} {{'\"'}} {{'\\x41'}} {{'\\u00e9'}} {{'\\101'}}",
       "97 233 39 34 65 233 65"},
      {R"({{"a\tb\\\"\x41\101\u00e9\U0001F600"}})", "a\tb\\\"AA\xC3\xA9\xF0\x9F\x98\x80"},
      {"{{`raw\\n\r`}}", "raw\\n"},
      {"{{`two\nlines`}}", "two\nlines"},
      {"{{true}} {{false}}", "true false"},
  });
}

TEST(Render, FieldsAndVariables) {
  ExpectOutcomes({
      {"{{.Build.ID}} {{ $.Values.deep.er.est }}", "id7 d"},
      {"{{(.Values.deep).er.est}} {{(.Values.deep.er).est}}", "d d"},
      {"{{with .Values.deep.er}}{{.est}} {{$.Build.ID}}{{end}}", "d id7"},
      {"{{$x := .Values.deep}}{{$x.er.est}}", "d"},
      {"{{$x:=1}}{{$x}}{{$x := $x | print 2}}{{$x}}", "12 1"},
      {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
      {"{{$x := 1}}{{if true}}{{$x = 2}}{{$x}}{{end}}{{$x}}", "22"},
      {"{{with $x := 1}}{{$x}}{{.}}{{end}}", "11"},
      {"{{$x := 1}}{{$x := 2}}{{with $x := 3}}{{$x}}{{$x := 4}}{{$x}}{{end}}{{$x}}", "342"},
      {"{{range $i, $i := .Values.list}}{{$i}}{{end}}", "pqr"},
      {"{{$ := 1}}{{$}}", "1"},
      {"{{if $x := .Values.none}}{{else if $y := 3}}{{$x}}{{$y}}{{end}}", "[]3"},
      {"{{ ($x := 1) }}{{$x}}", "11"},
      {"{{.Values.map}} {{.Values.list}}", "map[a:2 b:1] [p q r]"},
  });
}

TEST(Render, Pipelines) {
  ExpectOutcomes({
      {"{{ .Values.name | upper }}", "SHOP"},
      {"{{1|print|print 2}}", "21"},
      {"{{print 1 (print 2 3) | len}}", "4"},
      {"{{( 1 ) | print ( 2 )}}", "2 1"},
      {"{{print (len .Values.list) (index .Values.map \"a\")}}", "3 2"},
      {"{{(dict \"k\" 5).k}}", "5"},
      {"{{print}}", ""},
  });
}

TEST(Render, AndOrStopEarlyAndGiveTheValue) {
  ExpectOutcomes({
      {"{{or 0 \"\" 3}} {{and 1 2}} {{or 0}} {{or 0 \"\"}}.", "3 2 0 ."},
      {"{{1|or 0}} {{0|and 1}} {{2|or 1}}", "1 0 1"},
      {"{{and 0 (index .Values.list 99)}} {{or 1 (fail \"no\")}}", "0 1"},
      {"{{or .Values.missing \"d\"}} {{and .Values.missing.x 1 | default 5}}", "d 5"},
      {"{{or 0 (index .Values.list 99)}}", "1:9: index: index out of range: 99"},
  });
}

TEST(Render, IfAndWith) {
  ExpectOutcomes({
      {"{{if .Values.yes}}a{{else}}b{{end}}{{if .Values.no}}a{{else}}b{{end}}", "ab"},
      {"{{if 0}}a{{else if .Values.none}}b{{else if .Values.ratio}}c{{else}}d{{end}}", "c"},
      {"{{if .Values.missing.x}}a{{else}}b{{end}}", "b"},
      {"{{if .Values.empty}}a{{end}}", ""},
      {"{{with .Values.missing}}a{{else}}{{.Build.ID}}{{end}}", "id7"},
      {"{{with .Values.name}}{{.}}{{end}}", "shop"},
      {"{{ if true -}} x {{- end }}", "x"},
      {"{{if true}}{{end}}", ""},
  });
}

TEST(Render, Range) {
  ExpectOutcomes({
      {"{{range .Values.list}}{{.}},{{end}}", "p,q,r,"},
      {"{{range $i, $v := .Values.list}}{{$i}}{{$v}}{{end}}", "0p1q2r"},
      {"{{range $k,$v:=.Values.map}}{{$k}}={{$v}} {{end}}", "a=2 b=1 "},
      {"{{range .Values.map}}{{.}}{{end}}", "21"},
      {"{{range .Values.people}}{{.k}}{{$.Build.ID}}{{end}}", "xid7yid7"},
      {"{{range .Values.none}}a{{else}}b{{end}}", "b"},
      {"{{range .Values.missing}}a{{else}}b{{end}}", "b"},
      {"{{range $v := .Values.none}}{{else}}{{$v}}{{end}}", "[]"},
      {"{{range .Values.list}}{{if eq . \"q\"}}{{continue}}{{end}}{{.}}{{end}}", "pr"},
      {"{{range .Values.list}}{{if eq . \"q\"}}{{break}}{{end}}{{.}}{{end}}!", "p!"},
      {"{{range .Values.list}}{{range $.Values.map}}{{break}}{{end}}{{.}}{{end}}", "pqr"},
      {"{{range .Values.list}}{{range $.Values.none}}{{else}}a{{break}}b{{end}}{{.}}{{end}}",
       "apaqar"},
      {"{{range .Values.list}}{{range $.Values.none}}{{else}}a{{continue}}b{{end}}{{.}}{{end}}",
       "aaa"},
      {"{{$x := 0}}{{range .Values.list}}{{$x = .}}{{end}}{{$x}}", "r"},
      {"{{$x := 0}}{{range $x = .Values.list}}{{end}}{{$x}}", "r"},
      {"{{range list 1 2}}{{.}}{{end}}", "12"},
  });
}

// Where a template is right or wrong like in Go, in other words.
TEST(Render, SyntaxErrors) {
  ExpectOutcomes({
      {"{{", "1:1: the action is not closed: \"}}\" is missing"},
      {"a\nb {{ .x", "2:3: the action is not closed: \"}}\" is missing"},
      {"{{}}", "1:3: a value is missing after \"{{\""},
      {"{{if}}{{end}}", "1:5: a value is missing after \"if\""},
      {"{{$x := }}", "1:9: a value is missing after \":=\""},
      // Go takes this one.
      {"{{.Build.ID | }}", "1:15: a value is missing after \"|\""},
      {"{{print ()}}", "1:10: a value is missing after \"(\""},
      {"{{(1}}", "1:3: the parenthesis is not closed: \")\" is missing"},
      {"{{1)}}", "1:4: unexpected \")\" in the action"},
      {"{{print(1)}}", "1:8: unexpected \"(\" directly behind a value: a blank is missing"},
      {"{{1 := 2}}", "1:5: unexpected \":=\" in the action"},
      {"{{ . % 2 }}", "1:6: this character has no meaning between \"{{\" and \"}}\""},
      {"{{3-}}", "1:3: bad number: a sign may only be in front; put a blank before \"-}}\""},
      {"{{08}}", "1:3: \"08\" is not a number"},
      {"{{1i}}", "1:3: \"1i\" is not a number"},
      {"{{1__0}}", "1:3: \"1__0\" is not a number"},
      {"{{0x1.8}}", "1:3: \"0x1.8\" is not a number"},
      {"{{1e400}}", "1:3: \"1e400\" is too large for a float"},
      {"{{9223372036854775808}}",
       "1:3: \"9223372036854775808\" is too large: integers have 64 bits"},
      {"{{\"a\nb\"}}", "1:3: the string is not closed: a \" is missing on its line"},
      {"{{`a}}", "1:3: the string is not closed: a ` is missing"},
      {"{{'ab'}}", "1:3: 'ab' is not one character; strings are in \" or `"},
      {"{{''}}", "1:3: '' is not one character; strings are in \" or `"},
      {"{{\"\\q\"}}", "1:3: bad escape in \"\\q\": write a backslash as \\\\, or use `raw` quotes"},
      {"{{\"\\ud800\"}}",
       "1:3: bad escape in \"\\ud800\": write a backslash as \\\\, or use `raw` quotes"},
      {"{{.Values.my-key}}",
       "1:13: a name cannot contain \"-\": such a key is (index .Values \"my-key\"), and \"-}}\" "
       "has a blank before it"},
      {"{{$x=1}}", "1:5: unexpected character behind a name"},
      {"{{.Build.\xE2\x80\x9CID}}", "1:10: unexpected character behind a name"},
      {"{{/* a */ }}", "1:1: a comment must end directly before \"}}\", as \"*/}}\" or \"*/ -}}\""},
      {"{{/* a", "1:1: the comment is not closed: \"*/}}\" is missing"},
      {"{{..ID}}", "1:4: unexpected \".ID\" directly behind a value that has no fields"},
      {"{{true.x}}", "1:7: unexpected \".x\" directly behind a value that has no fields"},
  });
}

TEST(Render, BlockErrors) {
  ExpectOutcomes({
      {"{{end}}", "1:3: {{ end }} without a block that it belongs to"},
      {"{{else}}", "1:3: {{ else }} without a block that it belongs to"},
      {"a\n{{if 1}}\n{{range .Values.list}}{{end}}",
       "2:3: {{ if }} is not closed: {{ end }} is missing"},
      {"{{if 1}}{{else}}{{else}}{{end}}", "1:19: a second {{ else }} of the same if"},
      {"{{with 1}}{{else if 2}}{{end}}",
       "1:18: \"else if\" is not part of a with: put a block of its own behind {{ else }}"},
      {"{{if 1}}{{end 1}}", "1:15: unexpected \"1\" behind \"end\""},
      {"{{break}}", "1:3: {{ break }} outside of a range"},
      {"{{range .Values.list}}{{else}}{{continue}}{{end}}",
       "1:33: {{ continue }} outside of a range"},
      {"{{define \"x\"}}{{end}}",
       "1:3: \"define\" is not available: every string is a template of its own and has nothing to "
       "share parts with"},
      {"{{if 0}}{{template \"x\"}}{{end}}",
       "1:11: \"template\" is not available: every string is a template of its own and has nothing "
       "to share parts with"},
      {"{{block \"x\" .}}{{end}}",
       "1:3: \"block\" is not available: every string is a template of its own and has nothing to "
       "share parts with"},
      {"{{if $a, $b := 1}}{{end}}",
       "1:8: unexpected \",\" behind a variable: only range can set two"},
      {"{{range $a, $b, $c := .Values.list}}{{end}}",
       "1:15: unexpected \",\" behind a variable: range sets two at most"},
      {"{{range $a, 1}}{{end}}", "1:13: unexpected \"1\" where range's second variable belongs"},
  });
}

// Names and numbers of arguments count in branches that are not taken, too.
TEST(Render, NameErrors) {
  ExpectOutcomes({
      {"{{if false}}{{uper 1}}{{end}}", "1:15: unknown function \"uper\"; did you mean \"upper\"?"},
      {"{{ Build.ID }}", "1:4: unknown function \"Build\"; did you mean \".Build\"?"},
      {"{{ xyzzy 1 }}", "1:4: unknown function \"xyzzy\""},
      {"{{ call .x }}",
       "1:4: unknown function \"call\": a template has no values that are functions"},
      {"{{ unixEpoch .x }}",
       "1:4: unknown function \"unixEpoch\": a template has no times, only dates as text"},
      {"{{ now }}",
       "1:4: unknown function \"now\": a template has only functions that give the same "
       "everywhere"},
      {"{{$nme}}{{$name := 1}}", "1:3: undefined variable \"$nme\""},
      {"{{$name := 1}}{{$nme}}", "1:17: undefined variable \"$nme\"; did you mean \"$name\"?"},
      {"{{$x := $x}}", "1:9: undefined variable \"$x\""},
      {"{{$x = 1}}", "1:3: undefined variable \"$x\" (\"=\" changes a variable, \":=\" makes one)"},
      {"{{if 1}}{{$x := 1}}{{end}}{{$x}}", "1:29: undefined variable \"$x\""},
      {"{{if 0}}{{$x := 1}}{{else}}{{$x}}{{end}}", "1:30: undefined variable \"$x\""},
      {"{{if 0}}{{upper}}{{end}}", "1:11: \"upper\" takes 1 argument, not 0"},
      {"{{upper 1 2}}", "1:3: \"upper\" takes 1 argument, not 2"},
      {"{{1 | upper 2}}", "1:7: \"upper\" takes 1 argument, not 2"},
      {"{{and}}", "1:3: \"and\" takes at least 1 argument, not 0"},
      {"{{print upper 1}}", "1:9: \"upper\" takes 1 argument, not 0"},
      {"{{upper.x}}", "1:3: \"upper\" takes 1 argument, not 0"},
      {"{{.Build.ID 1}}", "1:3: .Build.ID is not a function and takes no arguments"},
      {"{{1 | .Build.ID}}", "1:7: \"|\" needs a function behind it, not .Build.ID"},
      {"{{nil}}", "1:3: nil can only be an argument of a function"},
  });
}

TEST(Render, MissingValues) {
  ExpectOutcomes({
      {"a {{ .Values.color }}", "1:6: .Values.color has no value"},
      {"{{ .Values.a.b.c }}", "1:4: .Values.a.b.c has no value"},
      {"{{ index .Values \"a-b\" }}", "1:4: index .Values \"a-b\" has no value"},
      {"{{$x := .Values.color}}\n{{ $x }}", "2:4: $x has no value"},
      {"{{ .Values.color | upper }}", "1:4: upper: .Values.color has no value"},
      {"{{ replace \"a\" .Values.color \"b\" }}", "1:16: replace: .Values.color has no value"},
      {"{{ upper nil }}", "1:10: upper: nil has no value"},
      {"{{ .Values.color | default \"blue\" }}", "blue"},
      {"{{ coalesce nil .Values.color 3 }} {{ empty .Values.color }}", "3 true"},
      {"{{ ternary 1 2 .Values.color }} {{ eq .Values.color \"x\" }}", "2 false"},
      {"{{ not .Values.color }}", "true"},
  });
  EXPECT_THAT(Outcome("{{ lt .Values.color 3 }}"), EndsWith("; .Values.color has no value"));
}

TEST(Render, EvaluationErrors) {
  ExpectOutcomes({
      {"{{ .Values.name.x }}", "1:16: .Values.name is a string and has no field \"x\""},
      {"{{ range .Values.list }}{{ .x }}{{ end }}",
       "1:28: the dot is a string and has no field \"x\""},
      {"{{ (len \"ab\").x }}", "1:14: (len \"ab\") is an int and has no field \"x\""},
      {"{{range .Values.count}}{{end}}",
       "1:9: range needs a list or a map, and .Values.count is an int"},
      {"{{range \"\"}}{{else}}{{end}}", "1:9: range needs a list or a map, and \"\" is a string"},
      {"\n {{ lt .Values.count \"5\" }}",
       "2:5: lt: incompatible types for comparison (int and string)"},
      {"{{ \"5\" | lt .Values.count }}",
       "1:10: lt: incompatible types for comparison (int and string)"},
      {"{{ fail \"no tag\" }}", "1:4: fail: no tag"},
  });
}

TEST(Render, TheTopLevelAndBuildAreComplete) {
  ExpectOutcomes({
      {"{{ .Secrets.x }}",
       "1:4: secrets are not available in templates; name them in \"secretEnvs\""},
      {"{{ .Bulid.ID }}",
       "1:4: unknown \".Bulid\"; did you mean \".Build\"? (known: .Build, .Values)"},
      {"{{ .Foo }}", "1:4: unknown \".Foo\" (known: .Build, .Values)"},
      {"{{ .Build.QueuedBy }}",
       "1:10: unknown \".Build.QueuedBy\"; did you mean \".Build.TriggeredBy\"? (known: "
       ".Build.Branch, .Build.ID, .Build.TriggeredBy)"},
      {"{{ if $.Build.BuildId }}{{ end }}",
       "1:14: unknown \".Build.BuildId\"; did you mean \".Build.ID\"? (known: .Build.Branch, "
       ".Build.ID, .Build.TriggeredBy)"},
      {"{{ with .Build }}{{ .Branchh }}{{ end }}",
       "1:21: unknown \".Build.Branchh\"; did you mean \".Build.Branch\"? (known: .Build.Branch, "
       ".Build.ID, .Build.TriggeredBy)"},
      {"{{ index .Build \"Foo\" | default 1 }}",
       "1:17: unknown \".Build.Foo\" (known: .Build.Branch, .Build.ID, .Build.TriggeredBy)"},
      {"{{ if false }}{{ print (index $ \"Build\" `Branchh`) }}{{ end }}",
       "1:41: unknown \".Build.Branchh\"; did you mean \".Build.Branch\"? (known: .Build.Branch, "
       ".Build.ID, .Build.TriggeredBy)"},
      {"{{ index . \"Secrets\" }}",
       "1:12: secrets are not available in templates; name them in \"secretEnvs\""},
      {"{{ index .Build \"ID\" }} {{ index . `Values` `deep` `er` `est` }}", "id7 d"},
      {"{{ index .Values \"Foo\" | default 1 }} {{ index .Values.map \"Foo\" | default 2 }}",
       "1 2"},
      // What is known only by evaluating can be asked for.
      {"{{ $name := \"Foo\" }}{{ index .Build $name | default 1 }}", "1"},
      {"{{ with .Build }}{{ index . \"Foo\" | default 1 }}{{ end }}", "1"},
      // In a branch that isn't taken, where it shows without evaluating.
      {"{{ if false }}{{ print (.Build.Foo) }}{{ end }}",
       "1:31: unknown \".Build.Foo\" (known: .Build.Branch, .Build.ID, .Build.TriggeredBy)"},
      {"{{ with .Values.none }}{{ $.Secrets }}{{ else }}{{ end }}",
       "1:28: secrets are not available in templates; name them in \"secretEnvs\""},
      {"{{ with .Values.none }}{{ else }}{{ .Foo }}{{ end }}",
       "1:37: unknown \".Foo\" (known: .Build, .Values)"},
      {"{{ with .Values.none }}{{ .Foo }}{{ end }}", ""},
      {"{{ $ := .Values }}{{ $.name }}", "shop"},
  });
}

std::string Repeated(int times, absl::string_view text) {
  std::string all;
  for (int i = 0; i < times; ++i) all.append(text.data(), text.size());
  return all;
}

TEST(RenderLimits, Nesting) {
  const std::string deepest = absl::StrCat("{{", Repeated(100, "("), "1", Repeated(100, ")"), "}}");
  EXPECT_EQ(Outcome(deepest), "1");
  EXPECT_EQ(Outcome(absl::StrCat("{{", Repeated(100'000, "("))),
            "1:103: blocks and parentheses nest deeper than 100");
  EXPECT_EQ(Outcome(Repeated(100'000, "{{if 1}}")),
            "1:803: blocks and parentheses nest deeper than 100");
  // A chain isn't nested.
  EXPECT_EQ(
      Outcome(absl::StrCat("{{if 0}}", Repeated(20'000, "{{else if 0}}"), "{{else}}x{{end}}")),
      "x");
}

TEST(RenderLimits, LoopsInLoops) {
  // 10 * 10 * ... passes.
  std::string bomb = "{{$l := list 1 2 3 4 5 6 7 8 9 10}}";
  bomb += Repeated(50, "{{range $l}}") + Repeated(50, "{{end}}");
  EXPECT_THAT(Outcome(bomb), EndsWith(": the template takes more than 100000 steps"));
}

TEST(RenderLimits, GrowingText) {
  EXPECT_THAT(Outcome("{{$x := \"0123456789abcdef\"}}{{range $i, $v := splitList \"\" "
                      "\"0123456789abcdef\"}}{{$x = print $x $x}}{{end}}{{$x}}"),
              HasSubstr("64 KiB"));
  EXPECT_EQ(Outcome(absl::StrCat("{{1}}", std::string(65'535, 'x'))),
            absl::StrCat("1", std::string(65'535, 'x')));
  EXPECT_EQ(Outcome(absl::StrCat("{{1}}", std::string(65'536, 'x'))),
            "1:6: a text of the template grows over 64 KiB");
}

TEST(RenderLimits, OneBudgetForAFile) {
  Budget budget;
  const std::string text = absl::StrCat("{{1}}", std::string(60'000, 'x'));
  int rendered = 0;
  while (rendered < 1000 && !Render(text, Data(), &budget).error.has_value()) ++rendered;
  EXPECT_EQ(rendered, 139);  // 8 MiB
}

TEST(RenderLimits, LongExpressionsCostMoreSteps) {
  const std::string action =
      absl::StrCat("{{if $.Values.missing", Repeated(1000, ".x"), "}}{{end}}");
  const auto thousand_times = [](absl::string_view body) {
    return absl::StrCat("{{$l := list 1 2 3 4 5 6 7 8 9 10}}", Repeated(3, "{{range $l}}"), body,
                        Repeated(3, "{{end}}"));
  };
  EXPECT_EQ(Outcome(thousand_times(action)), "");
  EXPECT_THAT(Outcome(thousand_times(absl::StrCat(action, action))),
              EndsWith(": the template takes more than 100000 steps"));
}

TEST(RenderLimits, VariablesAndSize) {
  EXPECT_EQ(Outcome(Repeated(5000, "{{$x := 1}}")), "");
  const auto variables = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) absl::StrAppend(&text, "{{$x", i, " := ", i, "}}");
    return text;
  };
  EXPECT_EQ(Outcome(variables(199)), "");  // With $ they are 200.
  EXPECT_THAT(Outcome(variables(200)), EndsWith(": more than 200 variables at once"));
  EXPECT_THAT(Outcome(Repeated(200'000, "{{1}}")), EndsWith(": the template is too long"));
}

TEST(Render, ErrorsPointIntoTheLineInBytes) {
  EXPECT_EQ(Outcome("\xC3\xA9\r\n\xC3\xA9{{ .Foo }}"),
            "2:6: unknown \".Foo\" (known: .Build, .Values)");
}

}  // namespace
}  // namespace rally::go_template
