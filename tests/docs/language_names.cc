// Prints, a line each, what the documentation of templates must have: the functions' names, and the
// limits as it writes them.
#include <cstdint>
#include <iostream>

#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/function.h"
#include "common/pipeline/go_template/value.h"

namespace {

// "100,000"
void Print(int64_t number) {
  if (number >= 1000) {
    Print(number / 1000);
    std::cout << "," << number / 100 % 10 << number / 10 % 10 << number % 10;
  } else {
    std::cout << number;
  }
}

void PrintLimit(int64_t number, const char* unit) {
  std::cout << "limit ";
  Print(number);
  std::cout << unit << "\n";
}

}  // namespace

int main() {
  using rally::go_template::Budget;
  for (const auto name : rally::go_template::FunctionNames()) {
    std::cout << "function " << name << "\n";
  }
  PrintLimit(Budget::kMaxStringBytes >> 10, " KiB");
  PrintLimit(Budget::kMaxTotalBytes >> 20, " MiB");
  PrintLimit(Budget::kMaxRenderSteps, "");
  PrintLimit(Budget::kMaxTotalSteps, "");
  PrintLimit(rally::go_template::Value::kMaxDepth, "");
  return 0;
}
