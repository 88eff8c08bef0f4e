#ifndef RALLY_RALLYCTL_RENDER_TEXT_H_
#define RALLY_RALLYCTL_RENDER_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

// How single values look. Everything in rallyctl/render is a pure function from values to text.
namespace rally::rallyctl {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kBlue, kMagenta, kCyan };

// The text in a colour; unchanged when `enabled` is false or there is no colour or text.
std::string Paint(absl::string_view text, Colour colour, bool enabled);

// Steps in a live view take these in turn, in the order of the file.
Colour StepColour(int step_index);

absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
absl::Duration FromProto(const google::protobuf::Duration& duration);

// "0ms", "340ms", "1.2s", "2m03s", "1h02m".
std::string DurationText(absl::Duration duration);
// The same without parts of a second, for what is redrawn each second: "0s", "12s", "2m03s".
std::string WholeSecondsText(absl::Duration duration);
// "12s ago"; "-" for an instant that isn't known.
std::string AgeText(absl::Time instant, absl::Time now);
// "2026-03-01 14:05:06 UTC"; "-" for an instant that isn't known.
std::string InstantText(absl::Time instant);
// "17 B", "1.5 KiB".
std::string BytesText(int64_t bytes);

// Characters that the text takes on a terminal; UTF-8, colours not counted.
int DisplayWidth(absl::string_view text);
// The text cut to so many characters, the last one an ellipsis when something was cut.
std::string Truncate(absl::string_view text, int width);
// "1 step", "3 steps".
std::string Count(int64_t n, absl::string_view noun);

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
  bool right = false;  // of a header: the whole column stands to the right
};

// Rows below a header, columns aligned, two blanks between them and none at a line's end.
std::string RenderTable(const std::vector<Cell>& header, const std::vector<std::vector<Cell>>& rows,
                        bool colour);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_TEXT_H_
