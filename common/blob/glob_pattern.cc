#include "common/blob/glob_pattern.h"

#include <cctype>
#include <utility>

#include "absl/strings/match.h"

namespace rally::blob {
namespace {

constexpr size_t kBitsPerWord = 64;

struct NamedClass {
  absl::string_view name;
  int (*contains)(int);
};

// In the C locale, which no program of ours leaves.
constexpr NamedClass kNamedClasses[] = {
    {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank},
    {"cntrl", std::iscntrl}, {"digit", std::isdigit}, {"graph", std::isgraph},
    {"lower", std::islower}, {"print", std::isprint}, {"punct", std::ispunct},
    {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit},
};

bool AddNamedClass(absl::string_view name, std::bitset<256>* set) {
  for (const NamedClass& named : kNamedClasses) {
    if (named.name != name) continue;
    for (int byte = 0; byte < 128; ++byte) {
      if (named.contains(byte) != 0) set->set(byte);
    }
    return true;
  }
  return false;
}

bool IsSpecial(char c) { return c == '*' || c == '?' || c == '[' || c == '\\'; }

}  // namespace

// Reads one pattern from left to right.
class GlobCompiler {
 public:
  GlobCompiler(absl::string_view text, GlobPattern::Syntax syntax)
      : text_(text), git_(syntax == GlobPattern::Syntax::kGit) {}

  std::optional<GlobPattern> Compile() {
    while (at_ < text_.size() && !IsSpecial(text_[at_])) ++at_;
    pattern_.prefix_ = std::string(text_.substr(0, at_));
    prefix_end_ = at_;
    while (at_ < text_.size()) {
      if (!CompileOne()) return std::nullopt;
    }
    return std::move(pattern_);
  }

 private:
  using Kind = GlobPattern::Kind;

  bool CompileOne() {
    const char c = text_[at_];
    switch (c) {
      case '*':
        if (git_) {
          CompileGitStars();
        } else {
          CompileDockerStars();
        }
        return true;
      case '?':
        ++at_;
        Push(Kind::kAnyByte);
        return true;
      case '[':
        ++at_;
        return CompileSet();
      case '\\':
        if (++at_ == text_.size()) return false;
        break;
      default:
        break;
    }
    Push(Kind::kByte, text_[at_++]);
    return true;
  }

  void CompileGitStars() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] == '*') ++at_;
    const bool ends = at_ == text_.size();
    const bool before_slash = !ends && text_[at_] == '/';
    // What is behind a literal prefix counts as a component's beginning in git: "a**/b" is more
    // than "a*/b". It isn't documented, but the files that rely on it don't know that.
    const bool begins_component = begin == 0 || text_[begin - 1] == '/' || begin == prefix_end_;
    const bool ends_component = ends || before_slash || absl::StartsWith(text_.substr(at_), "\\/");
    if (at_ - begin == 1 || !begins_component || !ends_component) {
      Push(Kind::kStar);
    } else if (!before_slash) {
      Push(Kind::kEverything);
    } else {
      PushDirectories();
    }
  }

  // Two stars at a time, as Docker reads them.
  void CompileDockerStars() {
    const size_t begin = at_++;
    if (at_ == text_.size() || text_[at_] != '*') {
      Push(Kind::kStar);
      return;
    }
    const absl::string_view rest = text_.substr(++at_);
    // A pattern of "**" and plain text is compared with the end of the path, which may be amid a
    // name: "**.o". With anything special behind it, "**" is whole components wherever it stands.
    const bool is_suffix = begin == 0 && !absl::StartsWith(rest, "/") &&
                           rest.find_first_of("*?[]\\") == absl::string_view::npos;
    if (rest.empty() || is_suffix) {
      Push(Kind::kEverything);
    } else {
      PushDirectories();
    }
  }

  // "**/", of which the slash may be missing.
  void PushDirectories() {
    if (text_[at_] == '/') ++at_;
    Push(Kind::kDirectories);
    Push(Kind::kUntilSlash);
  }

  // Behind the opening bracket; reads the closing one, too.
  bool CompileSet() {
    GlobPattern::Set set;
    bool negated = false;
    if (at_ < text_.size() && (text_[at_] == '^' || (git_ && text_[at_] == '!'))) {
      negated = true;
      ++at_;
    }
    std::optional<unsigned char> range_begin;
    for (bool first = true;; first = false) {
      if (at_ == text_.size()) return false;
      const char c = text_[at_];
      // A bracket in front is one of the set.
      if (c == ']' && !first) break;
      if (c == ']' && !git_) return false;
      if (git_ && c == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') {
        const size_t close = text_.find(']', at_ + 2);
        if (close == absl::string_view::npos) return false;
        if (close > at_ + 2 && text_[close - 1] == ':') {
          if (!AddNamedClass(text_.substr(at_ + 2, close - at_ - 3), &set)) return false;
          at_ = close + 1;
          range_begin.reset();
          continue;
        }
      }
      if (c == '-' && range_begin.has_value() && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        unsigned char range_end;
        if (!TakeSetByte(&range_end)) return false;
        for (int byte = *range_begin; byte <= range_end; ++byte) set.set(byte);
        range_begin.reset();
        continue;
      }
      unsigned char byte;
      if (!TakeSetByte(&byte)) return false;
      set.set(byte);
      range_begin = byte;
    }
    ++at_;
    if (negated) set.flip();
    set.reset('/');
    Push(Kind::kSet);
    pattern_.elements_.back().set = static_cast<uint32_t>(pattern_.sets_.size());
    pattern_.sets_.push_back(set);
    return true;
  }

  bool TakeSetByte(unsigned char* byte) {
    if (text_[at_] == '\\' && ++at_ == text_.size()) return false;
    *byte = static_cast<unsigned char>(text_[at_++]);
    return true;
  }

  void Push(Kind kind, char byte = 0) {
    pattern_.elements_.push_back({kind, static_cast<unsigned char>(byte), 0});
  }

  const absl::string_view text_;
  const bool git_;
  size_t at_ = 0;
  size_t prefix_end_ = 0;
  GlobPattern pattern_;
};

std::optional<GlobPattern> GlobPattern::Compile(absl::string_view text, Syntax syntax) {
  return GlobCompiler(text, syntax).Compile();
}

// Also adds what can be reached from there without a byte.
void GlobPattern::Add(size_t element, States* states) const {
  uint64_t& word = (*states)[element / kBitsPerWord];
  const uint64_t bit = uint64_t{1} << (element % kBitsPerWord);
  // What is there already brought along what it leads to: a chain costs its length only once.
  if ((word & bit) != 0) return;
  word |= bit;
  if (element == elements_.size()) return;
  switch (elements_[element].kind) {
    case Kind::kStar:
    case Kind::kEverything:
      Add(element + 1, states);
      return;
    case Kind::kDirectories:
      Add(element + 1, states);
      Add(element + 2, states);
      return;
    case Kind::kByte:
    case Kind::kAnyByte:
    case Kind::kSet:
    case Kind::kUntilSlash:
      return;
  }
}

bool GlobPattern::Step(unsigned char byte, const States& from, States* to) const {
  to->assign(from.size(), 0);
  bool any = false;
  for (size_t word = 0; word < from.size(); ++word) {
    for (uint64_t rest = from[word]; rest != 0; rest &= rest - 1) {
      const size_t i = word * kBitsPerWord + __builtin_ctzll(rest);
      if (i == elements_.size()) continue;
      const Element& element = elements_[i];
      bool stays = false, goes = false;
      switch (element.kind) {
        case Kind::kByte:
          goes = byte == element.byte;
          break;
        case Kind::kAnyByte:
          goes = byte != '/';
          break;
        case Kind::kSet:
          goes = sets_[element.set].test(byte);
          break;
        case Kind::kStar:
          stays = byte != '/';
          break;
        case Kind::kEverything:
          stays = true;
          break;
        case Kind::kDirectories:
          break;
        case Kind::kUntilSlash:
          stays = true;
          goes = byte == '/';
          break;
      }
      if (stays) Add(i, to);
      if (goes) Add(i + 1, to);
      any = any || stays || goes;
    }
  }
  return any;
}

std::optional<GlobPattern::States> GlobPattern::Run(absl::string_view path) const {
  if (!absl::StartsWith(path, prefix_)) return std::nullopt;
  path.remove_prefix(prefix_.size());
  States states(elements_.size() / kBitsPerWord + 1, 0), next;
  Add(0, &states);
  for (const char c : path) {
    if (!Step(static_cast<unsigned char>(c), states, &next)) return std::nullopt;
    std::swap(states, next);
  }
  return states;
}

bool GlobPattern::Matches(absl::string_view path) const {
  if (elements_.empty()) return path == prefix_;
  const std::optional<States> states = Run(path);
  const size_t end = elements_.size();
  return states.has_value() && (((*states)[end / kBitsPerWord] >> (end % kBitsPerWord)) & 1) != 0;
}

bool GlobPattern::CouldMatchBelow(absl::string_view directory) const {
  // A prefix that leads on below it.
  if (prefix_.size() > directory.size()) {
    return absl::StartsWith(prefix_, directory) && prefix_[directory.size()] == '/' &&
           (prefix_.size() > directory.size() + 1 || !elements_.empty());
  }
  std::optional<States> states = Run(directory);
  if (!states.has_value()) return false;
  States next;
  if (!Step('/', *states, &next)) return false;
  // The end alone would be a match of "directory/" and of nothing below.
  const size_t end = elements_.size();
  next[end / kBitsPerWord] &= ~(uint64_t{1} << (end % kBitsPerWord));
  for (const uint64_t word : next) {
    if (word != 0) return true;
  }
  return false;
}

}  // namespace rally::blob
