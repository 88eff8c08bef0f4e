// sprig's functions that write a value in another form.
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/go_template/json_text.h"
#include "common/pipeline/quote.h"
#include "openssl/sha.h"

namespace rally::go_template {
namespace {

absl::StatusOr<Value> ToString(Arguments arguments, Budget* budget) {
  BoundedText text(budget);
  text.AppendValue(arguments[0]);
  return text.Finish();
}

absl::StatusOr<Value> ToJson(Arguments arguments, Budget* budget) {
  BoundedText json(budget);
  AppendJson(arguments[0], &json);
  return json.Finish();
}

absl::StatusOr<Value> Base64Encode(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  if (absl::Status fits = budget->CheckGrowth(0, text->size()); !fits.ok()) return fits;
  return NewString(absl::Base64Escape(*text), budget);
}

// Six bits; -1 for what is no digit of base 64.
int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// As strict as Go's, which the libraries at hand are not: full groups of four with their "=", and
// nothing between them but line ends.
absl::StatusOr<Value> Base64Decode(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  const absl::Status invalid =
      absl::InvalidArgumentError(absl::StrCat(pipeline::Quote(*text), " is not base64"));
  if (absl::Status charged = budget->Charge(text->size()); !charged.ok()) return charged;
  BoundedText decoded(budget);
  uint32_t group = 0;
  int digits = 0;
  int padding = 0;
  for (const char c : *text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      if (digits + padding >= 4 || digits < 2) return invalid;
      ++padding;
      continue;
    }
    const int digit = Base64Digit(c);
    if (digit < 0 || padding > 0) return invalid;
    if (digits == 4) digits = 0;
    group = group << 6 | static_cast<uint32_t>(digit);
    if (++digits < 4) continue;
    const char bytes[] = {static_cast<char>(group >> 16), static_cast<char>(group >> 8),
                          static_cast<char>(group)};
    decoded.Append(absl::string_view(bytes, 3));
    if (decoded.failed()) break;
  }
  if (digits == 4 && padding == 0) digits = 0;
  if (digits > 0 && digits + padding != 4) return invalid;
  if (digits == 2) decoded.Append(static_cast<char>(group >> 4));
  if (digits == 3) {
    decoded.Append(static_cast<char>(group >> 10));
    decoded.Append(static_cast<char>(group >> 2));
  }
  return decoded.Finish();
}

absl::StatusOr<Value> Sha256Sum(Arguments arguments, Budget* budget) {
  const absl::StatusOr<absl::string_view> text = StringArgument(arguments[0]);
  if (!text.ok()) return text.status();
  if (absl::Status charged = budget->Charge(4 * text->size()); !charged.ok()) return charged;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text->data()), text->size(), digest.data());
  return NewString(absl::BytesToHexString(absl::string_view(
                       reinterpret_cast<const char*>(digest.data()), digest.size())),
                   budget);
}

constexpr Function kFunctions[] = {
    {"toString", 1, 1, ToString},   {"toJson", 1, 1, ToJson},       {"b64enc", 1, 1, Base64Encode},
    {"b64dec", 1, 1, Base64Decode}, {"sha256sum", 1, 1, Sha256Sum},
};

}  // namespace

absl::Span<const Function> EncodingFunctions() { return kFunctions; }

}  // namespace rally::go_template
