#ifndef RALLY_COMMON_FLAGS_FLAGS_H_
#define RALLY_COMMON_FLAGS_FLAGS_H_

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"

// What the flags of the daemons have in common, so that an operator learns it once.
namespace rally::flags {

// A flag that takes a duration as rally.toml writes it ("30s", "2m"). `value` holds the default and
// outlives the parsing.
void AddDuration(CLI::App* app, const std::string& name, absl::Duration* value,
                 const std::string& description);

// A flag that takes a number of bytes as ParseSize reads it ("512MiB", "200GB"). `value` holds the
// default and outlives the parsing.
void AddSize(CLI::App* app, const std::string& name, int64_t* value,
             const std::string& description);

// --config: a TOML file with a key for each flag. A key that isn't one is an error.
void AddConfigFile(CLI::App* app);

// What was wrong with the command line or the file, for a person.
std::string DescribeMistake(const CLI::App& app, const CLI::Error& error);

}  // namespace rally::flags

#endif  // RALLY_COMMON_FLAGS_FLAGS_H_
