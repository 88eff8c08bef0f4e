#include "common/blob/digest.h"

#include <openssl/evp.h>

#include <array>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rally::blob {
namespace {

constexpr size_t kHashDigits = 64;
constexpr size_t kMaxShownCharacters = 100;

// OpenSSL 3 looks an algorithm up by name on each use unless it was fetched once.
const EVP_MD* Sha256() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "malformed digest '", absl::CHexEscape(text.substr(0, kMaxShownCharacters)), "': ", why));
}

}  // namespace

std::string Digest::ToString() const { return absl::StrCat(hash, "/", size_bytes); }

bool IsValidHash(absl::string_view hash) {
  if (hash.size() != kHashDigits) return false;
  // Each digest of each message passes here: compilers make a few wide instructions of this.
  const char* const digits = hash.data();
  unsigned char invalid = 0;
  for (size_t i = 0; i < kHashDigits; ++i) {
    const auto digit = static_cast<unsigned char>(digits[i] - '0');
    const auto letter = static_cast<unsigned char>(digits[i] - 'a');
    invalid |= static_cast<unsigned char>(digit > 9) & static_cast<unsigned char>(letter > 5);
  }
  return invalid == 0;
}

absl::Status ValidateDigest(absl::string_view hash, int64_t size_bytes) {
  if (!IsValidHash(hash)) return Malformed(hash, "a hash is 64 lower-case hexadecimal digits");
  if (size_bytes < 0) return Malformed(absl::StrCat(hash, "/", size_bytes), "negative size");
  return absl::OkStatus();
}

absl::StatusOr<Digest> MakeDigest(absl::string_view hash, int64_t size_bytes) {
  const absl::Status valid = ValidateDigest(hash, size_bytes);
  if (!valid.ok()) return valid;
  return Digest{std::string(hash), size_bytes};
}

absl::StatusOr<Digest> ParseDigest(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return Malformed(text, "expected HASH/SIZE");
  const absl::string_view size_text = text.substr(slash + 1);
  for (char c : size_text) {
    if (c < '0' || c > '9') return Malformed(text, "the size is not a number");
  }
  int64_t size_bytes = 0;
  if (!absl::SimpleAtoi(size_text, &size_bytes) || (size_text.size() > 1 && size_text[0] == '0')) {
    return Malformed(text, "the size is not a 63-bit number without leading zeros");
  }
  return MakeDigest(text.substr(0, slash), size_bytes);
}

Digest DigestOf(absl::string_view bytes) { return DigestOf(absl::MakeConstSpan(&bytes, 1)); }

Digest DigestOf(absl::Span<const absl::string_view> pieces) {
  static thread_local Hasher hasher;
  for (const absl::string_view piece : pieces) hasher.Update(piece);
  return hasher.Finish();
}

const Digest& EmptyBlobDigest() {
  static const Digest* const digest = new Digest(DigestOf(""));
  return *digest;
}

const Digest& EmptyTreeDigest() { return EmptyBlobDigest(); }

Hasher::Hasher() : context_(EVP_MD_CTX_new()) { Reset(); }

Hasher::~Hasher() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

Hasher::Hasher(Hasher&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Hasher& Hasher::operator=(Hasher&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

void Hasher::Reset() {
  EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), Sha256(), nullptr);
  size_bytes_ = 0;
}

void Hasher::Update(absl::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
  size_bytes_ += static_cast<int64_t>(bytes.size());
}

Digest Hasher::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw;
  unsigned int length = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), raw.data(), &length);
  Digest digest{
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(raw.data()), length)),
      size_bytes_};
  Reset();
  return digest;
}

}  // namespace rally::blob
