#ifndef RALLY_COMMON_PIPELINE_DEFAULT_REGISTRY_H_
#define RALLY_COMMON_PIPELINE_DEFAULT_REGISTRY_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/model.h"

namespace rally::pipeline {

// Puts the default registry (.Build.Registry) in front of the names of images in the commands of
// verb steps, by the same function as the push list (PushReference), so that what a build tags is
// what is pushed. To be called once, after every step's command is resolved; `push` is the
// normalised push list. Changes Step::command.args only, never VerbUse::args; does nothing for "".
//
// Names of images that the step makes or pushes always get it: -t and --tag of `build`, the target
// of `tag`, the words of `push`. Where an image is only used (--cache-from, the source of `tag`,
// the images of `set image`), it gets it if the pipeline makes or pushes an image of that name;
// others, as in `pull ubuntu`, stay Docker Hub's. `docker build`, `docker tag`, `docker push` are
// like the verbs alone. Steps with an image or an entryPoint of their own are left as they are.
void ApplyDefaultRegistry(absl::string_view default_registry, const std::vector<std::string>& push,
                          std::vector<Step>* steps);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DEFAULT_REGISTRY_H_
