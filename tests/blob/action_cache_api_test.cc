// The Remote Execution API's ActionCache as any client sees it.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"

namespace rally::testing {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using blob::ToProto;
using grpc::StatusCode;
using ::testing::HasSubstr;

class ActionCacheApiTest : public RemoteApiTest {
 protected:
  // An action whose blobs are there.
  Digest PutAction(const std::string& name, bool do_not_cache = false) {
    reapi::Command command;
    command.add_arguments(name);
    reapi::Action action;
    *action.mutable_command_digest() = ToProto(Put(command.SerializeAsString()));
    action.set_do_not_cache(do_not_cache);
    return Put(action.SerializeAsString());
  }

  static void AddFile(reapi::ActionResult* result, const std::string& path, const Digest& digest) {
    reapi::OutputFile* const file = result->add_output_files();
    file->set_path(path);
    *file->mutable_digest() = ToProto(digest);
  }
  static void AddDirectory(reapi::ActionResult* result, const Digest& tree) {
    reapi::OutputDirectory* const directory = result->add_output_directories();
    directory->set_path("out");
    *directory->mutable_tree_digest() = ToProto(tree);
  }
  // As newer clients say it, in a field that the distribution's API file lacks.
  static void AddRootDirectory(reapi::ActionResult* result, const Digest& root) {
    reapi::OutputDirectory* const directory = result->add_output_directories();
    directory->GetReflection()->MutableUnknownFields(directory)->AddLengthDelimited(
        5, ToProto(root).SerializeAsString());
  }
  static reapi::Directory DirectoryWith(const std::string& name, const Digest& file) {
    reapi::Directory directory;
    directory.add_files()->set_name(name);
    *directory.mutable_files(0)->mutable_digest() = ToProto(file);
    return directory;
  }

  grpc::Status Update(const std::string& instance, const Digest& action,
                      const reapi::ActionResult& result) {
    Context context;
    reapi::UpdateActionResultRequest request;
    request.set_instance_name(instance);
    *request.mutable_action_digest() = ToProto(action);
    *request.mutable_action_result() = result;
    reapi::ActionResult answer;
    return action_cache_->UpdateActionResult(&context, request, &answer);
  }
  StatusCode Get(const std::string& instance, const Digest& action,
                 reapi::ActionResult* result = nullptr,
                 reapi::GetActionResultRequest request = {}) {
    Context context;
    request.set_instance_name(instance);
    *request.mutable_action_digest() = ToProto(action);
    reapi::ActionResult ignored;
    return action_cache_->GetActionResult(&context, request, result ? result : &ignored)
        .error_code();
  }

  // As if it had been evicted.
  void Lose(const Digest& digest) {
    ASSERT_TRUE(fs::remove(server_.directory() / "cas" / digest.hash.substr(0, 2) /
                           absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes)));
    server_.Restart();
    channel_ = server_.NewChannel();
    action_cache_ = reapi::ActionCache::NewStub(channel_);
  }
};

TEST_F(ActionCacheApiTest, HandsOutWhatItTookAlsoAfterARestart) {
  const Digest action = PutAction("compile");
  reapi::ActionResult result;
  AddFile(&result, "a.o", Put("object"));
  *result.mutable_stdout_digest() = ToProto(blob::EmptyBlobDigest());
  *result.mutable_stderr_digest() = ToProto(Put("warning"));
  result.set_exit_code(3);
  EXPECT_EQ(Get("", action), StatusCode::NOT_FOUND);
  ASSERT_EQ(Update("", action, result).error_code(), StatusCode::OK);
  for (int restarts = 0; restarts < 2; ++restarts) {
    reapi::ActionResult answer;
    ASSERT_EQ(Get("", action, &answer), StatusCode::OK);
    EXPECT_EQ(answer.SerializeAsString(), result.SerializeAsString());
    server_.Restart();
    channel_ = server_.NewChannel();
    action_cache_ = reapi::ActionCache::NewStub(channel_);
  }
  result.set_exit_code(0);
  ASSERT_EQ(Update("", action, result).error_code(), StatusCode::OK);
  reapi::ActionResult answer;
  ASSERT_EQ(Get("", action, &answer), StatusCode::OK);
  EXPECT_EQ(answer.exit_code(), 0) << "the later one counts";
}

TEST_F(ActionCacheApiTest, InstancesDoNotSeeEachOther) {
  const Digest action = PutAction("compile");
  reapi::ActionResult result;
  result.set_exit_code(1);
  ASSERT_EQ(Update("team/a", action, result).error_code(), StatusCode::OK);
  result.set_exit_code(2);
  ASSERT_EQ(Update("team/b", action, result).error_code(), StatusCode::OK);
  reapi::ActionResult answer;
  ASSERT_EQ(Get("team/a", action, &answer), StatusCode::OK);
  EXPECT_EQ(answer.exit_code(), 1);
  ASSERT_EQ(Get("team/b", action, &answer), StatusCode::OK);
  EXPECT_EQ(answer.exit_code(), 2);
  for (const std::string instance : {"", "team", "team/A", "team/a/x"}) {
    EXPECT_EQ(Get(instance, action), StatusCode::NOT_FOUND) << instance;
  }
}

TEST_F(ActionCacheApiTest, OnlyTheControllerWritesResultsOfSteps) {
  const Digest action = PutAction("step");
  reapi::ActionResult result;
  result.set_exit_code(7);
  for (const std::string instance : {"rally", "rally/x"}) {
    const grpc::Status status = Update(instance, action, result);
    EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED) << instance;
    EXPECT_THAT(status.error_message(), HasSubstr("another instance name"));
    EXPECT_EQ(Get(instance, action), StatusCode::NOT_FOUND);
  }
  EXPECT_EQ(Update("rallying", action, result).error_code(), StatusCode::OK);
  ASSERT_EQ(server_.services().action_cache().Put("rally", action, result), absl::OkStatus());
  reapi::ActionResult answer;
  ASSERT_EQ(Get("rally", action, &answer), StatusCode::OK);
  EXPECT_EQ(answer.exit_code(), 7);
}

TEST_F(ActionCacheApiTest, MalformedCallsAreRefused) {
  const Digest action = PutAction("compile");
  for (const Digest& bad : {Digest{"", 0}, Digest{"../../etc/passwd", 1},
                            Digest{std::string(64, 'A'), 1}, Digest{action.hash, -1}}) {
    EXPECT_EQ(Get("", bad), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(Update("", bad, {}).error_code(), StatusCode::INVALID_ARGUMENT);
  }
  for (const std::string instance : {"blobs", "a/actions", "/", "a//b"}) {
    EXPECT_EQ(Get(instance, action), StatusCode::INVALID_ARGUMENT) << instance;
    EXPECT_EQ(Update(instance, action, {}).error_code(), StatusCode::INVALID_ARGUMENT) << instance;
  }
  reapi::GetActionResultRequest get;
  SetDigestFunction(&get, 6, kBlake3Function);
  EXPECT_EQ(Get("", action, nullptr, get), StatusCode::INVALID_ARGUMENT);
  reapi::UpdateActionResultRequest update;
  *update.mutable_action_digest() = ToProto(action);
  SetDigestFunction(&update, 5, kBlake3Function);
  Context context;
  reapi::ActionResult answer;
  EXPECT_EQ(action_cache_->UpdateActionResult(&context, update, &answer).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(ActionCacheApiTest, ActionAndCommandHaveToBeThere) {
  reapi::Action action;
  *action.mutable_command_digest() = ToProto(DigestOf("the command, never uploaded"));
  const Digest no_action = DigestOf("never uploaded");
  const Digest no_command = Put(action.SerializeAsString());
  EXPECT_EQ(Update("", no_action, {}).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Update("", no_command, {}).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Update("", Put("\xff not an action"), {}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Update("", PutAction("x", /*do_not_cache=*/true), {}).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(ActionCacheApiTest, ReferencesAreCheckedWhenAResultComes) {
  const Digest action = PutAction("compile");
  const Digest gone = DigestOf("gone");
  const Digest here = Put("here");
  reapi::Tree missing_file, missing_deep, whole;
  *missing_file.mutable_root() = DirectoryWith("f", gone);
  *missing_deep.mutable_root() = DirectoryWith("f", here);
  *missing_deep.add_children() = DirectoryWith("g", here);
  *missing_deep.add_children() = DirectoryWith("h", gone);
  *whole.mutable_root() = DirectoryWith("f", here);
  *whole.add_children() = DirectoryWith("e", blob::EmptyBlobDigest());
  reapi::Directory parent;
  parent.add_directories()->set_name("d");
  *parent.mutable_directories(0)->mutable_digest() =
      ToProto(Put(DirectoryWith("f", gone).SerializeAsString()));

  struct Case {
    std::string what;
    StatusCode code;
    std::function<void(reapi::ActionResult*)> fill;
  };
  const auto malformed = [](reapi::Digest* digest) { digest->set_hash("../x"); };
  for (const Case& c : std::vector<Case>{
           {"nothing", StatusCode::OK, [](auto*) {}},
           {"file", StatusCode::OK, [&](auto* r) { AddFile(r, "f", here); }},
           {"empty file", StatusCode::OK,
            [&](auto* r) { AddFile(r, "f", blob::EmptyBlobDigest()); }},
           {"missing file", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddFile(r, "f", gone); }},
           {"file of another size", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) {
              AddFile(r, "f", Digest{here.hash, 5});
            }},
           {"malformed file", StatusCode::INVALID_ARGUMENT,
            [&](auto* r) { malformed(r->add_output_files()->mutable_digest()); }},
           {"file without a digest", StatusCode::INVALID_ARGUMENT,
            [&](auto* r) { r->add_output_files()->set_path("f"); }},
           {"missing stdout", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { *r->mutable_stdout_digest() = ToProto(gone); }},
           {"missing stderr", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { *r->mutable_stderr_digest() = ToProto(gone); }},
           {"malformed stderr", StatusCode::INVALID_ARGUMENT,
            [&](auto* r) { malformed(r->mutable_stderr_digest()); }},
           {"tree", StatusCode::OK,
            [&](auto* r) { AddDirectory(r, Put(whole.SerializeAsString())); }},
           {"missing tree", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddDirectory(r, gone); }},
           {"tree with a missing file", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddDirectory(r, Put(missing_file.SerializeAsString())); }},
           {"tree with a missing file deep within", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddDirectory(r, Put(missing_deep.SerializeAsString())); }},
           {"no tree", StatusCode::INVALID_ARGUMENT,
            [&](auto* r) { AddDirectory(r, Put("\xff no tree")); }},
           {"no digest of a tree", StatusCode::INVALID_ARGUMENT,
            [&](auto* r) { r->add_output_directories()->set_path("d"); }},
           {"directory", StatusCode::OK,
            [&](auto* r) {
              AddRootDirectory(r, Put(DirectoryWith("f", here).SerializeAsString()));
            }},
           {"missing directory", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddRootDirectory(r, gone); }},
           {"directory with a missing file below", StatusCode::FAILED_PRECONDITION,
            [&](auto* r) { AddRootDirectory(r, Put(parent.SerializeAsString())); }},
       }) {
    reapi::ActionResult result;
    c.fill(&result);
    const grpc::Status status = Update(c.what, action, result);
    EXPECT_EQ(status.error_code(), c.code) << c.what << ": " << status.error_message();
    if (c.code == StatusCode::FAILED_PRECONDITION) {
      EXPECT_THAT(status.error_message(), HasSubstr("not in the store")) << c.what;
    }
    const bool stored = c.code == StatusCode::OK;
    EXPECT_EQ(Get(c.what, action), stored ? StatusCode::OK : StatusCode::NOT_FOUND) << c.what;
  }
}

TEST_F(ActionCacheApiTest, ATreeHasToHaveAllItsDirectories) {
  const Digest action = PutAction("compile");
  const auto refer = [](const std::string& name, const Digest& to, reapi::Directory* from) {
    reapi::DirectoryNode* const node = from->add_directories();
    node->set_name(name);
    *node->mutable_digest() = ToProto(to);
  };
  const reapi::Directory leaf = DirectoryWith("f", Put("here"));
  const Digest leaf_digest = DigestOf(leaf.SerializeAsString());
  reapi::Directory middle;
  refer("leaf", leaf_digest, &middle);
  reapi::Tree tree;
  refer("middle", DigestOf(middle.SerializeAsString()), tree.mutable_root());

  const auto update = [&](const std::string& tree_bytes) {
    reapi::ActionResult result;
    AddDirectory(&result, Put(tree_bytes));
    return Update("", action, result);
  };
  grpc::Status status = update(tree.SerializeAsString());
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("lacks directory 'middle'"));
  *tree.add_children() = middle;
  // That it is a blob of its own doesn't help those who read the tree.
  Put(leaf.SerializeAsString());
  status = update(tree.SerializeAsString());
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("lacks directory 'leaf'"));
  EXPECT_EQ(Get("", action), StatusCode::NOT_FOUND);
  // One from before this was checked.
  reapi::ActionResult old;
  AddDirectory(&old, DigestOf(tree.SerializeAsString()));
  ASSERT_EQ(server_.results().Put("", action, old.SerializeAsString()), absl::OkStatus());
  EXPECT_EQ(Get("", action), StatusCode::NOT_FOUND);

  *tree.add_children() = leaf;
  EXPECT_EQ(update(tree.SerializeAsString()).error_code(), StatusCode::OK);
  EXPECT_EQ(Get("", action), StatusCode::OK);
  reapi::Tree malformed = tree;
  malformed.mutable_root()->mutable_directories(0)->mutable_digest()->set_hash("x");
  EXPECT_EQ(update(malformed.SerializeAsString()).error_code(), StatusCode::INVALID_ARGUMENT);

  // Its bytes count as they came: here the digest comes before the name, as no library writes it.
  const std::string node = ToProto(leaf_digest).SerializeAsString();
  const std::string reversed = absl::StrCat("\x12", std::string(1, node.size()), node, "\x0a\x01x");
  const std::string odd = absl::StrCat("\x12", std::string(1, reversed.size()), reversed);
  reapi::Tree upper;
  refer("odd", DigestOf(odd), upper.mutable_root());
  *upper.add_children() = leaf;
  EXPECT_EQ(update(absl::StrCat(upper.SerializeAsString(), "\x12", std::string(1, odd.size()), odd))
                .error_code(),
            StatusCode::OK);
}

TEST_F(ActionCacheApiTest, ResultIsAMissWhileABlobOfItIsGone) {
  const Digest file = Put("file of the tree");
  const Digest output = Put("output");
  reapi::Tree tree;
  *tree.mutable_root() = DirectoryWith("f", file);
  const Digest tree_digest = Put(tree.SerializeAsString());
  const Digest action = PutAction("compile");
  reapi::ActionResult result;
  AddFile(&result, "o", output);
  AddDirectory(&result, tree_digest);
  ASSERT_EQ(Update("", action, result).error_code(), StatusCode::OK);
  for (const Digest& lost : {output, file, tree_digest}) {
    const std::string bytes = server_.store().ReadAll(lost).value();
    Lose(lost);
    EXPECT_EQ(Get("", action), StatusCode::NOT_FOUND);
    Put(bytes);
    EXPECT_EQ(Get("", action), StatusCode::OK) << "all is there again";
  }
}

TEST_F(ActionCacheApiTest, ContentsWithinAResultBecomeBlobs) {
  const Digest action = PutAction("compile");
  reapi::ActionResult result;
  AddFile(&result, "o", DigestOf("within"));
  result.mutable_output_files(0)->set_contents("without");
  EXPECT_EQ(Update("", action, result).error_code(), StatusCode::INVALID_ARGUMENT);
  result.mutable_output_files(0)->set_contents("within");
  result.set_stdout_raw("said");
  result.set_stderr_raw("warned");
  ASSERT_EQ(Update("", action, result).error_code(), StatusCode::OK);
  EXPECT_EQ(server_.store().ReadAll(DigestOf("within")).value(), "within");

  reapi::ActionResult answer;
  ASSERT_EQ(Get("", action, &answer), StatusCode::OK);
  EXPECT_EQ(answer.output_files(0).contents(), "");
  EXPECT_EQ(answer.stdout_raw(), "");
  EXPECT_EQ(answer.stdout_digest().hash(), DigestOf("said").hash);
  EXPECT_EQ(answer.stderr_digest().hash(), DigestOf("warned").hash);

  reapi::GetActionResultRequest inlined;
  inlined.set_inline_stdout(true);
  inlined.set_inline_stderr(true);
  inlined.add_inline_output_files("o");
  ASSERT_EQ(Get("", action, &answer, inlined), StatusCode::OK);
  EXPECT_EQ(answer.stdout_raw(), "said");
  EXPECT_EQ(answer.stderr_raw(), "warned");
  EXPECT_EQ(answer.output_files(0).contents(), "within");
}

TEST_F(ActionCacheApiTest, LargeOutputsAreNotInlined) {
  const Digest action = PutAction("compile");
  reapi::ActionResult result;
  *result.mutable_stdout_digest() = ToProto(Put(std::string(600'000, 'o')));
  *result.mutable_stderr_digest() = ToProto(Put(std::string(400'000, 'e')));
  ASSERT_EQ(Update("", action, result).error_code(), StatusCode::OK);
  reapi::GetActionResultRequest inlined;
  inlined.set_inline_stdout(true);
  inlined.set_inline_stderr(true);
  reapi::ActionResult answer;
  ASSERT_EQ(Get("", action, &answer, inlined), StatusCode::OK);
  EXPECT_EQ(answer.stdout_raw().size(), 0u);
  EXPECT_EQ(answer.stderr_raw().size(), 400'000u);
}

TEST_F(ActionCacheApiTest, ResultThatNoClientCouldReceiveIsRefused) {
  const Digest action = PutAction("compile");
  const Digest here = Put("here");
  reapi::ActionResult result;
  for (int i = 0; i < 40'000; ++i) AddFile(&result, absl::StrCat("file", i), here);
  ASSERT_GT(result.ByteSizeLong(), 3u << 20);
  EXPECT_EQ(Update("", action, result).error_code(), StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace rally::testing
