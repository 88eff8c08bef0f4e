#include "controller/blob_trace.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/blob/directory.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

core::Digest ToCore(const blob::Digest& digest) { return {digest.hash, digest.size_bytes}; }

class BlobTraceTest : public ::testing::Test {
 protected:
  blob::Digest Store(blob::Directory directory) {
    blob::Canonicalise(&directory);
    return store_.Put(blob::Serialise(directory));
  }
  static void AddFile(blob::Directory* directory, const std::string& name,
                      const blob::Digest& digest) {
    *directory->add_files() = blob::MakeFileNode(name, digest, 0644, std::nullopt);
  }
  // root/a, root/sub/b
  blob::Digest Tree(const blob::Digest& a, const blob::Digest& b) {
    blob::Directory sub;
    AddFile(&sub, "b", b);
    blob::Directory root;
    AddFile(&root, "a", a);
    *root.add_directories() = blob::MakeDirectoryNode("sub", Store(sub));
    return Store(root);
  }
  core::BlobsTraced Trace(std::vector<blob::Digest> blobs) {
    core::TraceBlobs command;
    command.build_id = "b";
    command.step = 7;
    command.context = ToCore(context_);
    command.steps = {{3, "x", ToCore(context_), ToCore(after_x_)},
                     {5, "y", ToCore(after_x_), ToCore(after_y_)}};
    for (const blob::Digest& digest : blobs) command.blobs.push_back(ToCore(digest));
    blob::CachingDirectoryReader reader(&store_);
    return TraceInTrees(command, reader);
  }
  static std::vector<std::pair<int, std::string>> Made(const core::BlobsTraced& traced) {
    std::vector<std::pair<int, std::string>> made;
    for (const core::MadeBlob& blob : traced.made) made.emplace_back(blob.step, blob.blob.hash);
    return made;
  }

  blob::MemoryBlobStore store_;
  // The files themselves are lost; only directories are there.
  const blob::Digest source_ = blob::DigestOf("source");
  const blob::Digest other_ = blob::DigestOf("other");
  const blob::Digest by_x_ = blob::DigestOf("by x");
  const blob::Digest by_y_ = blob::DigestOf("by y");
  const blob::Digest context_ = Tree(source_, other_);
  const blob::Digest after_x_ = Tree(source_, by_x_);
  const blob::Digest after_y_ = Tree(by_y_, by_x_);
};

TEST_F(BlobTraceTest, TheFirstStepThatHasItMadeIt) {
  const core::BlobsTraced traced = Trace({by_y_, by_x_});
  EXPECT_EQ(traced.build_id, "b");
  EXPECT_EQ(traced.step, 7);
  EXPECT_THAT(Made(traced),
              ElementsAre(std::make_pair(3, by_x_.hash), std::make_pair(5, by_y_.hash)));
  EXPECT_THAT(traced.in_context, IsEmpty());
  EXPECT_THAT(traced.unknown, IsEmpty());
}

TEST_F(BlobTraceTest, WhatTheContextHasNoStepMade) {
  const core::BlobsTraced traced = Trace({source_, other_, context_});
  EXPECT_EQ(traced.in_context.size(), 3u);
  EXPECT_THAT(traced.made, IsEmpty());
}

TEST_F(BlobTraceTest, AFileThatWasMovedIsTheFirstSteps) {
  // y put what was in sub/b at a.
  const blob::Digest moved = Tree(by_x_, by_x_);
  core::TraceBlobs command;
  command.context = ToCore(context_);
  command.steps = {{3, "x", ToCore(context_), ToCore(after_x_)},
                   {5, "y", ToCore(after_x_), ToCore(moved)}};
  command.blobs = {ToCore(by_x_)};
  blob::CachingDirectoryReader reader(&store_);
  EXPECT_THAT(Made(TraceInTrees(command, reader)), ElementsAre(std::make_pair(3, by_x_.hash)));
}

TEST_F(BlobTraceTest, ALostDirectoryIsFoundAndWhatIsBelowItIsNot) {
  blob::Directory sub;
  AddFile(&sub, "b", by_x_);
  const blob::Digest lost = blob::DigestOf(blob::Serialise(sub));
  store_.Remove(lost);
  const core::BlobsTraced traced = Trace({lost, by_x_});
  EXPECT_THAT(Made(traced), ElementsAre(std::make_pair(3, lost.hash)));
  EXPECT_THAT(traced.unknown, ElementsAre(ToCore(by_x_)));
}

TEST_F(BlobTraceTest, ALostRootIsItsSteps) {
  store_.Remove(after_y_);
  EXPECT_THAT(Made(Trace({after_y_})), ElementsAre(std::make_pair(5, after_y_.hash)));
}

}  // namespace
}  // namespace rally::controller
