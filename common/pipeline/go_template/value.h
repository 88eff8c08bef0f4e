#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace rally::go_template {

// What a template computes with. Immutable, and cheap to copy: copies of a list or map share it.
//
// Threads: may be read by several at once.
class Value {
 public:
  // In the order of the alternatives of data_.
  enum class Kind {
    kNil,  // a missing value
    kBool,
    kInt,     // int64
    kFloat,   // double
    kString,  // bytes
    kList,
    kMap,  // keys are strings, in byte order
  };
  using List = std::vector<Value>;
  using Map = std::map<std::string, Value, std::less<>>;

  Value() = default;
  explicit Value(bool value) : data_(value) {}
  explicit Value(int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(std::string value)
      : data_(std::make_shared<const std::string>(std::move(value))) {}
  explicit Value(List value);
  explicit Value(Map value);
  // A literal would become a bool.
  explicit Value(const char*) = delete;

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_nil() const { return kind() == Kind::kNil; }
  bool is_string() const { return kind() == Kind::kString; }

  // How many lists and maps are inside each other: 0 for a number, 1 for a list of numbers. Whoever
  // makes one out of others keeps to the limit, so that recursion over a value is safe.
  int depth() const { return depth_; }
  static constexpr int kMaxDepth = 32;

  // Each only for its kind.
  bool AsBool() const { return std::get<bool>(data_); }
  int64_t AsInt() const { return std::get<int64_t>(data_); }
  double AsFloat() const { return std::get<double>(data_); }
  const std::string& AsString() const {
    return *std::get<std::shared_ptr<const std::string>>(data_);
  }
  const List& AsList() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Map& AsMap() const { return *std::get<std::shared_ptr<const Map>>(data_); }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Map>>
      data_;
  int depth_ = 0;
};

// "nil", "bool", "int", "float", "string", "list", "map": for messages.
absl::string_view KindName(Value::Kind kind);

// What `if` makes of it: false for nil, false, 0, 0.0 and whatever is empty.
bool IsTrue(const Value& value);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_H_
