// Blobs that came together and lie in one file: what becomes of them.
#include <unistd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "controller/blob/disk_store_fixture.h"
#include "gmock/gmock.h"

namespace rally::cas {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DiskStorePacksTest : public DiskStoreFixture {
 protected:
  static std::string BytesOf(const std::string& prefix, int number) {
    return absl::StrCat(prefix, number, std::string(number * 37 % 500, 'x'));
  }

  std::vector<absl::Status> Write(const std::vector<std::string>& contents) {
    std::vector<absl::string_view> pieces(contents.begin(), contents.end());
    std::vector<DiskStore::BatchBlob> batch;
    for (const absl::string_view& piece : pieces) {
      batch.push_back({DigestOf(piece), absl::MakeConstSpan(&piece, 1)});
    }
    return store_->WriteBatch(batch);
  }

  // A batch of so many blobs, each of its own content.
  std::vector<std::string> PutBatch(const std::string& prefix, int count) {
    std::vector<std::string> contents;
    for (int i = 0; i < count; ++i) contents.push_back(BytesOf(prefix, i));
    EXPECT_THAT(Write(contents), Each(absl::OkStatus()));
    return contents;
  }

  static std::vector<Digest> DigestsOf(const std::vector<std::string>& contents) {
    std::vector<Digest> digests;
    for (const std::string& bytes : contents) digests.push_back(DigestOf(bytes));
    return digests;
  }

  void ExpectAll(const std::vector<std::string>& contents) {
    EXPECT_THAT(store_->FindMissing(DigestsOf(contents)).value(), IsEmpty());
    for (const std::string& bytes : contents) {
      EXPECT_EQ(store_->ReadAll(DigestOf(bytes)).value(), bytes);
    }
  }

  std::vector<fs::path> Packs() const {
    std::vector<fs::path> packs;
    for (const auto& entry : fs::directory_iterator(root_ / "packs")) packs.push_back(entry);
    return packs;
  }

  // Changes a blob's bytes where its pack has them.
  void Damage(const fs::path& pack, const std::string& bytes) {
    ASSERT_EQ(chmod(pack.c_str(), 0600), 0);
    std::fstream file(pack, std::ios::binary | std::ios::in | std::ios::out);
    const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const size_t at = all.find(bytes);
    ASSERT_NE(at, std::string::npos);
    file.seekp(static_cast<std::streamoff>(at));
    file << static_cast<char>(bytes[0] ^ 1);
  }
};

TEST_F(DiskStorePacksTest, BlobsThatCameTogetherAreOneFileAlsoAfterARestart) {
  Open();
  const std::vector<std::string> contents = PutBatch("b", 100);
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_THAT(Packs(), SizeIs(1));
    EXPECT_EQ(CountFiles(), 0);
    EXPECT_EQ(store_->used().blobs, 100);
    ExpectAll(contents);
    const Digest digest = DigestOf(contents[9]);
    std::string piece;
    auto reader = store_->NewReader(digest, 2, 5);
    ASSERT_EQ(reader.status(), absl::OkStatus());
    EXPECT_EQ((*reader)->Read(100, &piece), absl::OkStatus());
    EXPECT_EQ(piece, contents[9].substr(2, 5));
    Open();
  }
  // The same ones once more take nothing.
  PutBatch("b", 100);
  EXPECT_THAT(Packs(), SizeIs(1));
  Put(contents[5]);
  EXPECT_EQ(CountFiles(), 0);
}

TEST_F(DiskStorePacksTest, FewAreFilesAndSoAreLargeOnes) {
  Open();
  PutBatch("few", 15);
  EXPECT_EQ(CountFiles(), 15);
  EXPECT_THAT(Packs(), IsEmpty());
  std::vector<std::string> contents = {std::string(256 * 1024 + 1, 'l')};
  for (int i = 0; i < 16; ++i) contents.push_back(BytesOf("many", i));
  EXPECT_THAT(Write(contents), Each(absl::OkStatus()));
  EXPECT_EQ(CountFiles(), 16);
  EXPECT_THAT(Packs(), SizeIs(1));
  ExpectAll(contents);
}

TEST_F(DiskStorePacksTest, EachBlobOfABatchHasItsOwnResult) {
  Open();
  std::vector<std::string> contents;
  for (int i = 0; i < 40; ++i) contents.push_back(BytesOf("b", i % 30));
  std::vector<absl::string_view> pieces(contents.begin(), contents.end());
  std::vector<DiskStore::BatchBlob> batch;
  for (const absl::string_view& piece : pieces) {
    batch.push_back({DigestOf(piece), absl::MakeConstSpan(&piece, 1)});
  }
  batch[3].digest = DigestOf("something else");
  batch[4].digest.size_bytes += 1;
  batch[7] = {DigestOf(""), {}};
  const std::vector<absl::Status> results = store_->WriteBatch(batch);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(results[i].code(),
              i == 3 || i == 4 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kOk)
        << i;
  }
  EXPECT_EQ(store_->used().blobs, 30) << "3, 4 and 7 came again later, and are right then";
  EXPECT_FALSE(store_->Contains(DigestOf("something else")));
}

TEST_F(DiskStorePacksTest, WhatHasNoRoomIsSaidOfEachBlob) {
  options_.limits.max_blobs = 30;
  Open();
  std::vector<std::string> contents;
  for (int i = 0; i < 41; ++i) contents.push_back(BytesOf("b", i % 40));
  const std::vector<absl::Status> results = Write(contents);
  for (int i = 0; i < 41; ++i) {
    EXPECT_EQ(results[i].code(),
              i % 40 < 30 ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted)
        << i;
    EXPECT_EQ(store_->Contains(DigestOf(contents[i])), results[i].ok()) << i;
  }
}

TEST_F(DiskStorePacksTest, ADamagedBlobIsMissingAndTheOthersMoveOut) {
  Open();
  const std::vector<std::string> contents = PutBatch("b", 50);
  Damage(Packs().front(), contents[20]);
  Damage(Packs().front(), contents[30]);
  EXPECT_EQ(store_->ReadAll(DigestOf(contents[20])).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(store_->Contains(DigestOf(contents[20])));
  EXPECT_EQ(CountFiles("quarantine"), 1);
  store_->AwaitEviction();
  EXPECT_THAT(Packs(), IsEmpty());
  EXPECT_EQ(CountFiles(), 48);
  EXPECT_EQ(CountFiles("quarantine"), 2) << "moving reads all";
  EXPECT_EQ(store_->quarantined(), 2);
  EXPECT_EQ(store_->used().blobs, 48);
  Open();
  EXPECT_FALSE(store_->Contains(DigestOf(contents[20])));
  Put(contents[20]);
  Put(contents[30]);
  ExpectAll(contents);
}

TEST_F(DiskStorePacksTest, APackThatIsGoneOrCutIsNoticed) {
  Open();
  const std::vector<std::string> gone = PutBatch("gone", 20);
  const fs::path first = Packs().front();
  const std::vector<std::string> cut = PutBatch("cut", 20);
  fs::remove(first);
  const fs::path second = Packs().front();
  EXPECT_THAT(store_->FindMissing(DigestsOf(gone)).value(), ElementsAreArray(DigestsOf(gone)));
  fs::resize_file(second, fs::file_size(second) - 1);
  EXPECT_FALSE(store_->Contains(DigestOf(cut.back())));
  EXPECT_EQ(store_->ReadAll(DigestOf(cut[0])).value(), cut[0]);
  PutBatch("gone", 20);
  ExpectAll(gone);
  // Without somebody asking first, too.
  const std::vector<std::string> third = PutBatch("third", 20);
  for (const fs::path& pack : Packs()) fs::remove(pack);
  EXPECT_EQ(store_->ReadAll(DigestOf(third[3])).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(store_->Contains(DigestOf(third[3])));
}

TEST_F(DiskStorePacksTest, WhatIsNoWholePackAtTheStartIsRemoved) {
  Open();
  const std::vector<std::string> good = PutBatch("good", 20);
  const fs::path pack = Packs().front();
  store_.reset();
  const std::string number = pack.filename().string();
  const auto copy_with = [&](const std::string& name,
                             const std::function<void(std::string*)>& edit) {
    std::ifstream in(pack, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    edit(&bytes);
    std::ofstream(root_ / "packs" / name, std::ios::binary) << bytes;
  };
  copy_with(number + "1", [](std::string* bytes) { bytes->clear(); });
  copy_with(number + "2", [](std::string* bytes) { bytes->resize(bytes->size() / 2); });
  copy_with(number + "3", [](std::string* bytes) { bytes->resize(200); });
  copy_with(number + "4", [](std::string* bytes) { (*bytes)[40] ^= 1; });
  copy_with(number + "5", [](std::string* bytes) { bytes->replace(8, 8, 8, '\xff'); });
  copy_with(number + "6", [](std::string* bytes) { *bytes += "x"; });
  copy_with(".new-77", [](std::string*) {});
  copy_with("stranger", [](std::string*) {});
  // The same blobs twice: once is enough.
  copy_with(number + "7", [](std::string*) {});
  Open();
  EXPECT_EQ(CountFiles("packs"), 2) << "a stranger's file is left alone";
  EXPECT_EQ(store_->used().blobs, 20);
  ExpectAll(good);
  PutBatch("more", 20);
  ExpectAll(good);
}

TEST_F(DiskStorePacksTest, EvictionTakesPacksApart) {
  options_.limits.max_blobs = 200;
  Open();
  std::vector<std::string> pinned;
  for (int batch = 0; batch < 9; ++batch) {
    const std::vector<std::string> contents = PutBatch(absl::StrCat("batch", batch, "-"), 20);
    pinned.push_back(contents[batch]);
    const std::vector<BlobKey> keys = {BlobKey::Of(DigestOf(contents[batch]))};
    store_->Pin(keys);
    Advance(absl::Minutes(20));
  }
  EXPECT_THAT(Packs(), SizeIs(9));
  PutBatch("last", 16);
  store_->AwaitEviction();
  EXPECT_EQ(store_->used().blobs, 160);
  EXPECT_EQ(store_->evicted(), 36);
  ExpectAll(pinned);
  // Two packs have lost most, and the four that stay of them have files of their own now.
  EXPECT_EQ(CountFiles(), 4);
  EXPECT_THAT(Packs(), SizeIs(8));
  for (int i = 0; i < 100; ++i) {
    Advance(absl::Minutes(20));
    Put(absl::StrCat("more", i));
    store_->AwaitEviction();
  }
  PutBatch("new", 20);
  ExpectAll(pinned);
  Open();
  ExpectAll(pinned);
}

TEST_F(DiskStorePacksTest, APackOfTinyBlobsStaysWhileMostAreNeeded) {
  options_.limits.max_blobs = 40;
  Open();
  std::vector<std::string> tiny;
  for (int i = 0; i < 20; ++i) tiny.push_back(absl::StrCat(i));
  EXPECT_THAT(Write(tiny), Each(absl::OkStatus()));
  Advance(absl::Hours(1));
  PutMany("more", 17);
  store_->AwaitEviction();
  EXPECT_EQ(store_->evicted(), 5);
  EXPECT_EQ(CountFiles(), 17) << "15 of 20 are still where they were";
  EXPECT_THAT(Packs(), SizeIs(1));
  // A restart finds all of the pack again. Those that were evicted go first once more.
  Open();
  EXPECT_EQ(store_->evicted(), 5);
  EXPECT_EQ(CountFiles(), 17);
  EXPECT_EQ(store_->used().blobs, 32);
}

TEST_F(DiskStorePacksTest, WhatIsLeftOfACutPackOutlivesARestart) {
  Open();
  const std::vector<std::string> contents = PutBatch("cut", 20);
  const fs::path pack = Packs().front();
  fs::resize_file(pack, fs::file_size(pack) - 1);
  EXPECT_FALSE(store_->Contains(DigestOf(contents.back())));
  store_->AwaitEviction();
  Open();
  for (int i = 0; i < 19; ++i)
    EXPECT_EQ(store_->ReadAll(DigestOf(contents[i])).value(), contents[i]);
}

TEST_F(DiskStorePacksTest, WhatIsReadWhileItMovesIsRight) {
  options_.grace = absl::ZeroDuration();
  options_.limits.max_blobs = 400;
  Open();
  std::vector<std::string> kept;
  for (int pack = 0; pack < 8; ++pack) {
    const std::vector<std::string> contents = PutBatch(absl::StrCat("kept", pack, "-"), 40);
    kept.insert(kept.end(), contents.begin(), contents.begin() + 2);
  }
  std::vector<BlobKey> keys;
  for (const std::string& bytes : kept) keys.push_back(BlobKey::Of(DigestOf(bytes)));
  store_->Pin(keys);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937 random(reader);
      DiskStore::BatchReader batch(store_.get());
      while (!done) {
        const std::string& bytes = kept[random() % kept.size()];
        std::string read;
        ASSERT_EQ(batch.Read(DigestOf(bytes),
                             [&](size_t size) {
                               read.resize(size);
                               return read.data();
                             }),
                  absl::OkStatus());
        ASSERT_EQ(read, bytes);
        ASSERT_TRUE(store_->Contains(DigestOf(bytes)));
      }
    });
  }
  for (int writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      // Both bring the same ones, at about the same time; each batch has one of the kept ones.
      for (int i = 0; i < 150; ++i) {
        ++seconds_;
        std::vector<std::string> contents = {kept[i % kept.size()]};
        for (int k = 0; k < 30; ++k) contents.push_back(BytesOf(absl::StrCat("b", i, "-"), k));
        for (const absl::Status& status : Write(contents)) {
          ASSERT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status << writer;
        }
        store_->AwaitEviction();
      }
    });
  }
  threads[2].join();
  threads[3].join();
  done = true;
  threads[0].join();
  threads[1].join();
  ExpectAll(kept);
  EXPECT_EQ(store_->quarantined(), 0);
  for (const std::string& bytes : kept) EXPECT_TRUE(HasFile(DigestOf(bytes))) << "it has moved";
  Open();
  ExpectAll(kept);
}

}  // namespace
}  // namespace rally::cas
