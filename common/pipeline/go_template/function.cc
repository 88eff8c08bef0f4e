#include "common/pipeline/go_template/function.h"

#include <algorithm>
#include <vector>

#include "common/pipeline/go_template/function_groups.h"

namespace rally::go_template {
namespace {

bool NameIsLess(const Function& a, const Function& b) { return a.name < b.name; }

std::vector<Function> SortedFunctions() {
  std::vector<Function> functions;
  for (const absl::Span<const Function> group :
       {ComparisonFunctions(), ElementFunctions(), PrintFunctions(), PrintfFunctions(),
        DefaultFunctions(), StringFunctions(), ListFunctions(), NumberFunctions(),
        EncodingFunctions(), RegexFunctions()}) {
    functions.insert(functions.end(), group.begin(), group.end());
  }
  std::sort(functions.begin(), functions.end(), NameIsLess);
  return functions;
}

const std::vector<Function>& Functions() {
  // Never destroyed: rendering may outlast the static objects of other files.
  static const auto* const functions = new std::vector<Function>(SortedFunctions());
  return *functions;
}

}  // namespace

const Function* FindFunction(absl::string_view name) {
  const std::vector<Function>& functions = Functions();
  const auto found =
      std::lower_bound(functions.begin(), functions.end(), name,
                       [](const Function& f, absl::string_view name) { return f.name < name; });
  return found != functions.end() && found->name == name ? &*found : nullptr;
}

std::vector<absl::string_view> FunctionNames() {
  std::vector<absl::string_view> names = {"and", "or"};
  for (const Function& function : Functions()) names.push_back(function.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace rally::go_template
