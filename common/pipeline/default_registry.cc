#include "common/pipeline/default_registry.h"

#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/build_arguments.h"
#include "common/pipeline/kubectl_arguments.h"
#include "common/pipeline/push_list.h"

namespace rally::pipeline {
namespace {

// The names of images in the arguments of a verb.
struct ImageArguments {
  std::vector<ArgumentPart> made;  // Tagged or pushed by the step.
  std::vector<ArgumentPart> used;
};

std::vector<size_t> Words(const std::vector<std::string>& args) {
  std::vector<size_t> words;
  for (size_t i = 0; i < args.size(); ++i) {
    // The only option of `docker push` and `docker tag` that takes a value.
    if (args[i] == "--platform")
      ++i;
    else if (!absl::StartsWith(args[i], "-"))
      words.push_back(i);
  }
  return words;
}

ImageArguments FindImages(absl::string_view verb, const std::vector<std::string>& args) {
  ImageArguments images;
  if (verb == "build") {
    BuildArguments build = ParseBuildArguments(args);
    images.made = std::move(build.tags);
    images.used = std::move(build.cache_from);
  } else if (verb == "tag") {
    const std::vector<size_t> words = Words(args);
    if (words.size() == 2) {
      images.used.push_back({words[0], 0});
      images.made.push_back({words[1], 0});
    }
  } else if (verb == "push") {
    for (const size_t word : Words(args)) images.made.push_back({word, 0});
  } else if (verb == "set") {
    for (const size_t word : ParseSetImageArguments(args).images) {
      images.used.push_back({word, args[word].find('=') + 1});
    }
  }
  return images;
}

// Where a step's images are named in Step::command.args.
ImageArguments FindImages(const Step& step) {
  if (!step.verb.has_value() || !step.entry_point.empty()) return {};
  const std::vector<std::string>& args = step.verb->args;
  // A verb whose arguments were joined to one has none to change.
  if (step.command.args.size() < args.size()) return {};
  size_t offset = step.command.args.size() - args.size();
  ImageArguments images;
  if (step.verb->name == "docker" && !args.empty()) {
    const absl::string_view subcommand = args.front();
    if (subcommand == "build" || subcommand == "tag" || subcommand == "push") {
      images = FindImages(subcommand, {args.begin() + 1, args.end()});
      ++offset;
    }
  } else {
    images = FindImages(step.verb->name, args);
  }
  for (ArgumentPart& part : images.made) part.index += offset;
  for (ArgumentPart& part : images.used) part.index += offset;
  return images;
}

// "reg.io/eric" of the normal form "reg.io/eric:1".
std::string WithoutTag(const std::string& reference) {
  return reference.substr(0, reference.rfind(':'));
}

}  // namespace

void ApplyDefaultRegistry(absl::string_view default_registry, const std::vector<std::string>& push,
                          std::vector<Step>* steps) {
  if (default_registry.empty() || !CheckDefaultRegistry(default_registry).ok()) return;
  const auto text_of = [](const Step& step, const ArgumentPart& part) {
    return absl::string_view(step.command.args[part.index]).substr(part.begin);
  };

  std::vector<ImageArguments> images;
  images.reserve(steps->size());
  absl::flat_hash_set<std::string> own;
  for (const std::string& reference : push) own.insert(WithoutTag(reference));
  for (const Step& step : *steps) {
    images.push_back(FindImages(step));
    for (const ArgumentPart& part : images.back().made) {
      const auto reference = PushReference(text_of(step, part), default_registry);
      if (reference.ok()) own.insert(WithoutTag(*reference));
    }
  }

  const auto prefix = [&](Step& step, const ArgumentPart& part, bool is_made) {
    const absl::string_view text = text_of(step, part);
    const auto reference = PushReference(text, default_registry);
    if (!reference.ok() || *reference == *PushReference(text, "")) return;
    if (!is_made && !own.contains(WithoutTag(*reference))) return;
    step.command.args[part.index].insert(part.begin, absl::StrCat(default_registry, "/"));
  };
  for (size_t i = 0; i < steps->size(); ++i) {
    for (const ArgumentPart& part : images[i].made) prefix((*steps)[i], part, true);
    for (const ArgumentPart& part : images[i].used) prefix((*steps)[i], part, false);
  }
}

}  // namespace rally::pipeline
