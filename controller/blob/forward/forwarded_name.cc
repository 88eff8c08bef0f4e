#include "controller/blob/forward/forwarded_name.h"

#include "absl/strings/str_cat.h"
#include "controller/blob/resource_name.h"

namespace rally::cas {
namespace {

absl::StatusOr<std::string> Replace(absl::string_view name,
                                    const absl::StatusOr<ResourceName>& parsed,
                                    absl::string_view instance) {
  if (!parsed.ok()) return parsed.status();
  if (!parsed->instance.empty()) name.remove_prefix(parsed->instance.size() + 1);
  return instance.empty() ? std::string(name) : absl::StrCat(instance, "/", name);
}

}  // namespace

absl::StatusOr<std::string> ForwardedReadName(absl::string_view name, absl::string_view instance) {
  return Replace(name, ParseReadName(name), instance);
}

absl::StatusOr<std::string> ForwardedWriteName(absl::string_view name, absl::string_view instance) {
  return Replace(name, ParseWriteName(name), instance);
}

}  // namespace rally::cas
