#include "common/pipeline/build_arguments.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::pipeline {
namespace {

// The long options of `docker build` and `docker buildx build` that take a value.
constexpr absl::string_view kValueOptions[] = {
    "--add-host",      "--allow",       "--annotation",    "--attest",     "--build-arg",
    "--build-context", "--builder",     "--cache-from",    "--cache-to",   "--call",
    "--cgroup-parent", "--cpu-period",  "--cpu-quota",     "--cpu-shares", "--cpuset-cpus",
    "--cpuset-mems",   "--file",        "--iidfile",       "--isolation",  "--label",
    "--memory",        "--memory-swap", "--metadata-file", "--network",    "--no-cache-filter",
    "--output",        "--platform",    "--policy",        "--progress",   "--provenance",
    "--sbom",          "--secret",      "--security-opt",  "--shm-size",   "--ssh",
    "--tag",           "--target",      "--ulimit",
};

// The letters of the short ones.
constexpr absl::string_view kValueLetters = "cfmot";

bool TakesValue(absl::string_view option) {
  return std::find(std::begin(kValueOptions), std::end(kValueOptions), option) !=
         std::end(kValueOptions);
}

// An option as the argument at `index` writes it, perhaps with its value in the next argument.
struct Option {
  absl::string_view name;  // "--tag", "t"; "" if no value can follow
  bool has_value = false;
  ArgumentPart value;
};

Option ReadLongOption(const std::vector<std::string>& args, size_t index) {
  const absl::string_view arg = args[index];
  const size_t equals = arg.find('=');
  if (equals != absl::string_view::npos) {
    return {arg.substr(0, equals), true, {index, equals + 1}};
  }
  if (!TakesValue(arg)) return {};
  return {arg, index + 1 < args.size(), {index + 1, 0}};
}

// "-t", "-teric", "-t=eric", and after letters without a value "-qt".
Option ReadShortOptions(const std::vector<std::string>& args, size_t index) {
  const absl::string_view arg = args[index];
  const size_t letter = arg.find_first_of(kValueLetters, 1);
  // "-q=true"
  if (letter == absl::string_view::npos || arg.find('=') < letter) return {};
  const absl::string_view name = arg.substr(letter, 1);
  if (letter + 1 == arg.size()) return {name, index + 1 < args.size(), {index + 1, 0}};
  return {name, true, {index, letter + (arg[letter + 1] == '=' ? 2u : 1u)}};
}

struct Url {
  std::string scheme;      // Lower case.
  std::string host;        // Lower case, without user and port.
  absl::string_view path;  // Without query and fragment.
  absl::string_view before_fragment;
  bool has_query = false;
};

// "" as the scheme of what is none of the URLs that can be a context.
Url SplitUrl(absl::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  // Longer ones aren't looked at.
  constexpr size_t kMaxSchemeBytes = 5;
  if (colon == absl::string_view::npos || colon > kMaxSchemeBytes) return url;
  url.scheme = absl::AsciiStrToLower(text.substr(0, colon));
  url.before_fragment = text.substr(0, text.find('#'));
  absl::string_view rest = url.before_fragment;
  rest.remove_prefix(std::min(colon + 3, rest.size()));
  const size_t query = rest.find('?');
  url.has_query = query != absl::string_view::npos;
  rest = rest.substr(0, query);
  const size_t slash = std::min(rest.find('/'), rest.size());
  absl::string_view host = rest.substr(0, slash);
  url.path = rest.substr(slash);
  if (const size_t at = host.rfind('@'); at != absl::string_view::npos) host.remove_prefix(at + 1);
  url.host = absl::AsciiStrToLower(host.substr(0, host.find(':')));
  return url;
}

bool IsHttp(const Url& url) { return url.scheme == "http" || url.scheme == "https"; }

// "/owner/repo", with or without a final slash.
bool IsOwnerAndRepository(absl::string_view path) {
  if (!absl::ConsumePrefix(&path, "/")) return false;
  absl::ConsumeSuffix(&path, "/");
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(path, absl::MaxSplits('/', 1));
  return !parts.first.empty() && !parts.second.empty() && !absl::StrContains(parts.second, '/');
}

bool IsGitHost(const Url& url) {
  if (url.host == "github.com" || url.host == "gitlab.com" || url.host == "bitbucket.org") {
    return !url.has_query && IsOwnerAndRepository(url.path);
  }
  return (url.host == "dev.azure.com" || absl::EndsWith(url.host, ".visualstudio.com")) &&
         absl::StrContains(url.path, "/_git/");
}

bool IsArchive(absl::string_view path) {
  const auto ends_in = [path](absl::string_view suffix) {
    return absl::EndsWithIgnoreCase(path, suffix);
  };
  return ends_in(".tar") || ends_in(".tar.gz") || ends_in(".tgz") || ends_in(".zip");
}

}  // namespace

BuildArguments ParseBuildArguments(const std::vector<std::string>& args) {
  BuildArguments parsed;
  bool only_words = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const absl::string_view arg = args[i];
    if (only_words || arg.size() < 2 || arg.front() != '-') {
      parsed.words.push_back(i);
      continue;
    }
    if (arg == "--") {
      only_words = true;
      continue;
    }
    const Option option =
        absl::StartsWith(arg, "--") ? ReadLongOption(args, i) : ReadShortOptions(args, i);
    if (!option.has_value) continue;
    if (option.name == "--tag" || option.name == "t") parsed.tags.push_back(option.value);
    if (option.name == "--cache-from") parsed.cache_from.push_back(option.value);
    i = option.value.index;
  }
  return parsed;
}

ContextKind ClassifyContext(absl::string_view context) {
  if (absl::StartsWith(context, "git@")) return ContextKind::kGit;
  const Url url = SplitUrl(context);
  if (url.scheme == "git" || url.scheme == "ssh") return ContextKind::kGit;
  if (!IsHttp(url)) return ContextKind::kLocal;
  if (absl::EndsWith(url.before_fragment, ".git") || IsGitHost(url)) return ContextKind::kGit;
  return IsArchive(url.path) ? ContextKind::kArchive : ContextKind::kDownload;
}

bool IsGitByHostOnly(absl::string_view context) {
  const Url url = SplitUrl(context);
  return IsHttp(url) && !absl::EndsWith(url.before_fragment, ".git") && IsGitHost(url);
}

}  // namespace rally::pipeline
