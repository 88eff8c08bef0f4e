#ifndef RALLY_RALLYCTL_RENDER_STATUS_WORDS_H_
#define RALLY_RALLYCTL_RENDER_STATUS_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "rally/v1/build.pb.h"
#include "rallyctl/render/text.h"

// The words and colours of states.
namespace rally::rallyctl {

bool HasEnded(v1::BuildStatus status);
bool HasEnded(v1::StepStatus status);

// Failed, timed out or errored: what makes a build fail.
bool IsBad(v1::StepStatus status);

// "running", "timed-out" ...
absl::string_view Word(v1::BuildStatus status);
absl::string_view Word(v1::StepStatus status);

// "handled by panic", or "" when no step ran because of this one's exit code.
std::string HandledBy(const v1::Step& step);
// "failed, handled by panic": the status, and who took note of it.
std::string StatusAndHandlers(const v1::Step& step);

Colour ColourOf(v1::BuildStatus status);
Colour ColourOf(v1::StepStatus status);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_STATUS_WORDS_H_
