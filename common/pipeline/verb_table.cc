#include "common/pipeline/verb_table.h"

#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/image_reference.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {
namespace {

// Image keys and what they are until configuration says otherwise.
using Images = std::map<std::string, std::string, std::less<>>;
using Verbs = std::map<std::string, Verb, std::less<>>;

Images DefaultImages() {
  return {{"git", "docker.io/alpine/git"},
          {"curl", "docker.io/curlimages/curl"},
          {"builder", "docker.io/rally/builder"},
          {"kubectl", "docker.io/bitnami/kubectl"},
          {"shell", "docker.io/library/busybox"}};
}

Verbs DefaultVerbs(const Images& images) {
  const std::string& git = images.at("git");
  const std::string& builder = images.at("builder");
  const std::string& kubectl = images.at("kubectl");
  const std::string& shell = images.at("shell");
  const std::vector<std::string> build = {"rally-builder"};
  return {
      {"clone", {git, {"git"}, /*keep_verb=*/true}},
      {"git", {git, {"git"}}},
      {"curl", {images.at("curl"), {"curl"}}},
      {"build", {builder, build, /*keep_verb=*/true}},
      {"pull", {builder, build, /*keep_verb=*/true}},
      {"tag", {builder, build, /*keep_verb=*/true}},
      {"push", {builder, build, /*keep_verb=*/true}},
      {"docker", {builder, build}},
      {"set", {kubectl, {"kubectl"}, /*keep_verb=*/true}},
      {"apply", {kubectl, {"kubectl"}, /*keep_verb=*/true}},
      {"rollout", {kubectl, {"kubectl"}, /*keep_verb=*/true}},
      {"kubectl", {kubectl, {"kubectl"}}},
      {"sh", {shell, {"sh"}}},
      {"echo", {shell, {"echo"}}},
      // printf, as an echo would take a first argument "-n" for itself.
      {"write-log", {shell, {"printf", "%s\\n"}, /*keep_verb=*/false, /*join_rest=*/true}},
  };
}

bool IsVerbName(absl::string_view name) {
  return !name.empty() && absl::ascii_isalnum(name.front()) && absl::c_all_of(name, [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

// Reads one configuration, and goes on after an error.
class VerbConfiguration {
 public:
  // Of what is wrong with the text, `diagnostics` are told.
  Verbs Read(const TomlValue& document) {
    const TomlValue* verbs = nullptr;
    const TomlValue* images = nullptr;
    for (const auto& [key, value] : document.entries()) {
      if (key == "images") {
        if (IsTable(value, "[images]")) images = &value;
      } else if (key == "verbs") {
        if (IsTable(value, "[verbs]")) verbs = &value;
      } else {
        RefuseKey(value, "key", key, {"images", "verbs"});
      }
    }
    if (images != nullptr) ReadImages(*images);
    verbs_ = DefaultVerbs(images_);
    if (verbs != nullptr) {
      for (const auto& [name, value] : verbs->entries()) ReadVerb(name, value);
    }
    return std::move(verbs_);
  }

  DiagnosticList& diagnostics() { return diagnostics_; }

 private:
  void ReadImages(const TomlValue& images) {
    std::vector<absl::string_view> keys;
    for (const auto& [key, image] : images_) keys.push_back(key);
    for (const auto& [key, value] : images.entries()) {
      const auto image = images_.find(key);
      if (image == images_.end()) {
        RefuseKey(value, "image key", key, keys);
      } else if (IsString(value, absl::StrCat("images.", key)) && IsImage(value, key)) {
        image->second = value.string();
      }
    }
  }

  void ReadVerb(const std::string& name, const TomlValue& table) {
    const std::string where = absl::StrCat("[verbs.", name, "]");
    if (!IsVerbName(name)) {
      Error(table, absl::StrCat("the verb ", Quote(name),
                                " may hold only letters, digits, \"_\", \".\" and \"-\", and "
                                "begins with a letter or digit"));
      return;
    }
    if (!IsTable(table, where)) return;
    const auto built_in = verbs_.find(name);
    const bool is_new = built_in == verbs_.end();
    Verb verb = is_new ? Verb() : built_in->second;
    std::optional<std::vector<std::string>> prefix;
    std::optional<bool> keep_verb;
    bool has_image = !is_new;
    for (const auto& [key, value] : table.entries()) {
      if (key == "image") {
        has_image = true;
        verb.image = ReadImage(value);
      } else if (key == "prefix") {
        prefix = ReadPrefix(value);
      } else if (key == "keepVerb") {
        if (value.type() != TomlType::kBoolean)
          Error(value, TypeError("keepVerb", "a boolean", value));
        keep_verb = value.boolean();
      } else {
        RefuseKey(value, "key", key, {"image", "prefix", "keepVerb"}, where);
      }
    }
    if (!has_image) Error(table, absl::StrCat(where, " has no \"image\""));
    if (is_new && !prefix.has_value()) Error(table, absl::StrCat(where, " has no \"prefix\""));
    if (prefix.has_value()) {
      // How the built-in one went on after its prefix says nothing about another.
      verb.prefix = *std::move(prefix);
      verb.keep_verb = false;
      verb.join_rest = false;
    }
    verb.keep_verb = keep_verb.value_or(verb.keep_verb);
    verbs_[name] = std::move(verb);
  }

  std::string ReadImage(const TomlValue& value) {
    if (!IsString(value, "image")) return "";
    const auto key = images_.find(value.string());
    if (key != images_.end()) return key->second;
    IsImage(value, "image");
    return value.string();
  }

  std::vector<std::string> ReadPrefix(const TomlValue& value) {
    std::vector<std::string> prefix;
    if (value.type() != TomlType::kArray) {
      Error(value, TypeError("prefix", "an array of strings", value));
      return prefix;
    }
    for (const TomlValue& element : value.elements()) {
      if (!IsString(element, absl::StrCat("prefix[", prefix.size(), "]"))) return prefix;
      if (absl::StrContains(element.string(), absl::string_view("\0", 1))) {
        Error(element, absl::StrCat("prefix[", prefix.size(), "] ", Quote(element.string()),
                                    " holds a NUL byte, which no program can be given"));
      }
      prefix.push_back(element.string());
    }
    if (prefix.empty() || prefix.front().empty()) {
      Error(value, "prefix must begin with the name of a program");
    }
    return prefix;
  }

  bool IsImage(const TomlValue& value, absl::string_view key) {
    const absl::Status status = IsOciPath(value.string())
                                    ? ParseOciPath(value.string()).status()
                                    : ParseImageReference(value.string()).status();
    if (status.ok()) return true;
    Error(value, absl::StrCat(key, " ", Quote(value.string()),
                              " is not a valid reference: ", status.message()));
    return false;
  }

  bool IsString(const TomlValue& value, absl::string_view key) {
    if (value.type() == TomlType::kString) return true;
    Error(value, TypeError(key, "a string", value));
    return false;
  }

  bool IsTable(const TomlValue& value, absl::string_view what) {
    if (value.type() == TomlType::kTable) return true;
    Error(value, absl::StrCat(what, " must be a table, not ", DescribeType(value.type())));
    return false;
  }

  static std::string TypeError(absl::string_view key, absl::string_view wanted,
                               const TomlValue& value) {
    return absl::StrCat(Quote(key), " must be ", wanted, ", not ", DescribeType(value.type()));
  }

  void RefuseKey(const TomlValue& value, absl::string_view noun, absl::string_view key,
                 const std::vector<absl::string_view>& known, absl::string_view where = "") {
    std::string message = absl::StrCat("unknown ", noun, " ", Quote(key));
    if (!where.empty()) absl::StrAppend(&message, " in ", where);
    const absl::string_view near = NearestWord(key, known);
    if (!near.empty()) absl::StrAppend(&message, "; did you mean ", Quote(near), "?");
    Error(value, std::move(message));
  }

  void Error(const TomlValue& value, std::string message) {
    diagnostics_.Error(value.position, std::move(message));
  }

  Images images_ = DefaultImages();
  Verbs verbs_;
  DiagnosticList diagnostics_;
};

absl::Status StatusOf(const DiagnosticList& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics.Sorted()) {
    if (!text.empty()) text += "; ";
    if (diagnostic.line > 0) {
      absl::StrAppend(&text, "line ", diagnostic.line, ", column ", diagnostic.column, ": ");
    }
    text += diagnostic.message;
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace

VerbTable VerbTable::BuiltIn() {
  VerbTable table;
  table.verbs_ = DefaultVerbs(DefaultImages());
  return table;
}

absl::StatusOr<VerbTable> VerbTable::FromToml(absl::string_view text) {
  VerbConfiguration configuration;
  VerbTable table;
  if (const std::optional<TomlValue> document = ReadToml(text, &configuration.diagnostics())) {
    table.verbs_ = configuration.Read(*document);
  }
  if (configuration.diagnostics().error_count() > 0) return StatusOf(configuration.diagnostics());
  return table;
}

const Verb* VerbTable::Find(absl::string_view name) const {
  const auto found = verbs_.find(name);
  return found == verbs_.end() ? nullptr : &found->second;
}

std::vector<absl::string_view> VerbTable::Names() const {
  std::vector<absl::string_view> names;
  names.reserve(verbs_.size());
  for (const auto& [name, verb] : verbs_) names.push_back(name);
  return names;
}

}  // namespace rally::pipeline
