"""Generates and compiles C++ stubs with the distribution's protoc and gRPC plugin."""

def cc_grpc_stubs(name, root, protos, repository = "", grpc = True, deps = [], visibility = None):
    """A cc_library of the stubs of some .proto files.

    Args:
      name: of the library.
      root: the folder, within the repository's package, that import paths start from.
      protos: the files, as import paths below root; all that they import must be here too,
        or in the distribution's own include folder.
      repository: the label prefix of the package that holds them ("@repo//", or "" for this package).
      grpc: whether services get stubs.
      deps: other stub libraries.
      visibility: as everywhere.
    """
    prefix = root + "/" if root else ""
    srcs = [(repository + ":" + prefix + p) if repository else prefix + p for p in protos]
    kinds = [".pb"] + ([".grpc.pb"] if grpc else [])
    outs = []
    for p in protos:
        for kind in kinds:
            outs += ["%s_gen/%s%s.%s" % (name, p[:-len(".proto")], kind, ext) for ext in ["h", "cc"]]
    first = "$(location %s)" % srcs[0]
    plugin = "--grpc_out=$$out --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin" if grpc else ""
    native.genrule(
        name = name + "_protoc",
        srcs = srcs,
        outs = outs,
        cmd = "first=%s; root=$${first%%/%s}; out=$(RULEDIR)/%s_gen; mkdir -p $$out; " % (first, protos[0], name) +
              "/usr/bin/protoc -I $$root --cpp_out=$$out %s %s" % (plugin, " ".join(["$$root/" + p for p in protos])),
        message = "Generating stubs",
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = [o for o in outs if o.endswith(".cc")],
        hdrs = [o for o in outs if o.endswith(".h")],
        # Generated code is big and never hot: the cheap optimisations, and none of our warnings.
        copts = ["-O1", "-w", "-g0"],
        strip_include_prefix = name + "_gen",
        visibility = visibility,
        deps = deps + ["@system//:protobuf"] + (["@system//:grpc"] if grpc else []),
    )
