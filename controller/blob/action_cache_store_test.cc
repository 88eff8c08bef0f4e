#include "controller/blob/action_cache_store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

using blob::Digest;
using blob::DigestOf;

class ActionCacheStoreTest : public ::testing::Test {
 protected:
  ActionCacheStoreTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/results_XXXXXX");
    folder_ = mkdtemp(pattern.data());
    path_ = (folder_ / "action-cache.db").string();
  }
  ~ActionCacheStoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<ActionCacheStore> Open(int64_t max_entries = 1000,
                                         int64_t max_bytes = 1'000'000) {
    return ActionCacheStore::Open(path_, {max_entries, max_bytes}).value();
  }
  static bool IsMiss(const absl::StatusOr<std::string>& result) {
    return absl::IsNotFound(result.status());
  }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(ActionCacheStoreTest, KeepsWhatWasPutByInstanceAndWholeDigest) {
  const auto store = Open();
  const Digest action = DigestOf("action");
  const std::string bytes("\0binary\xff", 8);
  ASSERT_EQ(store->Put("team/a", action, bytes), absl::OkStatus());
  ASSERT_EQ(store->Put("", action, ""), absl::OkStatus());
  EXPECT_EQ(store->Get("team/a", action).value(), bytes);
  EXPECT_EQ(store->Get("", action).value(), "");
  EXPECT_TRUE(IsMiss(store->Get("team", action)));
  EXPECT_TRUE(IsMiss(store->Get("team/A", action)));
  EXPECT_TRUE(IsMiss(store->Get("team/a", Digest{action.hash, 7})));
  EXPECT_EQ(store->entries(), 2);
}

TEST_F(ActionCacheStoreTest, LaterResultTakesTheEarlierOnesPlace) {
  const auto store = Open();
  ASSERT_EQ(store->Put("", DigestOf("a"), std::string(1000, '1')), absl::OkStatus());
  const int64_t bytes = store->bytes();
  ASSERT_EQ(store->Put("", DigestOf("a"), std::string(10, '2')), absl::OkStatus());
  EXPECT_EQ(store->Get("", DigestOf("a")).value(), std::string(10, '2'));
  EXPECT_EQ(store->entries(), 1);
  EXPECT_EQ(store->bytes(), bytes - 990);
}

TEST_F(ActionCacheStoreTest, SurvivesRestarts) {
  int64_t bytes;
  {
    const auto store = Open();
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(store->Put("x", DigestOf(absl::StrCat(i)), absl::StrCat("r", i)), absl::OkStatus());
    }
    bytes = store->bytes();
  }
  const auto store = Open();
  EXPECT_EQ(store->entries(), 100);
  EXPECT_EQ(store->bytes(), bytes);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store->Get("x", DigestOf(absl::StrCat(i))).value(), absl::StrCat("r", i));
  }
}

TEST_F(ActionCacheStoreTest, WhatWasNotUsedForLongestGoesFirst) {
  const Digest kept = DigestOf("kept");
  {
    const auto store = Open(100);
    ASSERT_EQ(store->Put("", kept, "used again and again"), absl::OkStatus());
    for (int i = 0; i < 250; ++i) {
      ASSERT_EQ(store->Put("", DigestOf(absl::StrCat(i)), "r"), absl::OkStatus());
      EXPECT_LE(store->entries(), 100);
      EXPECT_EQ(store->Get("", kept).value(), "used again and again") << i;
    }
    EXPECT_TRUE(IsMiss(store->Get("", DigestOf("0"))));
    EXPECT_EQ(store->Get("", DigestOf("249")).value(), "r");
  }
  // The order is known after a restart, and a smaller bound holds at once.
  const auto store = Open(10);
  EXPECT_LE(store->entries(), 10);
  EXPECT_EQ(store->Get("", DigestOf("249")).value(), "r");
  EXPECT_TRUE(IsMiss(store->Get("", DigestOf("200"))));
}

TEST_F(ActionCacheStoreTest, BytesAreBounded) {
  const auto store = Open(1'000'000, 100'000);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(store->Put("", DigestOf(absl::StrCat(i)), std::string(10'000, 'b')),
              absl::OkStatus());
    EXPECT_LE(store->bytes(), 100'000);
  }
  EXPECT_TRUE(IsMiss(store->Get("", DigestOf("0"))));
  EXPECT_EQ(store->Get("", DigestOf("99")).value(), std::string(10'000, 'b'));
  EXPECT_EQ(store->Put("", DigestOf("huge"), std::string(99'999, 'h')).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store->Get("", DigestOf("99")).status(), absl::OkStatus());
}

TEST_F(ActionCacheStoreTest, FileThatIsNoDatabaseIsSetAside) {
  { std::ofstream(path_) << std::string(10'000, 'x'); }
  const auto store = Open();
  EXPECT_TRUE(IsMiss(store->Get("", DigestOf("a"))));
  ASSERT_EQ(store->Put("", DigestOf("a"), "r"), absl::OkStatus());
  EXPECT_EQ(store->Get("", DigestOf("a")).value(), "r");
  EXPECT_EQ(std::filesystem::file_size(path_ + ".damaged"), 10'000u);
}

TEST_F(ActionCacheStoreTest, FlippedBitsNeverComeBackAsAResult) {
  const std::string result = "exit code and digests";
  {
    const auto store = Open();
    ASSERT_EQ(store->Put("", DigestOf("a"), result), absl::OkStatus());
  }
  std::string content;
  {
    std::ifstream in(path_, std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(in), {});
  }
  const size_t at = content.find(result);
  ASSERT_NE(at, std::string::npos);
  content[at + 3] ^= 1;
  { std::ofstream(path_, std::ios::binary) << content; }
  const auto store = Open();
  EXPECT_TRUE(IsMiss(store->Get("", DigestOf("a"))));
  EXPECT_EQ(store->entries(), 0) << "the damaged entry went";
  ASSERT_EQ(store->Put("", DigestOf("a"), result), absl::OkStatus());
  EXPECT_EQ(store->Get("", DigestOf("a")).value(), result);
}

TEST_F(ActionCacheStoreTest, PagesOverwrittenAnywhereOnlyCostEntries) {
  {
    const auto store = Open();
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(store->Put("", DigestOf(absl::StrCat(i)), absl::StrCat("result ", i)),
                absl::OkStatus());
    }
  }
  const auto pages = std::filesystem::file_size(path_) / 4096;
  ASSERT_GT(pages, 5u);
  const std::string intact = folder_ / "intact";
  std::filesystem::copy_file(path_, intact);
  for (uintmax_t page = 0; page < pages; ++page) {
    std::filesystem::copy_file(intact, path_, std::filesystem::copy_options::overwrite_existing);
    {
      std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(page * 4096);
      file << std::string(4096, '\x5a');
    }
    const auto store = ActionCacheStore::Open(path_, {1000, 1'000'000});
    ASSERT_EQ(store.status(), absl::OkStatus()) << page;
    for (int i = 0; i < 200; ++i) {
      const auto result = (*store)->Get("", DigestOf(absl::StrCat(i)));
      if (result.ok()) {
        EXPECT_EQ(*result, absl::StrCat("result ", i));
      }
      if (!result.ok()) {
        EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
      }
    }
    EXPECT_EQ((*store)->Put("", DigestOf("new"), "r"), absl::OkStatus()) << page;
    EXPECT_EQ((*store)->Get("", DigestOf("new")).value(), "r") << page;
  }
}

TEST_F(ActionCacheStoreTest, ManyThreadsAtOnce) {
  const auto store = Open(50);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const Digest action = DigestOf(absl::StrCat(i % 20));
        EXPECT_EQ(store->Put("", action, absl::StrCat("r", i % 20)), absl::OkStatus());
        const auto result = store->Get("", action);
        if (result.ok()) {
          EXPECT_EQ(*result, absl::StrCat("r", i % 20)) << t;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->entries(), 20);
}

}  // namespace
}  // namespace rally::cas
