"""cc_library, cc_binary and cc_test with the warnings that Rally's own code is held to."""

COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-sign-compare",
    "-Wno-missing-field-initializers",
]

def rally_cc_library(name, **kwargs):
    native.cc_library(name = name, copts = COPTS + kwargs.pop("copts", []), **kwargs)

def rally_cc_binary(name, **kwargs):
    native.cc_binary(name = name, copts = COPTS + kwargs.pop("copts", []), **kwargs)

def rally_cc_test(name, deps = [], size = "small", **kwargs):
    native.cc_test(
        name = name,
        size = size,
        copts = COPTS + kwargs.pop("copts", []),
        deps = deps + ["@system//:gtest_main"],
        **kwargs
    )
