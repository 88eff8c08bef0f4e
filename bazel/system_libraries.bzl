"""Repository @system: the distribution's libraries as cc_library targets, found by pkg-config.

Headers come from /usr/include, which the compiler searches anyway, so a target is its link
flags, and the macros that its headers were compiled with. One target a library, so that a query can
tell what a pure target depends on.
"""

# Target name -> pkg-config modules.
_PKG_CONFIG = {
    "absl": [
        "absl_status",
        "absl_statusor",
        "absl_strings",
        "absl_str_format",
        "absl_synchronization",
        "absl_time",
        "absl_flat_hash_map",
        "absl_flat_hash_set",
        "absl_btree",
        "absl_hash",
        "absl_cleanup",
        "absl_random_random",
    ],
    "archive": ["libarchive"],
    "benchmark": ["benchmark"],
    "cli11": ["CLI11"],
    "crypto": ["libcrypto"],
    "glog": ["libglog"],
    "gmock": ["gmock"],
    "gtest_main": ["gmock_main", "gmock", "gtest"],
    "httplib": ["cpp-httplib"],
    "nlohmann_json": ["nlohmann_json"],
    "prometheus": ["prometheus-cpp-core"],
    "protobuf": ["protobuf"],
    "re2": ["re2"],
    "sqlite3": ["sqlite3"],
    "ssl": ["libssl", "libcrypto"],
    "systemd": ["libsystemd"],
    "zstd": ["libzstd"],
}

# Libraries that ship no .pc file, or are found when the program uses them (curl).
_PLAIN = {
    "curl": [],
    "grpc_reflection": ["-lgrpc++_reflection"],
    "toml11": [],
    "tomlplusplus": [],
}

# Libraries whose classes look otherwise without the macros of their .pc file. The others' macros say
# nothing on this platform.
_WITH_DEFINES = ["httplib"]

# What a program may have inside it, so that it starts without linking them: :static_archives.
_STATIC = [
    "libaddress_sorting.a",
    "libarchive.a",
    "libgpr.a",
    "libgrpc++.a",
    "libgrpc++_reflection.a",
    "libgrpc.a",
    "libprotobuf.a",
    "libre2.a",
    "libupb.a",
]

# What those need that stays shared. OpenSSL, as other shared libraries use it: one copy.
_SHARED_BELOW_STATIC = ["-lcares", "-lssl", "-lcrypto", "-lz"]

_INSTALL = "Run tests/install-packages to install what Rally builds with."

def _flags(repository_ctx, modules, kind = "--libs"):
    result = repository_ctx.execute(["pkg-config", kind] + modules)
    if result.return_code != 0:
        fail("pkg-config cannot find %s: %s\n%s" % (", ".join(modules), result.stderr, _INSTALL))
    flags = []
    for flag in result.stdout.strip().split(" "):
        if flag and (flag not in flags or not flag.startswith("-l")):
            flags.append(flag)
    return flags

def _system_libraries_impl(repository_ctx):
    lines = ['package(default_visibility = ["//visibility:public"])']
    targets = dict(_PLAIN)
    for name, modules in _PKG_CONFIG.items():
        targets[name] = _flags(repository_ctx, modules)

    # gRPC's own .pc lists Abseil's static closure; the shared library needs none of it.
    targets["grpc"] = ["-lgrpc++", "-lgrpc", "-lgpr"]
    for name in sorted(targets):
        defines = []
        if name in _WITH_DEFINES:
            flags = _flags(repository_ctx, _PKG_CONFIG[name], "--cflags")
            defines = [flag[2:] for flag in flags if flag.startswith("-D")]
        lines.append('cc_library(name = "%s", linkopts = %s, defines = %s)' %
                     (name, repr(targets[name]), repr(defines)))
    lines.append('filegroup(name = "static_archives", srcs = glob(["static/*.a"]))')
    _write_static(repository_ctx)
    repository_ctx.file("BUILD.bazel", "\n".join(lines) + "\n")

# A folder of archives without the shared libraries beside them: with it before the system's own
# folders, each -l that finds one there takes it. All or none: with a shared gRPC beside a static
# Abseil there would be two of the latter.
def _write_static(repository_ctx):
    found = repository_ctx.execute(["pkg-config", "--variable=libdir", "absl_base"])
    if found.return_code != 0 or not found.stdout.strip():
        fail("pkg-config cannot find absl_base.\n" + _INSTALL)
    folder = repository_ctx.path(found.stdout.strip())
    names = list(_STATIC)
    for path in folder.readdir():
        if path.basename.startswith("libabsl_") and path.basename.endswith(".a"):
            names.append(path.basename)
    flags = ["-Lexternal/system/static", "-Wl,--start-group"]
    for name in sorted(names):
        archive = folder.get_child(name)
        if not archive.exists:
            fail("There is no %s.\n%s" % (archive, _INSTALL))
        repository_ctx.symlink(archive, "static/" + name)
        flags.append("-l" + name[len("lib"):-len(".a")])
    flags += ["-Wl,--end-group"] + _SHARED_BELOW_STATIC
    repository_ctx.file("static.bzl", "STATIC_LINKOPTS = %s\n" % repr(flags))

system_libraries = repository_rule(
    implementation = _system_libraries_impl,
    configure = True,
    environ = ["PKG_CONFIG_PATH"],
)
