#include "common/pipeline/pipeline_json.h"

#include <string>

#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

TEST(PipelineJsonTest, APipeline) {
  Parameters parameters;
  parameters.build = {{"ID", "7"}, {"Registry", "r.example"}};
  const ParseResult result = Parse(R"(
push = ["app:{{ .Build.ID }}"]
[[step]]
id = "b"
args = ["build", "-t", "app:{{ .Build.ID }}", "."]
workingDir = "app"
envs = ["B=1", "A=x=y"]
[[step]]
id = "a"
image = "curlimages/curl:8.1.0"
args = ["clone", "branch=x"]
entryPoint = "/bin/cat"
workDir = "/tmp"
secretEnvs = ["TOKEN"]
timeout = "1.5s"
exitedWith = [3, 1]
exitedWithout = [0]
rerun = "never"
[[secrets]]
akv = "https://corp.vault.azure.net/secrets/ci-token/0123abcd"
secretEnv = "TOKEN"
)",
                                   parameters);
  EXPECT_EQ(PipelineJson(result), R"({
  "conflict": "warn",
  "edges": [
    [
      "root",
      "b"
    ],
    [
      "b",
      "a"
    ]
  ],
  "ok": true,
  "order": [
    "b",
    "a"
  ],
  "push": [
    "r.example/app:7"
  ],
  "secrets": {
    "TOKEN": {
      "name": "ci-token",
      "vault": "https://corp.vault.azure.net",
      "version": "0123abcd"
    }
  },
  "stepTimeout_ns": 600000000000,
  "steps": {
    "a": {
      "args": [
        "clone",
        "branch=x"
      ],
      "command": {
        "args": [
          "clone",
          "branch=x"
        ],
        "entryPoint": "/bin/cat",
        "image": "docker.io/curlimages/curl:8.1.0"
      },
      "entryPoint": "/bin/cat",
      "envs": [],
      "exitedWith": [
        1,
        3
      ],
      "exitedWithout": [
        0
      ],
      "imageRef": "docker.io/curlimages/curl:8.1.0",
      "implicit": true,
      "rerun": "never",
      "secretEnvs": [
        "TOKEN"
      ],
      "timeout_ns": 1500000000,
      "verb": null,
      "whenAll": [
        "b"
      ],
      "workDir": "/tmp"
    },
    "b": {
      "args": [
        "build",
        "-t",
        "app:7",
        "."
      ],
      "command": {
        "args": [
          "build",
          "-t",
          "r.example/app:7",
          "."
        ],
        "entryPoint": "rally-builder",
        "image": "docker.io/rally/builder:latest"
      },
      "entryPoint": "",
      "envs": [
        "B=1",
        "A=x=y"
      ],
      "exitedWith": null,
      "exitedWithout": null,
      "imageRef": "docker.io/rally/builder:latest",
      "implicit": false,
      "rerun": "safe",
      "secretEnvs": [],
      "timeout_ns": 600000000000,
      "verb": "build",
      "verbArgs": [
        "-t",
        "app:7",
        "."
      ],
      "verbImage": "docker.io/rally/builder:latest",
      "whenAll": [],
      "workDir": "/workspace/app"
    }
  },
  "totalTimeout_ns": 3600000000000,
  "warnings": [
    "6:14: \"workingDir\" is taken as \"workDir\", the key's proper name"
  ]
}
)");
}

TEST(PipelineJsonTest, Errors) {
  Parameters parameters;
  parameters.values_files = {{"v.toml", "a ="}};
  EXPECT_EQ(PipelineJson(Parse("[[step]]\nimage = \"i\"\nworkingDir = \"x\"\n", parameters)), R"({
  "errors": [
    {
      "column": 1,
      "line": 1,
      "message": "[[step]] number 1 has no \"id\""
    },
    {
      "column": 4,
      "file": "v.toml",
      "line": 1,
      "message": "TOML syntax: key-value pair: encountered end-of-file"
    }
  ],
  "ok": false,
  "warnings": [
    "3:14: \"workingDir\" is taken as \"workDir\", the key's proper name"
  ]
}
)");
}

}  // namespace
}  // namespace rally::pipeline
