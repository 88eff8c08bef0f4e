#ifndef RALLY_CONTROLLER_CONFIG_FILE_H_
#define RALLY_CONTROLLER_CONFIG_FILE_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/string_view.h"

namespace rally::controller {

// The two languages of a controller's configuration file. Each keeps the line numbers of the whole.
struct ConfigParts {
  std::string flags;  // a key for each flag
  std::string verbs;  // [images] and [verbs.NAME]
};

// Tells them apart line by line, by the headers of the tables.
ConfigParts SplitConfig(absl::string_view text);

// Reads a configuration file for CLI11, and keeps what it says about verbs. `verbs` outlives it.
class ConfigFileReader : public CLI::ConfigTOML {
 public:
  explicit ConfigFileReader(std::string* verbs) : verbs_(verbs) {}
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

 private:
  std::string* const verbs_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_CONFIG_FILE_H_
