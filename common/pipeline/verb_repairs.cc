#include "common/pipeline/verb_repairs.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/build_arguments.h"
#include "common/pipeline/kubectl_arguments.h"
#include "common/pipeline/push_list.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

// Of an image; a longer one would be no better with another tag.
constexpr size_t kMaxNameBytes = 255;

// The options of `git clone` whose value may be the next argument, which is then no branch.
constexpr absl::string_view kCloneValueOptions[] = {
    "--branch",
    "--bundle-uri",
    "--config",
    "--depth",
    "--filter",
    "--jobs",
    "--origin",
    "--ref-format",
    "--reference",
    "--reference-if-able",
    "--revision",
    "--separate-git-dir",
    "--server-option",
    "--shallow-exclude",
    "--shallow-since",
    "--template",
    "--upload-pack",
    "-b",
    "-c",
    "-j",
    "-o",
    "-u",
};

// The arguments of one step while they are put right.
class Repair {
 public:
  Repair(absl::string_view verb, std::vector<std::string> args, Position verb_position,
         const std::vector<Position>& positions, DiagnosticList* diagnostics)
      : verb_(verb),
        args_(std::move(args)),
        verb_position_(verb_position),
        positions_(positions),
        diagnostics_(*diagnostics) {}

  std::vector<std::string> Run() {
    if (verb_ == "clone") RepairClone();
    if (verb_ == "build") RepairBuild();
    if (verb_ == "set") RepairSet();
    return std::move(args_);
  }

 private:
  void RepairClone() {
    std::vector<std::string> kept;
    kept.reserve(args_.size());
    bool only_words = false;
    bool is_value = false;
    for (size_t i = 0; i < args_.size(); ++i) {
      std::string& arg = args_[i];
      absl::string_view branch = arg;
      if (only_words || is_value || !absl::ConsumePrefix(&branch, "branch=")) {
        if (!is_value && arg == "--") only_words = true;
        is_value = !is_value && !only_words &&
                   std::find(std::begin(kCloneValueOptions), std::end(kCloneValueOptions), arg) !=
                       std::end(kCloneValueOptions);
        kept.push_back(std::move(arg));
        continue;
      }
      absl::ConsumePrefix(&branch, "=");
      if (branch.empty()) {
        Warn(i, absl::StrCat(Quote(arg), " names no branch and is left out"));
        continue;
      }
      std::string option = absl::StrCat("--branch=", branch);
      Warn(i, absl::StrCat(Quote(arg), " is taken as ", Quote(option)));
      kept.push_back(std::move(option));
    }
    args_ = std::move(kept);
  }

  void RepairBuild() {
    const BuildArguments build = ParseBuildArguments(args_);
    RepairLatest(build);
    CheckTags(build);
    CheckContext(build);
  }

  void RepairLatest(const BuildArguments& build) {
    std::string first_name;
    for (const ArgumentPart& tag : build.tags) {
      std::string& arg = args_[tag.index];
      const absl::string_view value = absl::string_view(arg).substr(tag.begin);
      if (first_name.empty()) {
        const absl::string_view name = NameOf(value);
        if (value != "latest" && name.size() <= kMaxNameBytes) first_name = std::string(name);
        continue;
      }
      if (value != "latest") continue;
      const std::string repaired = absl::StrCat(first_name, ":latest");
      Warn(tag.index, absl::StrCat("the tag \"latest\" after that of ", Quote(first_name),
                                   " is taken as ", Quote(repaired)));
      arg.replace(tag.begin, std::string::npos, repaired);
    }
  }

  // "reg:5000/eric" of "reg:5000/eric:1".
  static absl::string_view NameOf(absl::string_view reference) {
    reference = reference.substr(0, reference.find('@'));
    const size_t slash = reference.rfind('/');
    return reference.substr(0, reference.find(':', slash == absl::string_view::npos ? 0 : slash));
  }

  void CheckTags(const BuildArguments& build) {
    for (const ArgumentPart& tag : build.tags) {
      const absl::string_view value = absl::string_view(args_[tag.index]).substr(tag.begin);
      const absl::StatusOr<std::string> reference = PushReference(value, "");
      if (reference.ok()) continue;
      Warn(tag.index, absl::StrCat("the tag ", Quote(value),
                                   " is not a valid reference: ", reference.status().message()));
    }
  }

  void CheckContext(const BuildArguments& build) {
    if (build.words.empty() && std::find(args_.begin(), args_.end(), "--help") == args_.end()) {
      diagnostics_.Warning(
          verb_position_,
          absl::StrCat(verb_, ": there is no context; write \".\" for the working directory"));
    }
    if (build.words.size() > 1) {
      Warn(build.words[1],
           absl::StrCat("a build has one context, but both ", Quote(args_[build.words[0]]), " and ",
                        Quote(args_[build.words[1]]), " belong to no option"));
    }
    for (const size_t word : build.words) {
      if (!IsGitByHostOnly(args_[word])) continue;
      // Azure DevOps says it by its path, and knows no ".git".
      Warn(word,
           absl::StrContains(args_[word], "/_git/")
               ? absl::StrCat(Quote(args_[word]), " is taken as a git repository")
               : absl::StrCat(Quote(args_[word]), " is taken as the git repository ",
                              Quote(WithGitSuffix(args_[word])), "; write \".git\" to say so"));
    }
  }

  // "https://github.com/a/b.git#main" of "https://github.com/a/b/#main".
  static std::string WithGitSuffix(absl::string_view url) {
    const size_t hash = std::min(url.find('#'), url.size());
    absl::string_view repository = url.substr(0, hash);
    absl::ConsumeSuffix(&repository, "/");
    return absl::StrCat(repository, ".git", url.substr(hash));
  }

  void RepairSet() {
    for (const size_t image : ParseSetImageArguments(args_).images) {
      std::string& arg = args_[image];
      if (absl::StrContains(arg, '=')) continue;
      std::string repaired = absl::StrCat("*=", arg);
      Warn(image,
           absl::StrCat("the image ", Quote(arg), " is for all containers, ", Quote(repaired)));
      arg = std::move(repaired);
    }
  }

  void Warn(size_t index, absl::string_view message) {
    diagnostics_.Warning(index < positions_.size() ? positions_[index] : verb_position_,
                         absl::StrCat(verb_, ": ", message));
  }

  const absl::string_view verb_;
  std::vector<std::string> args_;
  const Position verb_position_;
  const std::vector<Position>& positions_;
  DiagnosticList& diagnostics_;
};

}  // namespace

std::vector<std::string> RepairArguments(absl::string_view verb, std::vector<std::string> args,
                                         Position verb_position,
                                         const std::vector<Position>& positions,
                                         DiagnosticList* diagnostics) {
  return Repair(verb, std::move(args), verb_position, positions, diagnostics).Run();
}

}  // namespace rally::pipeline
