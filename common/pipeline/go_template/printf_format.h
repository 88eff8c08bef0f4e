#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_FORMAT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/function.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// "%-08.3f", with the meaning that Go gives it.
struct Directive {
  absl::string_view text;  // As it is written, for messages.
  bool sharp = false;
  bool zero = false;  // Pad with zeros, on the left.
  bool plus = false;
  bool minus = false;  // Pad on the right.
  bool space = false;
  std::optional<size_t> width;
  std::optional<size_t> precision;
  char32_t verb = 0;
};

// Reads a format of printf piece by piece and hands out the arguments.
//
// Ownership: the format and the arguments must outlive it and what it gives.
// Errors: InvalidArgument where Go would print "%!".
class PrintfFormat {
 public:
  // A width or precision.
  static constexpr size_t kMaxNumber = 1'000'000;

  struct Piece {
    absl::string_view literal;        // Comes first.
    bool percent_sign = false;        // "%%" follows.
    const Value* argument = nullptr;  // Follows, unless null.
    Directive directive;              // How to show the argument.
  };

  PrintfFormat(absl::string_view format, Arguments arguments)
      : format_(format), arguments_(arguments) {}

  bool AtEnd() const { return at_ == format_.size(); }
  absl::StatusOr<Piece> Next();

  // At the end: each argument must have been shown, unless "%[1]d" was used.
  absl::Status CheckAllShown() const;

 private:
  bool Consume(char c);
  void ReadFlags(Directive* directive);
  absl::Status ReadIndex();
  absl::StatusOr<std::optional<size_t>> ReadNumber();
  absl::StatusOr<int64_t> ReadStar();
  absl::Status ReadWidth(Directive* directive);
  absl::Status ReadPrecision(Directive* directive);
  absl::Status ReadVerb(Directive* directive);
  absl::Status Error(absl::string_view problem) const;

  const absl::string_view format_;
  const Arguments arguments_;
  size_t at_ = 0;
  size_t directive_begin_ = 0;
  size_t next_argument_ = 0;
  bool indexed_ = false;      // "[1]" was seen anywhere.
  bool after_index_ = false;  // "[1]" stands directly before.
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_FORMAT_H_
