#!/usr/bin/env python3
"""Pure code stays pure: no I/O, clock, thread, gRPC, protobuf or glog in the folders below, neither
in their sources nor among what their targets depend on. And the dependency rules of the folders
hold: common knows neither side, controller and agent don't know each other."""

import os
import re
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

PURE_FOLDERS = ["common/pipeline", "controller/core", "agent/core"]

# What a pure source may not mention, and what that would bring in.
FORBIDDEN_SOURCE = {
    r'#include\s+[<"](grpcpp|grpc)/': "gRPC",
    r'#include\s+[<"]google/protobuf|\.pb\.h"': "protobuf",
    r"#include\s+<glog/|#include\s+\"glog/": "glog",
    r'#include\s+"absl/time/clock\.h"|absl::Now\(|absl::SleepFor|_clock::now|clock_gettime\(': "a clock",
    r"#include\s+<(thread|mutex|condition_variable|future)>|absl/synchronization": "threads",
    r"#include\s+<(fstream|filesystem|unistd\.h|sys/[a-z]+\.h|fcntl\.h)>": "I/O",
    r"std::random_device|absl/random": "randomness",
}

FORBIDDEN_DEPENDENCIES = ["grpc", "protobuf", "glog", "sqlite3", "curl", "systemd"]

# folder -> folders that its files may not include.
FORBIDDEN_INCLUDES = {
    "common": ["controller", "agent", "rallyctl"],
    "controller": ["agent", "rallyctl"],
    "agent": ["controller", "rallyctl"],
    "controller/core": ["controller/(?!core/)", "agent", "rallyctl", "common/(?!pipeline/)"],
    "common/pipeline": ["common/(?!pipeline/)", "controller", "agent"],
    "agent/core": ["agent/(?!core/)", "controller", "common/(?!pipeline/)"],
}


def sources(folder, tests=False):
    for directory, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in sorted(names):
            if name.endswith((".h", ".cc")) and (tests or not name.endswith("_test.cc")):
                yield os.path.relpath(os.path.join(directory, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class PurityTest(unittest.TestCase):
    def test_pure_sources_mention_nothing_impure(self):
        for folder in PURE_FOLDERS:
            found = list(sources(folder))
            self.assertTrue(found, f"{folder} has no sources; is this test looking at the right place?")
            for path in found:
                text = read(path)
                for pattern, what in FORBIDDEN_SOURCE.items():
                    match = re.search(pattern, text)
                    self.assertIsNone(match, f"{path} brings in {what}: {match and match.group(0)}")

    def test_pure_targets_depend_on_nothing_impure(self):
        with open(os.environ["PURE_DEPENDENCIES"], encoding="utf-8") as file:
            dependencies = file.read().split()
        self.assertGreater(len(dependencies), 10)
        for dependency in dependencies:
            for name in FORBIDDEN_DEPENDENCIES:
                self.assertFalse(dependency == f"@system//:{name}", f"a pure target depends on {name}")

    def test_folders_include_only_what_they_may(self):
        for folder, forbidden in FORBIDDEN_INCLUDES.items():
            for path in sources(folder, tests=False):
                for included in re.findall(r'#include\s+"([^"]+)"', read(path)):
                    for prefix in forbidden:
                        self.assertIsNone(
                            re.match(prefix if prefix.endswith(")") else prefix + "/", included),
                            f"{path} includes {included}",
                        )

    def test_only_the_parser_sees_the_toml_library(self):
        seen = [p for f in ["common", "controller", "agent", "rallyctl"] for p in sources(f)
                if re.search(r"#include\s+[<\"]toml", read(p))]
        self.assertLessEqual(len(seen), 1, f"the TOML library is included by {seen}")
        for path in seen:
            self.assertTrue(path.startswith("common/pipeline/"), path)

    def test_only_the_runtime_sees_containerd(self):
        for folder in ["common", "controller", "agent", "rallyctl"]:
            for path in sources(folder):
                if "github.com/containerd" in read(path):
                    self.assertTrue(path.startswith("agent/runtime/"), path)

    def test_tests_do_not_sleep(self):
        for folder in ["common", "controller", "agent", "rallyctl", "tests"]:
            for path in sources(folder, tests=True):
                if not path.endswith("_test.cc"):
                    continue
                match = re.search(r"sleep_for|SleepFor|usleep\(|[^a-z_]sleep\(", read(path))
                self.assertIsNone(match, f"{path} sleeps")

    def test_names_say_what_a_thing_is(self):
        for directory, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith((".", "bazel-"))]
            for name in names:
                self.assertIsNone(
                    re.search(r"(^|_)(util|utils|helper|helpers|manager|misc|base)\.(h|cc)$", name),
                    f"{directory}/{name}",
                )


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
