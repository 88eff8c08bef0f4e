#include "rallyctl/pipeline_flags.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/spelling.h"

namespace rally::rallyctl {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

// What --build can set. BranchName is Branch by another name.
const std::vector<absl::string_view>& BuildNames() {
  static const auto* const kNames =
      new std::vector<absl::string_view>{"ID",         "Branch",      "BranchName", "Commit", "Tag",
                                         "Repository", "TriggeredBy", "Registry",   "Date"};
  return *kNames;
}

absl::Status AddBuildParameter(const std::string& text, pipeline::Parameters* parameters) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrCat("--build \"", text, "\" must be NAME=VALUE"));
  }
  std::string name = text.substr(0, equals);
  for (const absl::string_view known : BuildNames()) {
    if (name != known) continue;
    if (name == "BranchName") name = "Branch";
    parameters->build[name] = text.substr(equals + 1);
    return absl::OkStatus();
  }
  const absl::string_view nearest = pipeline::NearestWord(name, BuildNames());
  return absl::InvalidArgumentError(
      absl::StrCat("--build \"", text, "\": there is no .Build.", name,
                   nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?"),
                   " (known: ", absl::StrJoin(BuildNames(), ", "), ")"));
}

absl::Status TooBig(const std::string& what, const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(what, " ", path, " is bigger than 1 MiB"));
}

}  // namespace

void AddPipelineFlags(CLI::App* command, PipelineFlags* flags) {
  command
      ->add_option("--values", flags->values,
                   "A TOML file for .Values in templates; several are merged, the later wins")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--set", flags->sets, "a.b=VALUE: one of .Values, as a string, over all files")
      ->allow_extra_args(false);
  command
      ->add_option("--build", flags->build,
                   "NAME=VALUE: one of .Build in templates, as Branch, Tag or Registry")
      ->allow_extra_args(false);
  command->add_option("--verbs", flags->verbs, "The server's table of verbs, where it has its own")
      ->type_name("FILE");
}

absl::StatusOr<std::string> ReadInput(const std::string& what, const std::string& path,
                                      size_t max_bytes) {
  const bool from_stdin = path == "-";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(
      from_stdin ? stdin : std::fopen(path.c_str(), "re"),
      from_stdin ? [](std::FILE*) { return 0; } : [](std::FILE* f) { return std::fclose(f); });
  std::string text;
  if (stream != nullptr) {
    char buffer[16 << 10];
    while (text.size() < max_bytes) {
      const size_t wanted = std::min(sizeof(buffer), max_bytes - text.size());
      const size_t size = std::fread(buffer, 1, wanted, stream.get());
      if (size == 0) break;
      text.append(buffer, size);
    }
    if (std::ferror(stream.get()) == 0) return text;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", what, " ", path, ": ", std::strerror(errno)));
}

absl::StatusOr<PipelineInputs> ReadPipelineInputs(const PipelineFlags& flags) {
  PipelineInputs inputs;
  for (const std::string& path : flags.values) {
    auto text = ReadInput("the values", path, kMaxBytes + 1);
    if (!text.ok()) return text.status();
    if (text->size() > kMaxBytes) return TooBig("the file of values", path);
    inputs.parameters.values_files.push_back({path, *std::move(text)});
  }
  inputs.parameters.sets = flags.sets;
  for (const std::string& parameter : flags.build) {
    absl::Status status = AddBuildParameter(parameter, &inputs.parameters);
    if (!status.ok()) return status;
  }
  if (!flags.verbs.empty()) {
    auto text = ReadInput("the verbs", flags.verbs, kMaxBytes + 1);
    if (!text.ok()) return text.status();
    if (text->size() > kMaxBytes) return TooBig("the table of verbs", flags.verbs);
    auto verbs = pipeline::VerbTable::FromToml(*text);
    if (!verbs.ok()) {
      return absl::Status(verbs.status().code(),
                          absl::StrCat(flags.verbs, ": ", verbs.status().message()));
    }
    inputs.options.verbs = *std::move(verbs);
  }
  return inputs;
}

}  // namespace rally::rallyctl
