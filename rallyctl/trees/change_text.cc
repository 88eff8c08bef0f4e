#include "rallyctl/trees/change_text.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

using blob::DeltaEntry;
using Kind = DeltaEntry::Kind;
using Type = DeltaEntry::Type;

Colour ColourOf(Kind kind) {
  switch (kind) {
    case Kind::kAdded:
      return Colour::kGreen;
    case Kind::kChanged:
      return Colour::kYellow;
    case Kind::kRemoved:
      return Colour::kRed;
  }
  return Colour::kNone;
}

const char* SignOf(Kind kind) {
  switch (kind) {
    case Kind::kAdded:
      return "+";
    case Kind::kChanged:
      return "~";
    case Kind::kRemoved:
      return "-";
  }
  return "?";
}

// What follows the path.
std::string Detail(const DeltaEntry& change) {
  if (change.only_mtime) return "  only its time";
  const bool other_type = change.type != change.old_type;
  const std::string was = other_type ? absl::StrCat(", was a ", Word(change.old_type)) : "";
  const std::string modes =
      change.old_mode != change.new_mode
          ? absl::StrFormat("  mode %04o -> %04o", change.old_mode, change.new_mode)
          : "";
  if (change.type == Type::kDirectory) return absl::StrCat("/", modes, was);
  if (change.type == Type::kSymlink) return absl::StrCat("  a link", was);
  if (other_type) return absl::StrCat("  ", BytesText(change.new_size_bytes), was);
  if (change.only_mode) return modes;
  switch (change.kind) {
    case Kind::kAdded:
      return absl::StrCat("  ", BytesText(change.new_size_bytes));
    case Kind::kRemoved:
      return absl::StrCat("  ", BytesText(change.old_size_bytes));
    case Kind::kChanged:
      return absl::StrCat("  ", BytesText(change.old_size_bytes), " -> ",
                          BytesText(change.new_size_bytes), modes);
  }
  return "";
}

}  // namespace

absl::string_view Word(Kind kind) {
  switch (kind) {
    case Kind::kAdded:
      return "added";
    case Kind::kChanged:
      return "changed";
    case Kind::kRemoved:
      return "removed";
  }
  return "unknown";
}

absl::string_view Word(Type type) {
  switch (type) {
    case Type::kFile:
      return "file";
    case Type::kSymlink:
      return "symlink";
    case Type::kDirectory:
      return "directory";
  }
  return "unknown";
}

std::string PathText(absl::string_view path) {
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&text, "\\x%02x", byte);
    } else {
      text += c;
    }
  }
  return text;
}

std::string ChangeText(const DeltaEntry& change, bool colour) {
  return absl::StrCat(Paint(SignOf(change.kind), ColourOf(change.kind), colour), " ",
                      PathText(change.path), Detail(change), "\n");
}

std::string ChangeJson(const DeltaEntry& change) {
  nlohmann::ordered_json json;
  json["path"] = change.path;
  json["change"] = std::string(Word(change.kind));
  json["type"] = std::string(Word(change.type));
  if (change.kind != Kind::kAdded) json["old_size_bytes"] = change.old_size_bytes;
  if (change.kind != Kind::kRemoved) json["new_size_bytes"] = change.new_size_bytes;
  if (change.type != change.old_type) json["old_type"] = std::string(Word(change.old_type));
  if (change.old_mode != change.new_mode) {
    json["old_mode"] = absl::StrFormat("%04o", change.old_mode);
    json["new_mode"] = absl::StrFormat("%04o", change.new_mode);
  }
  if (change.only_mtime) json["only_mtime"] = true;
  return json.dump();
}

void ChangeCounts::Add(const DeltaEntry& change) {
  switch (change.kind) {
    case Kind::kAdded:
      ++added;
      break;
    case Kind::kChanged:
      ++changed;
      break;
    case Kind::kRemoved:
      ++removed;
      break;
  }
  grown_bytes += change.new_size_bytes - change.old_size_bytes;
}

std::string CountsText(const ChangeCounts& counts) {
  if (counts.total() == 0) return "nothing differs";
  return absl::StrCat(
      counts.added, " added, ", counts.changed, " changed, ", counts.removed, " removed",
      counts.grown_bytes == 0 ? ""
                              : absl::StrCat("; ", BytesText(std::abs(counts.grown_bytes)),
                                             counts.grown_bytes > 0 ? " more" : " less"));
}

}  // namespace rally::rallyctl
