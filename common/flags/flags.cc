#include "common/flags/flags.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/duration.h"
#include "common/pipeline/spelling.h"
#include "common/size.h"

namespace rally::flags {

void AddDuration(CLI::App* app, const std::string& name, absl::Duration* value,
                 const std::string& description) {
  app->add_option_function<std::string>(
         name,
         [value, name](const std::string& text) {
           const auto parsed = pipeline::ParseGoDuration(text);
           if (!parsed.ok()) {
             throw CLI::ValidationError(
                 name, absl::StrCat("\"", text, "\": ", parsed.status().message()));
           }
           *value = *parsed;
         },
         description)
      ->type_name("TIME")
      ->default_str(pipeline::FormatGoDuration(*value));
}

void AddSize(CLI::App* app, const std::string& name, int64_t* value,
             const std::string& description) {
  app->add_option_function<std::string>(
         name,
         [value, name](const std::string& text) {
           const auto parsed = ParseSize(text);
           if (!parsed.ok()) {
             throw CLI::ValidationError(name, std::string(parsed.status().message()));
           }
           *value = *parsed;
         },
         description)
      ->type_name("SIZE")
      ->default_str(FormatSize(*value));
}

void AddConfigFile(CLI::App* app) {
  app->set_config("--config", "", "Read flags from this TOML file (a key for each flag)");
  app->allow_config_extras(CLI::config_extras_mode::error);
}

std::string DescribeMistake(const CLI::App& app, const CLI::Error& error) {
  const std::string what = error.what();
  absl::string_view key = what;
  // The parser's words for a key that is no flag.
  if (dynamic_cast<const CLI::ConfigError*>(&error) == nullptr ||
      !absl::ConsumePrefix(&key, "INI was not able to parse ")) {
    return what;
  }
  std::string file = "the configuration file";
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
    if (option->check_lname("config") && !option->results().empty()) file = option->results()[0];
  }
  const absl::string_view nearest = pipeline::NearestWord(key, {names.begin(), names.end()});
  return absl::StrCat(file, ": there is no key \"", key, "\"",
                      nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?"),
                      " (the keys are the names of the flags, without the dashes)");
}

}  // namespace rally::flags
