#ifndef RALLY_COMMON_PIPELINE_KUBECTL_ARGUMENTS_H_
#define RALLY_COMMON_PIPELINE_KUBECTL_ARGUMENTS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace rally::pipeline {

// The words, by index, of `set image RESOURCE [CONTAINER=]IMAGE...`, the arguments after `set`.
struct SetImageArguments {
  // "deployment/web", or the two of "deployment web"; none if files name the resources.
  std::vector<size_t> resources;
  // "web=eric:1", or "eric:1", which kubectl doesn't know. Never an empty word.
  std::vector<size_t> images;
};

// Both lists are empty if it isn't `set image`. Never fails; linear.
SetImageArguments ParseSetImageArguments(const std::vector<std::string>& args);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KUBECTL_ARGUMENTS_H_
