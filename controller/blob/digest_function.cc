#include "controller/blob/digest_function.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/unknown_field_set.h"

namespace rally::cas {
namespace {

// As the API numbers them.
constexpr uint64_t kNotSaid = 0;
constexpr uint64_t kSha256 = 1;

}  // namespace

absl::StatusOr<DigestFunction> RequestedDigestFunction(const google::protobuf::Message& request,
                                                       DigestFunctionField field) {
  const google::protobuf::UnknownFieldSet& unknown =
      request.GetReflection()->GetUnknownFields(request);
  uint64_t value = kNotSaid;
  for (int i = 0; i < unknown.field_count(); ++i) {
    const google::protobuf::UnknownField& candidate = unknown.field(i);
    if (candidate.number() == static_cast<int>(field) &&
        candidate.type() == google::protobuf::UnknownField::TYPE_VARINT) {
      value = candidate.varint();  // of several the last one counts
    }
  }
  if (value == kNotSaid || value == kSha256) return DigestFunction::kSha256;
  return absl::InvalidArgumentError(
      absl::StrCat("digest function ", value, " is not supported; use SHA-256 (", kSha256, ")"));
}

}  // namespace rally::cas
