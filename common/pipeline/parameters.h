#ifndef RALLY_COMMON_PIPELINE_PARAMETERS_H_
#define RALLY_COMMON_PIPELINE_PARAMETERS_H_

#include <map>
#include <string>
#include <vector>

namespace rally::pipeline {

// A TOML file of values for templates.
struct ValuesFile {
  std::string name;  // For messages.
  std::string text;
};

// What a submission gives to the templates of a pipeline.
struct Parameters {
  // .Values: the files merged in order, then `sets` ("a.b=c"); the later wins at every depth.
  std::vector<ValuesFile> values_files;
  std::vector<std::string> sets;
  // .Build: "ID", "Branch", "Commit", "Tag", "Repository", "TriggeredBy", "Registry", "Date".
  // What isn't given is "", but ID is "build-id".
  std::map<std::string, std::string> build;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_PARAMETERS_H_
