#ifndef RALLY_COMMON_PIPELINE_RANDOM_PIPELINE_H_
#define RALLY_COMMON_PIPELINE_RANDOM_PIPELINE_H_

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/pipeline/model.h"

namespace rally::pipeline {

// For tests: pipelines at random, the same ones for the same seed, made without the parser, so that
// what it reads can be held against what was meant.
class RandomPipeline {
 public:
  explicit RandomPipeline(unsigned seed) : random_(seed) {}

  // A pipeline without cycles, of up to `max_steps` steps in any order. Left to who reads it are
  // Step::verb, Step::command, Step::line and Pipeline::order.
  Pipeline Make(int max_steps);

  // Gives every step any dependencies at all, so that there may be cycles.
  void TangleUp(Pipeline* pipeline);

  // A rally.toml that means `pipeline`. Quotes, units, the order of lists where it doesn't matter,
  // templates, defaults that needn't be written: each is chosen anew by every call.
  std::string Spell(const Pipeline& pipeline);

  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  bool OneIn(int chance) { return Below(chance) == 0; }

  // A value of TOML that means `text`, which holds no NUL.
  std::string SpellString(absl::string_view text);

 private:
  std::string AnyText(int max_pieces);
  Step AnyStep(int number, int secrets);
  std::optional<std::vector<int>> AnyCodes();
  std::string SpellDuration(absl::Duration duration);
  std::string SpellPath(absl::string_view path);
  std::string SpellStep(const Pipeline& pipeline, int number);
  std::string SpellWhenAll(const Pipeline& pipeline, int number);
  template <typename Element, typename Speller>
  std::string SpellArray(const std::vector<Element>& elements, Speller spell);

  std::mt19937 random_;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_RANDOM_PIPELINE_H_
