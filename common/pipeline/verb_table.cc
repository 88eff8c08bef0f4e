#include "common/pipeline/verb_table.h"

#include "absl/status/status.h"

namespace rally::pipeline {
namespace {

constexpr char kGit[] = "docker.io/alpine/git";
constexpr char kCurl[] = "docker.io/curlimages/curl";
constexpr char kKubectl[] = "docker.io/bitnami/kubectl";
constexpr char kShell[] = "docker.io/library/busybox";

}  // namespace

VerbTable VerbTable::BuiltIn() {
  VerbTable table;
  table.verbs_ = {
      {"clone", {kGit, {"git"}, /*keep_verb=*/true}},
      {"git", {kGit, {"git"}}},
      {"curl", {kCurl, {"curl"}}},
      {"kubectl", {kKubectl, {"kubectl"}}},
      {"sh", {kShell, {"sh"}}},
      {"echo", {kShell, {"echo"}}},
  };
  return table;
}

absl::StatusOr<VerbTable> VerbTable::FromToml(absl::string_view /*text*/) {
  return absl::UnimplementedError("verbs can't be configured yet");
}

const Verb* VerbTable::Find(absl::string_view name) const {
  const auto found = verbs_.find(name);
  return found == verbs_.end() ? nullptr : &found->second;
}

std::vector<absl::string_view> VerbTable::Names() const {
  std::vector<absl::string_view> names;
  for (const auto& [name, verb] : verbs_) names.push_back(name);
  return names;
}

}  // namespace rally::pipeline
