#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/blob/cas_calls.h"
#include "common/blob/cas_client.h"

// What has to be known about a server before it is relied on.
namespace rally::blob {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

constexpr absl::Duration kLongestPause = absl::Seconds(1);

// Newer servers may leave out what they think everybody knows; what they say counts.
absl::Status CheckCapabilities(const reapi::ServerCapabilities& capabilities,
                               const std::string& name) {
  const auto& functions = capabilities.cache_capabilities().digest_function();
  if (std::find(functions.begin(), functions.end(), reapi::DigestFunction::SHA256) ==
      functions.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name,
                     " does not take SHA-256 digests, the only ones that Rally makes; "
                     "configure it to, or give another --blob-endpoint"));
  }
  const bool is_too_new = capabilities.low_api_version().major() > 2;
  const bool is_too_old =
      capabilities.has_high_api_version() && capabilities.high_api_version().major() < 2;
  if (is_too_new || is_too_old) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " speaks version ", capabilities.low_api_version().major(), " to ",
                     capabilities.high_api_version().major(),
                     " of the Remote Execution API; Rally needs version 2"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CasClient::CheckServer(absl::Duration patience) {
  const std::string& name = calls_->options().name;
  const absl::Time deadline = absl::Now() + patience;
  absl::Duration pause = calls_->options().first_pause;
  while (true) {
    const auto answer = calls_->AskCapabilities(deadline);
    if (answer.ok()) return CheckCapabilities(*answer, name);
    const absl::Status& status = answer.status();
    if (absl::IsUnimplemented(status)) {
      return absl::FailedPreconditionError(absl::StrCat(
          name,
          " is no store of the Remote Execution API, it has no capabilities: ", status.message()));
    }
    const bool may_pass = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                          absl::IsResourceExhausted(status);
    if (!may_pass) {
      return absl::FailedPreconditionError(
          absl::StrCat(name, " refuses to say what it can do: ", status.message()));
    }
    if (absl::Now() + pause >= deadline) {
      return absl::UnavailableError(
          absl::StrCat(name, " could not be reached within ", absl::FormatDuration(patience), ": ",
                       status.message(), "; does it run, and is that its address?"));
    }
    absl::SleepFor(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace rally::blob
