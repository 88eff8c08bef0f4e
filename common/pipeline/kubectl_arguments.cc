#include "common/pipeline/kubectl_arguments.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace rally::pipeline {
namespace {

// The options of kubectl that take a value, which may be the next argument.
constexpr absl::string_view kValueOptions[] = {
    "--as",
    "--as-group",
    "--as-uid",
    "--cache-dir",
    "--cluster",
    "--context",
    "--filename",
    "--certificate-authority",
    "--kubeconfig",
    "--client-certificate",
    "--client-key",
    "--field-manager",
    "--kustomize",
    "--namespace",
    "--output",
    "--password",
    "--profile",
    "--profile-output",
    "--request-timeout",
    "--selector",
    "--server",
    "--template",
    "--tls-server-name",
    "--token",
    "--user",
    "--username",
    "--v",
    "--vmodule",
    "-f",
    "-k",
    "-l",
    "-n",
    "-o",
    "-s",
    "-v",
};

// What has containers. A second word "deployment/api" is a resource, not an image.
constexpr absl::string_view kWorkloads[] = {
    "cj",
    "cronjob",
    "cronjobs",
    "daemonset",
    "daemonsets",
    "deploy",
    "deployment",
    "deployments",
    "ds",
    "job",
    "jobs",
    "po",
    "pod",
    "pods",
    "rc",
    "replicaset",
    "replicasets",
    "replicationcontroller",
    "replicationcontrollers",
    "rs",
    "statefulset",
    "statefulsets",
    "sts",
};

template <size_t kSize>
bool Holds(const absl::string_view (&words)[kSize], absl::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

bool NamesFiles(absl::string_view option) {
  return absl::StartsWith(option, "-f") || absl::StartsWith(option, "-k") ||
         absl::StartsWith(option, "--filename") || absl::StartsWith(option, "--kustomize");
}

bool IsObjectName(absl::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '.';
  });
}

// "deployment/api", "deployment.apps/api"
bool IsWorkload(absl::string_view word) {
  const size_t slash = word.find('/');
  if (slash == absl::string_view::npos || absl::StrContains(word, ':')) return false;
  const absl::string_view kind = word.substr(0, slash);
  return Holds(kWorkloads, kind.substr(0, kind.find('.')));
}

struct Words {
  std::vector<size_t> indices;
  bool files_name_resources = false;
};

Words SkipOptions(const std::vector<std::string>& args) {
  Words words;
  bool only_words = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const absl::string_view arg = args[i];
    if (only_words || arg.empty() || arg.front() != '-') {
      if (!arg.empty()) words.indices.push_back(i);
    } else if (arg == "--") {
      only_words = true;
    } else {
      if (NamesFiles(arg)) words.files_name_resources = true;
      if (Holds(kValueOptions, arg)) ++i;
    }
  }
  return words;
}

}  // namespace

SetImageArguments ParseSetImageArguments(const std::vector<std::string>& args) {
  SetImageArguments parsed;
  const Words words = SkipOptions(args);
  if (words.indices.empty() || args[words.indices.front()] != "image") return parsed;
  bool wants_resource = !words.files_name_resources;
  bool wants_name = false;  // After a kind alone: "deployment web eric:1".
  for (size_t i = 1; i < words.indices.size(); ++i) {
    const size_t index = words.indices[i];
    const absl::string_view word = args[index];
    const bool is_last = i + 1 == words.indices.size();
    bool is_resource = false;
    if (absl::StrContains(word, '=')) {
      is_resource = false;
    } else if (wants_resource) {
      is_resource = true;
      wants_resource = false;
      wants_name = !absl::StrContains(word, '/');
    } else {
      is_resource = (wants_name && !is_last && IsObjectName(word)) || IsWorkload(word);
      wants_name = false;
    }
    (is_resource ? parsed.resources : parsed.images).push_back(index);
  }
  return parsed;
}

}  // namespace rally::pipeline
