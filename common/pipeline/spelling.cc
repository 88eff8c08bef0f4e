#include "common/pipeline/spelling.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "absl/strings/match.h"

namespace rally::pipeline {
namespace {
constexpr int kMaxEdits = 2;
}  // namespace

int EditDistance(absl::string_view a, absl::string_view b, int limit) {
  const int far = limit + 1;
  const int rows = static_cast<int>(a.size());
  const int columns = static_cast<int>(b.size());
  if (std::abs(rows - columns) > limit) return far;

  // Three rows of the usual table, and of each only the cells within `limit` of the diagonal.
  std::vector<int> before(columns + 1, far), previous(columns + 1, far), current(columns + 1, far);
  for (int j = 0; j <= std::min(columns, limit); ++j) previous[j] = j;
  for (int i = 1; i <= rows; ++i) {
    const int first = std::max(1, i - limit);
    const int last = std::min(columns, i + limit);
    current[first - 1] = first == 1 ? i : far;
    int best = current[first - 1];
    for (int j = first; j <= last; ++j) {
      int cost = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost = std::min({cost, previous[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost = std::min(cost, before[j - 2] + 1);
      }
      current[j] = std::min(cost, far);
      best = std::min(best, current[j]);
    }
    if (last < columns) current[last + 1] = far;
    if (best > limit) return far;
    before.swap(previous);
    previous.swap(current);
  }
  return std::min(previous[columns], far);
}

absl::string_view NearestWord(absl::string_view word,
                              const std::vector<absl::string_view>& candidates) {
  absl::string_view nearest;
  int nearest_distance = kMaxEdits + 1;
  for (const absl::string_view candidate : candidates) {
    if (absl::EqualsIgnoreCase(word, candidate)) return candidate;
    const int distance = EditDistance(word, candidate, kMaxEdits);
    if (distance < nearest_distance && distance < static_cast<int>(candidate.size())) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

}  // namespace rally::pipeline
