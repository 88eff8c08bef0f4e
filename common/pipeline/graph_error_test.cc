// Every error about how steps wait for each other, and on which condition: its line, column and
// text.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/error_case.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Graph, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"unknown_step",
                  InThirdStep("whenAll = [\"a\", \"nope\"]"),
                  {"10:17: step \"c\" waits for \"nope\", which is not a step"}},
        ErrorCase{"typo",
                  "[[step]]\nid = \"compile\"\nimage = \"i\"\n[[step]]\nid = \"t\"\n"
                  "image = \"i\"\nwhenAll = [\"complie\"]\n",
                  {"7:12: step \"t\" waits for \"complie\", which is not a step; did you mean "
                   "\"compile\"?"}},
        ErrorCase{"never_itself",
                  "[[step]]\nid = \"build\"\nimage = \"i\"\n[[step]]\nid = \"test2\"\n"
                  "image = \"i\"\nwhenAll = [\"test1\"]\n",
                  {"7:12: step \"test2\" waits for \"test1\", which is not a step"}},
        ErrorCase{"misspelt_id_is_no_unknown_step",
                  "[[step]]\nId = \"compile\"\nimage = \"i\"\n[[step]]\nid = \"t\"\n"
                  "image = \"i\"\nwhenAll = [\"compile\", \"nope\"]\n",
                  {"1:1: [[step]] number 1 has no \"id\"",
                   "2:6: unknown key \"Id\" in [[step]]; did you mean \"id\"?",
                   "7:23: step \"t\" waits for \"nope\", which is not a step"}},
        ErrorCase{"root",
                  InThirdStep("whenAll = [\"root\"]"),
                  {"10:12: step \"c\" waits for \"root\", which is not a step; did you mean "
                   "\"-\"?"}},
        ErrorCase{"self", InThirdStep("whenAll = [\"c\"]"), {"10:12: step \"c\" waits for itself"}},
        ErrorCase{"dup_dep",
                  InThirdStep("whenAll = [\"a\", \"b\", \"a\", \"a\"]"),
                  {"10:22: step \"c\" waits for \"a\" twice"}},
        ErrorCase{"mixed",
                  InThirdStep("whenAll = [\"a\", \"-\"]"),
                  {"10:17: whenAll of step \"c\" mixes \"-\" with other entries"}},
        ErrorCase{"dash_twice",
                  InThirdStep("whenAll = [\"-\", \"-\"]"),
                  {"10:12: whenAll of step \"c\" mixes \"-\" with other entries"}},
        ErrorCase{"cycle_of_two",
                  InStep("whenAll = [\"b\"]\n[[step]]\nid = \"b\"\nimage = \"i\""),
                  {"4:12: steps wait for each other in a cycle: a -> b -> a (without whenAll, so "
                   "waiting for the step before: b)"}},
        ErrorCase{"ring_of_four",
                  "[[step]]\nid = \"n\"\nimage = \"i\"\nwhenAll = [\"w\"]\n"
                  "[[step]]\nid = \"e\"\nimage = \"i\"\n[[step]]\nid = \"s\"\nimage = \"i\"\n"
                  "[[step]]\nid = \"w\"\nimage = \"i\"\n",
                  {"4:12: steps wait for each other in a cycle: n -> w -> s -> e -> n (without "
                   "whenAll, so waiting for the step before: w, s, e)"}},
        ErrorCase{"two_cycles",
                  "step = [\n{id=\"a\",image=\"i\",whenAll=[\"b\"]},\n"
                  "{id=\"b\",image=\"i\",whenAll=[\"a\"]},\n"
                  "{id=\"c\",image=\"i\",whenAll=[\"d\"]},\n"
                  "{id=\"d\",image=\"i\",whenAll=[\"c\"]},\n"
                  "{id=\"e\",image=\"i\",whenAll=[\"a\",\"c\"]}]",
                  {"2:28: steps wait for each other in a cycle: a -> b -> a",
                   "4:28: steps wait for each other in a cycle: c -> d -> c"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Conditions, ParseErrorTest,
    ::testing::Values(
        ErrorCase{"empty",
                  InThirdStep("exitedWith = []\nexitedWithout = []"),
                  {"10:14: exitedWith is empty", "11:17: exitedWithout is empty"}},
        ErrorCase{"no_exit_code",
                  InThirdStep("exitedWith = [256, 255]\nexitedWithout = [0, 300, -1]"),
                  {"10:15: exitedWith: 256 is not an exit code (0-255)",
                   "11:21: exitedWithout: 300 is not an exit code (0-255)",
                   "11:26: exitedWithout: -1 is not an exit code (0-255)"}},
        ErrorCase{"beyond_int64",
                  InThirdStep("exitedWith = [9223372036854775807]"),
                  {"10:15: exitedWith: 9223372036854775807 is not an exit code (0-255)"}},
        ErrorCase{"no_integer",
                  InThirdStep("exitedWith = [1, \"2\", 300]"),
                  {"10:18: \"exitedWith\" must be an array of integers, but exitedWith[1] is a "
                   "string",
                   "10:23: exitedWith: 300 is not an exit code (0-255)"}},
        ErrorCase{"type",
                  InThirdStep("exitedWith = 1"),
                  {"10:14: \"exitedWith\" must be an array of integers, not an integer"}},
        ErrorCase{"never",
                  InThirdStep("exitedWith = [2, 1, 2]\nexitedWithout = [0, 1, 2]"),
                  {"11:17: step \"c\" can never run: exitedWithout covers all of exitedWith"}},
        ErrorCase{"never_equal",
                  InThirdStep("exitedWithout = [7]\nexitedWith = [7, 7]"),
                  {"10:17: step \"c\" can never run: exitedWithout covers all of exitedWith"}}),
    NameOf);

}  // namespace
}  // namespace rally::pipeline
