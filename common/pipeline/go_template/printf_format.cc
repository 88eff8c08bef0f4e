#include "common/pipeline/go_template/printf_format.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {

absl::Status PrintfFormat::Error(absl::string_view problem) const {
  const absl::string_view text = format_.substr(directive_begin_, at_ - directive_begin_);
  return absl::InvalidArgumentError(absl::StrCat(pipeline::Quote(text), " ", problem));
}

bool PrintfFormat::Consume(char c) {
  if (AtEnd() || format_[at_] != c) return false;
  ++at_;
  return true;
}

void PrintfFormat::ReadFlags(Directive* directive) {
  for (; !AtEnd(); ++at_) {
    switch (format_[at_]) {
      case '#':
        directive->sharp = true;
        break;
      case '0':
        directive->zero = !directive->minus;
        break;
      case '+':
        directive->plus = true;
        break;
      case '-':
        directive->minus = true;
        directive->zero = false;
        break;
      case ' ':
        directive->space = true;
        break;
      default:
        return;
    }
  }
}

absl::StatusOr<std::optional<size_t>> PrintfFormat::ReadNumber() {
  std::optional<size_t> number;
  for (; !AtEnd() && absl::ascii_isdigit(static_cast<unsigned char>(format_[at_])); ++at_) {
    number = 10 * number.value_or(0) + static_cast<size_t>(format_[at_] - '0');
    number = std::min(*number, kMaxNumber + 1);
  }
  if (number.value_or(0) > kMaxNumber) return Error(absl::StrCat("has a number over ", kMaxNumber));
  return number;
}

// "[2]": the argument to go on with, counted from 1.
absl::Status PrintfFormat::ReadIndex() {
  after_index_ = false;
  if (!Consume('[')) return absl::OkStatus();
  indexed_ = true;
  const absl::StatusOr<std::optional<size_t>> number = ReadNumber();
  if (!number.ok()) return number.status();
  if (!Consume(']') || !number->has_value() || **number < 1 || **number > arguments_.size()) {
    return Error("names no argument");
  }
  next_argument_ = **number - 1;
  after_index_ = true;
  return absl::OkStatus();
}

// A width or precision from the arguments.
absl::StatusOr<int64_t> PrintfFormat::ReadStar() {
  after_index_ = false;
  constexpr auto kMost = static_cast<int64_t>(kMaxNumber);
  if (next_argument_ >= arguments_.size()) return Error("has no argument for the \"*\"");
  const Value& argument = arguments_[next_argument_++];
  if (argument.kind() != Value::Kind::kInt || argument.AsInt() > kMost ||
      argument.AsInt() < -kMost) {
    return Error(absl::StrCat("needs an int of at most ", kMaxNumber, " for the \"*\""));
  }
  return argument.AsInt();
}

absl::Status PrintfFormat::ReadWidth(Directive* directive) {
  if (Consume('*')) {
    const absl::StatusOr<int64_t> width = ReadStar();
    if (!width.ok()) return width.status();
    if (*width < 0) {
      directive->minus = true;
      directive->zero = false;
    }
    directive->width = static_cast<size_t>(*width < 0 ? -*width : *width);
    return absl::OkStatus();
  }
  const absl::StatusOr<std::optional<size_t>> width = ReadNumber();
  if (!width.ok()) return width.status();
  directive->width = *width;
  if (after_index_ && width->has_value()) return Error("has its width behind the index");
  return absl::OkStatus();
}

absl::Status PrintfFormat::ReadPrecision(Directive* directive) {
  if (!Consume('.')) return absl::OkStatus();
  if (after_index_) return Error("has its precision behind the index");
  if (absl::Status read = ReadIndex(); !read.ok()) return read;
  if (Consume('*')) {
    const absl::StatusOr<int64_t> precision = ReadStar();
    if (!precision.ok()) return precision.status();
    if (*precision < 0) return Error("has a negative precision");
    directive->precision = static_cast<size_t>(*precision);
    return absl::OkStatus();
  }
  const absl::StatusOr<std::optional<size_t>> precision = ReadNumber();
  if (!precision.ok()) return precision.status();
  directive->precision = precision->value_or(0);
  return absl::OkStatus();
}

absl::Status PrintfFormat::ReadVerb(Directive* directive) {
  if (AtEnd()) return Error("ends without a verb");
  const Utf8Character verb = FirstCharacter(format_.substr(at_));
  at_ += verb.size;
  directive->verb = verb.code;
  directive->text = format_.substr(directive_begin_, at_ - directive_begin_);
  return absl::OkStatus();
}

absl::StatusOr<PrintfFormat::Piece> PrintfFormat::Next() {
  Piece piece;
  const size_t percent = std::min(format_.find('%', at_), format_.size());
  piece.literal = format_.substr(at_, percent - at_);
  at_ = directive_begin_ = percent;
  if (!Consume('%')) return piece;
  Directive& directive = piece.directive;
  after_index_ = false;
  ReadFlags(&directive);
  absl::Status status = ReadIndex();
  if (status.ok()) status = ReadWidth(&directive);
  if (status.ok()) status = ReadPrecision(&directive);
  if (status.ok() && !after_index_) status = ReadIndex();
  if (status.ok()) status = ReadVerb(&directive);
  if (!status.ok()) return status;

  if (directive.verb == '%') {  // "%5%" is a plain "%" in Go too.
    piece.percent_sign = true;
    return piece;
  }
  if (next_argument_ >= arguments_.size()) return Error("has no argument");
  piece.argument = &arguments_[next_argument_++];
  return piece;
}

absl::Status PrintfFormat::CheckAllShown() const {
  if (indexed_ || next_argument_ >= arguments_.size()) return absl::OkStatus();
  const size_t extra = arguments_.size() - next_argument_;
  return absl::InvalidArgumentError(
      absl::StrCat("has ", extra, extra == 1 ? " argument" : " arguments", " too many"));
}

}  // namespace rally::go_template
