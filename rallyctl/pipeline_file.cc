#include "rallyctl/pipeline_file.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/pipeline/diagnostic.h"

namespace rally::rallyctl {
namespace {

// One byte over what the parser takes is enough for it to say that the file is too big.
constexpr size_t kMaxReadBytes = (size_t{1} << 20) + 1;

}  // namespace

std::string PipelineFile::Folder() const {
  const size_t slash = name.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : name.substr(0, slash);
}

const std::string& PipelineFile::NameOf(const pipeline::Diagnostic& diagnostic) const {
  return diagnostic.file.empty() ? name : diagnostic.file;
}

absl::string_view PipelineFile::TextOf(const pipeline::Diagnostic& diagnostic) const {
  if (diagnostic.file.empty()) return text;
  for (const pipeline::ValuesFile& values : parameters.values_files) {
    if (values.name == diagnostic.file) return values.text;
  }
  return "";
}

std::string PipelineFile::FormatFindings(bool caret) const {
  std::string findings;
  for (const pipeline::Diagnostic& diagnostic : parsed.diagnostics) {
    absl::StrAppend(&findings,
                    pipeline::Format(diagnostic, NameOf(diagnostic), TextOf(diagnostic), caret),
                    "\n");
  }
  return findings;
}

std::set<std::string> PipelineFile::Warnings() const {
  std::set<std::string> warnings;
  for (const pipeline::Diagnostic& diagnostic : parsed.diagnostics) {
    if (diagnostic.severity != pipeline::Severity::kWarning) continue;
    warnings.insert(pipeline::Format(diagnostic, name, "", /*caret=*/false));
  }
  return warnings;
}

absl::StatusOr<PipelineFile> ReadPipelineText(const std::string& path) {
  PipelineFile file;
  file.name = path == "-" ? "<stdin>" : path;
  auto text = ReadInput("the pipeline", path, kMaxReadBytes);
  if (!text.ok()) {
    return access(path.c_str(), F_OK) == 0
               ? text.status()
               : absl::InvalidArgumentError(
                     absl::StrCat(text.status().message(), "; -f names another file"));
  }
  file.text = *std::move(text);
  return file;
}

void ParsePipeline(const PipelineInputs& inputs, PipelineFile* file) {
  file->parameters = inputs.parameters;
  file->parsed = pipeline::Parse(file->text, inputs.parameters, inputs.options);
}

absl::StatusOr<PipelineFile> ReadPipelineFile(const std::string& path,
                                              const PipelineInputs& inputs) {
  auto file = ReadPipelineText(path);
  if (file.ok()) ParsePipeline(inputs, &*file);
  return file;
}

}  // namespace rally::rallyctl
