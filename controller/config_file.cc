#include "controller/config_file.h"

#include <istream>
#include <iterator>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::controller {
namespace {

bool BeginsWithVerbsWord(absl::string_view text, absl::string_view* rest) {
  for (absl::string_view word : {"images", "verbs"}) {
    *rest = text;
    if (!absl::ConsumePrefix(rest, word)) continue;
    *rest = absl::StripLeadingAsciiWhitespace(*rest);
    return true;
  }
  return false;
}

// "[images]", "[verbs.clone]"; not "[verbsy]".
bool IsVerbsHeader(absl::string_view line) {
  absl::ConsumePrefix(&line, "[");
  absl::string_view rest;
  return BeginsWithVerbsWord(absl::StripLeadingAsciiWhitespace(line), &rest) &&
         (absl::StartsWith(rest, ".") || absl::StartsWith(rest, "]"));
}

// The same without a header: "images.git = ..." or "images = {...}", but not the flag
// "verbs = FILE".
bool IsVerbsKey(absl::string_view line) {
  absl::string_view rest;
  if (!BeginsWithVerbsWord(line, &rest)) return false;
  if (absl::StartsWith(rest, ".")) return true;
  return absl::ConsumePrefix(&rest, "=") &&
         absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest), "{");
}

}  // namespace

ConfigParts SplitConfig(absl::string_view text) {
  ConfigParts parts;
  bool in_table = false;
  bool of_verbs = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view content = absl::StripLeadingAsciiWhitespace(line);
    if (absl::StartsWith(content, "[")) {
      in_table = true;
      of_verbs = IsVerbsHeader(content);
    }
    const bool for_verbs = of_verbs || (!in_table && IsVerbsKey(content));
    (for_verbs ? parts.verbs : parts.flags).append(line.data(), line.size());
    parts.flags += '\n';
    parts.verbs += '\n';
  }
  return parts;
}

std::vector<CLI::ConfigItem> ConfigFileReader::from_config(std::istream& input) const {
  std::ostringstream text;
  text << input.rdbuf();  // An error while reading throws nothing here.
  ConfigParts parts = SplitConfig(text.str());
  *verbs_ = std::move(parts.verbs);
  std::istringstream flags(parts.flags);
  return CLI::ConfigTOML::from_config(flags);
}

}  // namespace rally::controller
