// GetTree as any client of the Remote Execution API sees it.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"

namespace rally::testing {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
using blob::Digest;
using blob::DigestOf;
using blob::ToProto;
using grpc::StatusCode;
using ::testing::IsEmpty;

class TreeApiTest : public RemoteApiTest {
 protected:
  struct Answer {
    StatusCode code;
    std::vector<reapi::GetTreeResponse> pages;

    std::vector<Digest> directories() const {
      std::vector<Digest> digests;
      for (const reapi::GetTreeResponse& page : pages) {
        for (const reapi::Directory& directory : page.directories()) {
          digests.push_back(DigestOf(directory.SerializeAsString()));
        }
      }
      return digests;
    }
  };

  Answer GetTree(const reapi::GetTreeRequest& request) {
    Context context;
    const auto reader = cas_->GetTree(&context, request);
    Answer answer;
    reapi::GetTreeResponse page;
    while (reader->Read(&page)) answer.pages.push_back(page);
    answer.code = reader->Finish().error_code();
    return answer;
  }
  Answer GetTree(const Digest& root, int page_size = 0, const std::string& token = "") {
    reapi::GetTreeRequest request;
    *request.mutable_root_digest() = ToProto(root);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return GetTree(request);
  }

  Digest PutDirectory(const reapi::Directory& directory) {
    return Put(directory.SerializeAsString());
  }
  static void AddChild(reapi::Directory* parent, const std::string& name, const Digest& digest) {
    reapi::DirectoryNode* const node = parent->add_directories();
    node->set_name(name);
    *node->mutable_digest() = ToProto(digest);
  }
  static reapi::Directory WithFile(const std::string& name) {
    reapi::Directory directory;
    directory.add_files()->set_name(name);
    *directory.mutable_files(0)->mutable_digest() = ToProto(DigestOf(name));
    return directory;
  }
  // A root with `count` children, each of about `bytes`.
  Digest PutWideTree(int count, size_t bytes) {
    reapi::Directory root;
    for (int i = 0; i < count; ++i) {
      AddChild(&root, absl::StrCat("d", i),
               PutDirectory(WithFile(absl::StrCat(i, std::string(bytes, 'n')))));
    }
    return PutDirectory(root);
  }
};

TEST_F(TreeApiTest, ReturnsEachDirectoryOnceRootFirst) {
  const Digest shared = PutDirectory(WithFile("shared"));
  reapi::Directory left, right, root;
  AddChild(&left, "s", shared);
  AddChild(&right, "s", shared);
  AddChild(&right, "t", shared);
  AddChild(&root, "left", PutDirectory(left));
  AddChild(&root, "right", PutDirectory(right));
  const Digest root_digest = PutDirectory(root);
  const Answer answer = GetTree(root_digest);
  EXPECT_EQ(answer.code, StatusCode::OK);
  ASSERT_EQ(answer.pages.size(), 1u);
  EXPECT_EQ(answer.pages[0].next_page_token(), "");
  EXPECT_EQ(answer.directories(),
            (std::vector<Digest>{root_digest, DigestOf(left.SerializeAsString()),
                                 DigestOf(right.SerializeAsString()), shared}));
}

TEST_F(TreeApiTest, StatusOfEachCase) {
  reapi::GetTreeRequest request;
  EXPECT_EQ(GetTree(request).code, StatusCode::INVALID_ARGUMENT) << "no root";
  EXPECT_EQ(GetTree(DigestOf("gone")).code, StatusCode::NOT_FOUND);
  EXPECT_EQ(GetTree(Put("this is no directory")).code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(GetTree(blob::EmptyTreeDigest(), -1).code, StatusCode::INVALID_ARGUMENT);
  *request.mutable_root_digest() = ToProto(blob::EmptyTreeDigest());
  EXPECT_EQ(GetTree(request).code, StatusCode::OK);
  request.set_instance_name("a/blobs");
  EXPECT_EQ(GetTree(request).code, StatusCode::INVALID_ARGUMENT);
  request.clear_instance_name();
  SetDigestFunction(&request, 5, kBlake3Function);
  EXPECT_EQ(GetTree(request).code, StatusCode::INVALID_ARGUMENT);
}

TEST_F(TreeApiTest, EmptyTreeIsOneDirectoryWithoutEntries) {
  const Answer answer = GetTree(blob::EmptyTreeDigest());
  EXPECT_EQ(answer.code, StatusCode::OK);
  EXPECT_EQ(answer.directories(), std::vector<Digest>{blob::EmptyTreeDigest()});
}

TEST_F(TreeApiTest, MissingSubtreesAreLeftOut) {
  const Digest leaf = PutDirectory(WithFile("leaf"));
  reapi::Directory gone, there, root;
  AddChild(&gone, "g", PutDirectory(WithFile("only the lost one leads here")));
  AddChild(&there, "leaf", leaf);
  AddChild(&root, "gone", DigestOf(gone.SerializeAsString()));
  AddChild(&root, "no-directory", Put("\xff\xff"));
  AddChild(&root, "no-digest", Digest{"../../../etc/passwd", 3});
  AddChild(&root, "there", PutDirectory(there));
  const Digest root_digest = PutDirectory(root);
  const Answer answer = GetTree(root_digest);
  EXPECT_EQ(answer.code, StatusCode::OK);
  EXPECT_EQ(answer.directories(),
            (std::vector<Digest>{root_digest, DigestOf(there.SerializeAsString()), leaf}));
}

TEST_F(TreeApiTest, PagesAreCutByBytes) {
  // 12 MiB of directories, which no single message could hold.
  const Digest root = PutWideTree(120, 100'000);
  const Answer answer = GetTree(root);
  EXPECT_EQ(answer.code, StatusCode::OK);
  EXPECT_GE(answer.pages.size(), 6u);
  EXPECT_LE(answer.pages.size(), 8u);
  for (const reapi::GetTreeResponse& page : answer.pages) {
    EXPECT_LE(page.ByteSizeLong(), (2u << 20) + 10'000);
    EXPECT_EQ(page.next_page_token().empty(), &page == &answer.pages.back());
  }
  const std::vector<Digest> all = answer.directories();
  EXPECT_EQ(all.size(), 121u);
  EXPECT_EQ(std::set<Digest>(all.begin(), all.end()).size(), 121u);
}

TEST_F(TreeApiTest, PageSizeIsKeptAndEachTokenGoesOn) {
  const Digest root = PutWideTree(10, 10);
  const std::vector<Digest> all = GetTree(root).directories();
  ASSERT_EQ(all.size(), 11u);
  const Answer answer = GetTree(root, 3);
  ASSERT_EQ(answer.pages.size(), 4u);
  EXPECT_EQ(answer.directories(), all);
  for (size_t i = 0; i + 1 < answer.pages.size(); ++i) {
    EXPECT_EQ(answer.pages[i].directories_size(), 3);
    const Answer rest = GetTree(root, 3, answer.pages[i].next_page_token());
    EXPECT_EQ(rest.code, StatusCode::OK);
    EXPECT_EQ(rest.directories(), std::vector<Digest>(all.begin() + 3 * (i + 1), all.end()));
  }
}

TEST_F(TreeApiTest, TokensThatDoNotFitAreRefused) {
  const Digest root = PutWideTree(10, 10);
  const Digest other = PutWideTree(11, 11);
  const std::string token = GetTree(root, 3).pages[0].next_page_token();
  EXPECT_EQ(GetTree(other, 3, token).code, StatusCode::INVALID_ARGUMENT);
  for (const std::string& bad :
       std::vector<std::string>{"x", ":", "0:", "-1:" + root.ToString(), "1:x",
                                "99999999999999999999:" + root.ToString(), "7" + token,
                                "2:" + root.ToString(), "100:" + root.ToString()}) {
    const Answer answer = GetTree(root, 3, bad);
    EXPECT_EQ(answer.code, StatusCode::INVALID_ARGUMENT) << bad;
    EXPECT_THAT(answer.pages, IsEmpty());
  }
}

TEST_F(TreeApiTest, GraphThatStandsForAHugeTreeIsNotUnfolded) {
  Digest level = PutDirectory(WithFile("bottom"));
  for (int depth = 0; depth < 60; ++depth) {
    reapi::Directory directory;
    AddChild(&directory, "a", level);
    AddChild(&directory, "b", level);
    level = PutDirectory(directory);
  }
  const Answer answer = GetTree(level);
  EXPECT_EQ(answer.code, StatusCode::OK);
  EXPECT_EQ(answer.directories().size(), 61u);
}

}  // namespace
}  // namespace rally::testing
