"""Repository @installed_protos: the .proto files of others, taken from installed packages.

They are generated from, never copied into this project. Two of them are edited on the way:
containerd's carry gogoproto options that C++'s protoc refuses (the wire format is unchanged
without them), and Debian's REAPI file is older than the zstd fields that DESIGN.md lists.
"""

_CONTAINERD = "/usr/share/gocode/src/github.com/containerd/containerd"
_BAZEL = "/usr/src/bazel-bootstrap/third_party"

_STRIP_GOGO = [
    "-e",
    "/^import weak /d",
    "-e",
    "/^[[:space:]]*option \\((gogoproto|containerd\\.plugin)\\..*;$/d",
    "-e",
    "s/ *\\[\\(gogoproto\\.[^]]*\\]//",
]

CONTAINERD_FILES = [
    "api/types/descriptor.proto",
    "api/types/metrics.proto",
    "api/types/mount.proto",
    "api/types/platform.proto",
    "api/types/task/task.proto",
    "api/services/containers/v1/containers.proto",
    "api/services/content/v1/content.proto",
    "api/services/diff/v1/diff.proto",
    "api/services/images/v1/images.proto",
    "api/services/leases/v1/leases.proto",
    "api/services/namespaces/v1/namespace.proto",
    "api/services/snapshots/v1/snapshots.proto",
    "api/services/tasks/v1/tasks.proto",
    "api/services/version/v1/version.proto",
    "runtime/v2/runc/options/oci.proto",
]


def _run(repository_ctx, args):
    result = repository_ctx.execute(args)
    if result.return_code != 0:
        fail("%s: %s" % (" ".join([str(a) for a in args]), result.stderr))
    return result.stdout

def _insert_after(text, message, anchor, addition):
    """Puts addition after the first anchor that follows the start of message."""
    start = text.find(message)
    if start < 0:
        fail("the installed REAPI file has no '%s'" % message)
    at = text.find(anchor, start)
    if at < 0:
        fail("the installed REAPI file has no '%s' after '%s'" % (anchor, message))
    at += len(anchor)
    return text[:at] + addition + text[at:]

def _reapi(text):
    if "message Compressor" in text:
        return text
    text = text.replace("message BatchUpdateBlobsRequest {", """// Added to the installed file: how a blob is encoded on the wire.
message Compressor {
  enum Value {
    IDENTITY = 0;
    ZSTD = 1;
  }
}

message BatchUpdateBlobsRequest {""")
    text = _insert_after(text, "message BatchUpdateBlobsRequest {", "bytes data = 2;", "\n    Compressor.Value compressor = 3;")
    text = _insert_after(text, "message BatchReadBlobsRequest {", "repeated Digest digests = 2;", "\n  repeated Compressor.Value acceptable_compressors = 3;")
    text = _insert_after(text, "message BatchReadBlobsResponse {", "google.rpc.Status status = 3;", "\n    Compressor.Value compressor = 4;")
    text = _insert_after(text, "message CacheCapabilities {", "symlink_absolute_path_strategy = 5;", """
  repeated Compressor.Value supported_compressors = 6;
  repeated Compressor.Value supported_batch_update_compressors = 7;
  int64 max_cas_blob_size_bytes = 8;""")
    return text

def _system_protos_impl(repository_ctx):
    for path in CONTAINERD_FILES:
        text = _run(repository_ctx, ["sed", "-E"] + _STRIP_GOGO + [_CONTAINERD + "/" + path])
        repository_ctx.file("containerd/github.com/containerd/containerd/" + path, text, executable = False)
    reapi = "build/bazel/remote/execution/v2/remote_execution.proto"
    repository_ctx.file("reapi/" + reapi, _reapi(_run(repository_ctx, ["cat", _BAZEL + "/remoteapis/" + reapi])), executable = False)
    for path in ["build/bazel/semver/semver.proto"]:
        repository_ctx.file("reapi/" + path, _run(repository_ctx, ["cat", _BAZEL + "/remoteapis/" + path]), executable = False)
    for path in [
        "google/api/annotations.proto",
        "google/api/http.proto",
        "google/bytestream/bytestream.proto",
        "google/longrunning/operations.proto",
        "google/rpc/status.proto",
    ]:
        repository_ctx.file("reapi/" + path, _run(repository_ctx, ["cat", _BAZEL + "/googleapis/" + path]), executable = False)
    repository_ctx.file("BUILD.bazel", 'exports_files(glob(["**/*.proto"]))\n')

system_protos = repository_rule(
    implementation = _system_protos_impl,
    configure = True,
)
