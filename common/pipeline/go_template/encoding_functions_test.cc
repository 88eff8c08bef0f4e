#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(EncodingFunctionsTest, ToString) {
  ExpectRendered({
      {R"({{ toString 1 }})", "1"},
      {R"({{ toString 1e6 }})", "1e+06"},
      {R"({{ toString true }})", "true"},
      {R"({{ toString .Values.list | len }})", "7"},
      {R"({{ toString "a" }})", "a"},
  });
}

TEST(EncodingFunctionsTest, ToJson) {
  ExpectRendered({
      {R"({{ toJson .Values.map }})", "{\"x\":1,\"y\":\"two\"}"},
      {R"({{ toJson (dict "b" 1 "a" (list true 1.5 "x")) }})", "{\"a\":[true,1.5,\"x\"],\"b\":1}"},
      {R"({{ toJson "<a> & \"b\" \\ \n\r\t\b\x01 é \u2028 /" }})",
       "\"\\u003ca\\u003e \\u0026 \\\"b\\\" \\\\ \\n\\r\\t\\u0008\\u0001 é \\u2028 /\""},
      {R"({{ toJson .Values.bytes }})", "\"a\\ufffdb\""},
      {R"({{ toJson (list) }})", "[]"},
      {R"({{ toJson (dict) }})", "{}"},
      {R"({{ toJson 3 }})", "3"},
      {R"({{ toJson 3.0 }})", "3"},
      {R"({{ toJson 1e20 }})", "100000000000000000000"},
      {R"({{ toJson 1e21 }})", "1e+21"},
      {R"({{ toJson 0.000001 }})", "0.000001"},
      {R"({{ toJson 0.0000001 }})", "1e-7"},
      {R"({{ toJson -2.5e-10 }})", "-2.5e-10"},
      {R"({{ toJson 1.5e300 }})", "1.5e+300"},
      {R"({{ toJson 123456789.125 }})", "123456789.125"},
      {R"({{ toJson false }})", "false"},
      {R"({{ toJson "\x7f" }})", "\"\177\""},
  });
}

TEST(EncodingFunctionsTest, Base64) {
  ExpectRendered({
      {R"({{ b64enc "hello" }})", "aGVsbG8="},
      {R"({{ b64enc "" }})", ""},
      {R"({{ b64enc "hell" }})", "aGVsbA=="},
      {R"({{ b64enc .Values.bytes }})", "Yf9i"},
      {R"({{ b64dec "aGVsbG8=" }})", "hello"},
      {R"({{ b64dec "aGVsbA==" }})", "hell"},
      {R"({{ b64dec "aGVsbG8h" }})", "hello!"},
      {R"({{ b64dec "" }})", ""},
      {R"({{ b64dec "aGVs\nbG8=\r\n" }})", "hello"},
      {R"({{ b64dec "aGVsbB==" }})", "hell"},
      {R"({{ "é€" | b64enc | b64dec }})", "é€"},
  });
}

TEST(EncodingFunctionsTest, Sha256Sum) {
  ExpectRendered({
      {R"({{ sha256sum "" }})", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {R"({{ sha256sum "hello" }})",
       "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
  });
}

TEST(EncodingFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ toString .Values.none }})",
       "error: toString: a missing value has no text; .Values.none has no value"},
      {R"({{ toJson .Values.none }})",
       "error: toJson: a missing value has no text; .Values.none has no value"},
      {R"({{ toJson (list 1 .Values.none) }})", "error: toJson: a missing value has no text"},
      {R"({{ toJson .Values.inf }})", "error: toJson: has a float that JSON cannot write"},
      {R"({{ toJson .Values.nan }})", "error: toJson: has a float that JSON cannot write"},
      {R"({{ b64enc 3 }})", "error: b64enc: wants a string, not an int"},
      {R"({{ b64enc .Values.none }})", "error: b64enc: .Values.none has no value"},
      {R"({{ b64dec "aGVsbG8" }})", "error: b64dec: \"aGVsbG8\" is not base64"},
      {R"({{ b64dec "a" }})", "error: b64dec: \"a\" is not base64"},
      {R"({{ b64dec "====" }})", "error: b64dec: \"====\" is not base64"},
      {R"({{ b64dec "a===" }})", "error: b64dec: \"a===\" is not base64"},
      {R"({{ b64dec "aGVsbG8=x" }})", "error: b64dec: \"aGVsbG8=x\" is not base64"},
      {R"({{ b64dec "aG==sbA=" }})", "error: b64dec: \"aG==sbA=\" is not base64"},
      {R"({{ b64dec "aGVsbA===" }})", "error: b64dec: \"aGVsbA===\" is not base64"},
      {R"({{ b64dec "-_-_" }})", "error: b64dec: \"-_-_\" is not base64"},
      {R"({{ b64dec "not base64!" }})", "error: b64dec: \"not base64!\" is not base64"},
      {R"({{ b64dec 5 }})", "error: b64dec: wants a string, not an int"},
      {R"({{ sha256sum 1 }})", "error: sha256sum: wants a string, not an int"},
      {R"({{ sha256sum .Values.none }})", "error: sha256sum: .Values.none has no value"},
  });
}

}  // namespace
}  // namespace rally::go_template
