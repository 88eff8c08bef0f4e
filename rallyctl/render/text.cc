#include "rallyctl/render/text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/pipeline/utf8.h"
#include "common/size.h"

namespace rally::rallyctl {
namespace {

const char* Sequence(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kBold:
      return "\x1b[1m";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kBlue:
      return "\x1b[34m";
    case Colour::kMagenta:
      return "\x1b[35m";
    case Colour::kCyan:
      return "\x1b[36m";
  }
  return "";
}

}  // namespace

std::string Paint(absl::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::kNone || text.empty()) return std::string(text);
  return absl::StrCat(Sequence(colour), text, "\x1b[0m");
}

Colour StepColour(int step_index) {
  // Red is for failures and never a step's own.
  static constexpr Colour kColours[] = {Colour::kCyan, Colour::kYellow, Colour::kMagenta,
                                        Colour::kGreen, Colour::kBlue};
  return kColours[static_cast<unsigned>(step_index) % (sizeof(kColours) / sizeof(kColours[0]))];
}

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return absl::InfinitePast();
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string DurationText(absl::Duration duration) {
  duration = std::max(duration, absl::ZeroDuration());
  if (duration == absl::InfiniteDuration()) return "forever";
  const int64_t milliseconds = absl::ToInt64Milliseconds(duration + absl::Microseconds(500));
  if (milliseconds < 1000) return absl::StrCat(milliseconds, "ms");
  if (milliseconds < 59950) return absl::StrFormat("%.1fs", milliseconds / 1000.0);
  const int64_t seconds = (milliseconds + 500) / 1000;
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  return absl::StrFormat("%dh%02dm", seconds / 3600, seconds % 3600 / 60);
}

std::string WholeSecondsText(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  return seconds < 60 ? absl::StrCat(seconds, "s") : DurationText(absl::Seconds(seconds));
}

std::string AgeText(absl::Time instant, absl::Time now) {
  if (instant == absl::InfinitePast()) return "-";
  const absl::Duration age = std::max(now - instant, absl::ZeroDuration());
  const int64_t seconds = absl::ToInt64Seconds(age);
  if (seconds < 60) return absl::StrCat(seconds, "s ago");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m ago");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h ago");
  return absl::StrCat(seconds / 86400, "d ago");
}

std::string InstantText(absl::Time instant) {
  if (instant == absl::InfinitePast()) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", instant, absl::UTCTimeZone());
}

std::string BytesText(int64_t bytes) { return SizeText(bytes); }

int DisplayWidth(absl::string_view text) {
  int width = 0;
  for (char c : text) width += IsUtf8Continuation(c) ? 0 : 1;
  return width;
}

std::string Truncate(absl::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  size_t end = 0;
  for (int kept = 0; end < text.size(); ++end) {
    if (IsUtf8Continuation(text[end])) continue;
    if (kept++ == width - 1) break;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

std::string Count(int64_t n, absl::string_view noun) {
  return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
}

std::string RenderTable(const std::vector<Cell>& header, const std::vector<std::vector<Cell>>& rows,
                        bool colour) {
  std::vector<int> widths;
  for (const Cell& cell : header) widths.push_back(DisplayWidth(cell.text));
  for (const std::vector<Cell>& row : rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  std::string table;
  const auto add_row = [&](const std::vector<Cell>& row, bool is_header) {
    std::string line;
    size_t pending_blanks = 0;
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      const size_t padding = widths[i] - DisplayWidth(row[i].text);
      const bool right = header[i].right;
      if (right) pending_blanks += padding;
      if (!row[i].text.empty()) {
        line.append(pending_blanks, ' ');
        pending_blanks = 0;
        line += Paint(row[i].text, is_header ? Colour::kBold : row[i].colour, colour);
      }
      pending_blanks += (right ? 0 : padding) + 2;
    }
    absl::StrAppend(&table, line, "\n");
  };
  add_row(header, true);
  for (const std::vector<Cell>& row : rows) add_row(row, false);
  return table;
}

}  // namespace rally::rallyctl
