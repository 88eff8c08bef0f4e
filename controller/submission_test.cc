#include "controller/submission.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "common/blob/tree.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2024, 3, 9, 4, 5, 6), absl::UTCTimeZone());

class SubmissionTest : public ::testing::Test {
 protected:
  static v1::SubmitRequest Request(const std::string& steps) {
    v1::SubmitRequest request;
    request.set_idempotency_key("key");
    request.set_pipeline(steps);
    return request;
  }
  static v1::SubmitRequest OneStep(const std::string& more = "") {
    return Request("[[step]]\nid = \"s\"\nimage = \"busybox\"\n" + more);
  }

  absl::StatusOr<core::BuildSubmitted> Check(const v1::SubmitRequest& request) {
    return CheckSubmission(request, options_, kNow, [this](const blob::Digest& root) {
      return blob::FindMissingInTree(store_, reader_, root);
    });
  }

  pipeline::ParseOptions options_;
  blob::MemoryBlobStore store_;
  blob::CachingDirectoryReader reader_{&store_, 1 << 20};
};

TEST_F(SubmissionTest, StepsComeWithTheirConditionsAndClasses) {
  auto event =
      Check(Request("conflict = \"error\"\n"
                    "[[step]]\nid = \"a\"\nimage = \"busybox\"\nrerun = \"never\"\n"
                    "[[step]]\nid = \"b\"\nimage = \"busybox\"\nexitedWith = [3, 1, 3]\n"
                    "exitedWithout = [0]\nrerun = \"exclusive\"\n"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_TRUE(event->fail_on_conflict);
  EXPECT_FALSE(event->fail_fast);
  ASSERT_EQ(event->steps.size(), 2u);
  EXPECT_EQ(event->steps[0].rerun, core::Rerun::kNever);
  EXPECT_THAT(event->steps[0].exited_with, ElementsAre());
  EXPECT_EQ(event->steps[0].spec.image, "docker.io/library/busybox:latest");
  EXPECT_EQ(event->steps[1].rerun, core::Rerun::kExclusive);
  EXPECT_THAT(event->steps[1].exited_with, ElementsAre(1, 3));
  EXPECT_THAT(event->steps[1].exited_without, ElementsAre(0));
}

TEST_F(SubmissionTest, AVerbBecomesItsImageAndCommand) {
  auto event = Check(Request("[[step]]\nid = \"say\"\nargs = [\"echo\", \"hello\"]\n"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->steps[0].spec.image, "docker.io/library/busybox:latest");
  EXPECT_EQ(event->steps[0].spec.entry_point, "echo");
  EXPECT_THAT(event->steps[0].spec.args, ElementsAre("hello"));
}

TEST_F(SubmissionTest, TemplatesSeeTheBuildsIdAndTheTimeOfTheSubmission) {
  v1::SubmitRequest request = OneStep(
      "args = ['{{ .Build.ID }}', '{{ .Build.Date }}', '{{ .Build.Branch }}', "
      "'{{ .Values.a.b }}', '{{ .Values.c }}']\n");
  (*request.mutable_build_parameters())["Branch"] = "main";
  v1::ValuesFile* file = request.add_values_files();
  file->set_name("values.toml");
  file->set_text("c = 1\n[a]\nb = \"file\"\n");
  request.add_set("a.b=set");
  auto event = Check(request);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->steps[0].spec.args,
              ElementsAre(event->build_id, "20240309-040506z", "main", "set", "1"));
  (*request.mutable_build_parameters())["Date"] = "yesterday";
  event = Check(request);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->steps[0].spec.args[1], "yesterday");
}

TEST_F(SubmissionTest, TheIdIsNotForClientsToChoose) {
  v1::SubmitRequest request = OneStep();
  (*request.mutable_build_parameters())["ID"] = "mine";
  const absl::Status status = Check(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"ID\" is given by the controller"));
}

TEST_F(SubmissionTest, ErrorsOfValuesNameTheirFile) {
  v1::SubmitRequest request = OneStep();
  v1::ValuesFile* file = request.add_values_files();
  file->set_name("prod.toml");
  file->set_text("a = 1\nb = \n");
  const absl::Status status = Check(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("prod.toml:2:"));
}

TEST_F(SubmissionTest, EveryInputMakesAnotherContent) {
  const std::vector<std::function<void(v1::SubmitRequest&)>> changes = {
      [](auto&) {},
      [](auto& r) { r.set_pipeline(r.pipeline() + "\n"); },
      [](auto& r) { (*r.mutable_labels())["a"] = "b"; },
      [](auto& r) { r.add_values_files()->set_text("a = 1"); },
      [](auto& r) {
        r.add_values_files()->set_text("a = 1");
        r.add_values_files()->set_text("b = 1");
      },
      [](auto& r) {
        r.add_values_files()->set_text("b = 1");
        r.add_values_files()->set_text("a = 1");
      },
      [](auto& r) { r.add_set("a=1"); },
      [](auto& r) { r.add_set("a=2"); },
      [](auto& r) {
        r.add_set("a=1");
        r.add_set("b=1");
      },
      [](auto& r) { (*r.mutable_build_parameters())["Branch"] = "x"; },
      [](auto& r) { (*r.mutable_build_parameters())["Tag"] = "x"; },
      [](auto& r) { r.set_fail_fast(true); },
  };
  std::set<std::string> hashes;
  for (const auto& change : changes) {
    v1::SubmitRequest request = OneStep();
    change(request);
    auto first = Check(request);
    ASSERT_TRUE(first.ok()) << first.status();
    auto again = Check(request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(first->content_hash, again->content_hash) << "though its id is another";
    EXPECT_NE(first->build_id, again->build_id);
    hashes.insert(first->content_hash);
  }
  EXPECT_EQ(hashes.size(), changes.size());
}

TEST_F(SubmissionTest, FailFastIsTheSubmittersChoice) {
  v1::SubmitRequest request = OneStep();
  request.set_fail_fast(true);
  auto event = Check(request);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_TRUE(event->fail_fast);
}

TEST_F(SubmissionTest, WhatTheControllerCannotDoIsRefusedAndNamed) {
  absl::Status status =
      Check(OneStep(
                "secretEnvs = [\"TOKEN\"]\n[[secrets]]\nakv = \"vault\"\nsecretEnv = \"TOKEN\"\n"))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"s\""), HasSubstr("TOKEN"), HasSubstr("no provider of secrets")));
  v1::SubmitRequest request = OneStep();
  request.set_pipeline("push = [\"reg.example/app:1\"]\n" + request.pipeline());
  status = Check(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("reg.example/app:1"), HasSubstr("can't push")));
}

TEST_F(SubmissionTest, ParametersHaveBounds) {
  const std::vector<std::function<void(v1::SubmitRequest&)>> too_much = {
      [](auto& r) {
        for (int i = 0; i < 65; ++i) r.add_values_files();
      },
      [](auto& r) { r.add_values_files()->set_text(std::string((1 << 20) + 1, '#')); },
      [](auto& r) {
        for (int i = 0; i < 4097; ++i) r.add_set("a=1");
      },
      [](auto& r) { (*r.mutable_build_parameters())["Branch"] = std::string(4097, 'x'); },
      [](auto& r) { (*r.mutable_build_parameters())[""] = "x"; },
      [](auto& r) {
        for (int i = 0; i < 65; ++i) (*r.mutable_build_parameters())["P" + std::to_string(i)] = "";
      },
  };
  for (size_t i = 0; i < too_much.size(); ++i) {
    v1::SubmitRequest request = OneStep();
    too_much[i](request);
    EXPECT_EQ(Check(request).status().code(), absl::StatusCode::kInvalidArgument) << i;
  }
}

}  // namespace
}  // namespace rally::controller
