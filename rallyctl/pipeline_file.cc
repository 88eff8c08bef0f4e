#include "rallyctl/pipeline_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

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

std::string PipelineFile::FormatFindings(bool caret) const {
  std::string findings;
  for (const pipeline::Diagnostic& diagnostic : parsed.diagnostics) {
    absl::StrAppend(&findings, pipeline::Format(diagnostic, name, text, caret), "\n");
  }
  return findings;
}

absl::StatusOr<PipelineFile> ReadPipelineFile(const std::string& path) {
  PipelineFile file;
  const bool from_stdin = path == "-";
  file.name = from_stdin ? "<stdin>" : path;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(
      from_stdin ? stdin : std::fopen(path.c_str(), "re"),
      from_stdin ? [](std::FILE*) { return 0; } : [](std::FILE* f) { return std::fclose(f); });
  if (stream == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read the pipeline ", path, ": ", std::strerror(errno),
                     errno == ENOENT ? "; -f names another file" : ""));
  }
  file.text.resize(kMaxReadBytes);
  file.text.resize(std::fread(&file.text[0], 1, file.text.size(), stream.get()));
  if (std::ferror(stream.get()) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read the pipeline ", path, ": ", std::strerror(errno)));
  }
  file.parsed = pipeline::Parse(file.text);
  return file;
}

}  // namespace rally::rallyctl
