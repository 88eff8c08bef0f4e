#include "agent/workspace/attempt_record.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/workspace/small_file.h"

namespace rally::workspace {
namespace {

std::string RecordPath(const std::string& directory) { return absl::StrCat(directory, "/record"); }
std::string ResultPath(const std::string& directory) { return absl::StrCat(directory, "/result"); }

// Lines "key value".
using Field = std::pair<absl::string_view, absl::string_view>;

std::vector<Field> FieldsOf(absl::string_view text) {
  std::vector<Field> fields;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    fields.push_back(absl::StrSplit(line, absl::MaxSplits(' ', 1)));
  }
  return fields;
}

bool ParseDigestInto(absl::string_view text, blob::Digest& digest) {
  auto parsed = blob::ParseDigest(text);
  if (parsed.ok()) digest = *std::move(parsed);
  return parsed.ok();
}

bool ParseLayers(absl::string_view text, std::vector<uint64_t>& layers) {
  for (const absl::string_view layer : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!absl::SimpleAtoi(layer, &layers.emplace_back())) return false;
  }
  return true;
}

bool ParseWarning(absl::string_view text, std::vector<std::string>& warnings) {
  return absl::CUnescape(text, &warnings.emplace_back());
}

absl::Status Damaged(const std::string& path, const Field& field) {
  return absl::DataLossError(absl::StrCat(path, " can't be read at '", field.first, " ",
                                          field.second, "'; discard the attempt"));
}

}  // namespace

absl::Status WriteAttemptRecord(const std::string& directory, const AttemptRecord& record) {
  return WriteSmallFile(RecordPath(directory),
                        absl::StrCat("input ", record.input_root.ToString(), "\nuid ", record.uid,
                                     "\ngid ", record.gid, "\nboot ", record.boot_id, "\nlayers ",
                                     absl::StrJoin(record.layers, " "), "\n"));
}

absl::StatusOr<AttemptRecord> ReadAttemptRecord(const std::string& directory) {
  const auto text = ReadSmallFile(RecordPath(directory));
  if (!text.ok()) return text.status();
  AttemptRecord record;
  for (const Field& field : FieldsOf(*text)) {
    const auto& [key, value] = field;
    const bool known = key == "input"    ? ParseDigestInto(value, record.input_root)
                       : key == "uid"    ? absl::SimpleAtoi(value, &record.uid)
                       : key == "gid"    ? absl::SimpleAtoi(value, &record.gid)
                       : key == "layers" ? ParseLayers(value, record.layers)
                                         : key == "boot";
    if (!known) return Damaged(RecordPath(directory), field);
    if (key == "boot") record.boot_id = std::string(value);
  }
  if (!blob::IsValidHash(record.input_root.hash)) {
    return absl::DataLossError(absl::StrCat(RecordPath(directory), " names no input tree"));
  }
  return record;
}

absl::Status WriteCaptureResult(const std::string& directory,
                                const WorkspaceStore::CaptureResult& result) {
  std::string text = absl::StrCat("output ", result.output_root.ToString(), "\nadded ",
                                  result.added, "\nchanged ", result.changed, "\nremoved ",
                                  result.removed, "\nuploaded ", result.uploaded_bytes, "\n");
  for (const std::string& warning : result.warnings) {
    absl::StrAppend(&text, "warning ", absl::CEscape(warning), "\n");
  }
  return WriteSmallFile(ResultPath(directory), text);
}

absl::StatusOr<WorkspaceStore::CaptureResult> ReadCaptureResult(const std::string& directory) {
  const auto text = ReadSmallFile(ResultPath(directory));
  if (!text.ok()) return text.status();
  WorkspaceStore::CaptureResult result;
  for (const Field& field : FieldsOf(*text)) {
    const auto& [key, value] = field;
    const bool known = key == "output"     ? ParseDigestInto(value, result.output_root)
                       : key == "added"    ? absl::SimpleAtoi(value, &result.added)
                       : key == "changed"  ? absl::SimpleAtoi(value, &result.changed)
                       : key == "removed"  ? absl::SimpleAtoi(value, &result.removed)
                       : key == "uploaded" ? absl::SimpleAtoi(value, &result.uploaded_bytes)
                       : key == "warning"  ? ParseWarning(value, result.warnings)
                                           : false;
    if (!known) return Damaged(ResultPath(directory), field);
  }
  if (!blob::IsValidHash(result.output_root.hash)) {
    return absl::DataLossError(absl::StrCat(ResultPath(directory), " names no output tree"));
  }
  return result;
}

}  // namespace rally::workspace
