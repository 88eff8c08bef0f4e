// The Remote Execution API's Capabilities and ContentAddressableStorage: each RPC's statuses.
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/blob/zstd_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/remote_api_fixture.h"

namespace rally::testing {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
using blob::Digest;
using blob::DigestOf;
using blob::ToProto;
using cas::ZstdDecode;
using cas::ZstdEncode;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CasApiTest : public RemoteApiTest {
 protected:
  static void Add(reapi::BatchUpdateBlobsRequest* request, const Digest& digest,
                  const std::string& data,
                  reapi::Compressor::Value compressor = reapi::Compressor::IDENTITY) {
    auto* part = request->add_requests();
    *part->mutable_digest() = ToProto(digest);
    part->set_data(data);
    part->set_compressor(compressor);
  }

  StatusCode Update(const reapi::BatchUpdateBlobsRequest& request,
                    reapi::BatchUpdateBlobsResponse* answer) {
    Context context;
    return cas_->BatchUpdateBlobs(&context, request, answer).error_code();
  }
  StatusCode Read(const reapi::BatchReadBlobsRequest& request,
                  reapi::BatchReadBlobsResponse* answer) {
    Context context;
    return cas_->BatchReadBlobs(&context, request, answer).error_code();
  }
  StatusCode FindMissing(const reapi::FindMissingBlobsRequest& request,
                         reapi::FindMissingBlobsResponse* answer) {
    Context context;
    return cas_->FindMissingBlobs(&context, request, answer).error_code();
  }

  template <typename Answer>
  static std::vector<int> Codes(const Answer& answer) {
    std::vector<int> codes;
    for (const auto& part : answer.responses()) codes.push_back(part.status().code());
    return codes;
  }
};

TEST_F(CasApiTest, Capabilities) {
  const auto stub = reapi::Capabilities::NewStub(channel_);
  struct Case {
    std::string instance;
    bool update_enabled;
  };
  for (const Case& c : std::vector<Case>{
           {"", true}, {"team/a", true}, {"rally", false}, {"rally/x", false}, {"rallyx", true}}) {
    Context context;
    reapi::GetCapabilitiesRequest request;
    request.set_instance_name(c.instance);
    reapi::ServerCapabilities answer;
    ASSERT_TRUE(stub->GetCapabilities(&context, request, &answer).ok());
    const reapi::CacheCapabilities& cache = answer.cache_capabilities();
    EXPECT_THAT(cache.digest_function(), ElementsAre(reapi::DigestFunction::SHA256));
    EXPECT_EQ(cache.max_batch_total_size_bytes(), 4'128'768);
    EXPECT_EQ(cache.symlink_absolute_path_strategy(), reapi::SymlinkAbsolutePathStrategy::ALLOWED);
    EXPECT_THAT(cache.supported_compressors(), ElementsAre(reapi::Compressor::ZSTD));
    EXPECT_THAT(cache.supported_batch_update_compressors(), ElementsAre(reapi::Compressor::ZSTD));
    EXPECT_EQ(cache.max_cas_blob_size_bytes(), int64_t{64} << 30);
    EXPECT_EQ(cache.action_cache_update_capabilities().update_enabled(), c.update_enabled)
        << c.instance;
    EXPECT_EQ(answer.low_api_version().major(), 2);
    EXPECT_EQ(answer.low_api_version().minor(), 0);
    EXPECT_EQ(answer.high_api_version().major(), 2);
    EXPECT_GE(answer.high_api_version().minor(), 3);
    EXPECT_FALSE(answer.execution_capabilities().exec_enabled());
  }
}

TEST_F(CasApiTest, FindMissingReturnsOnlyWhatIsMissing) {
  reapi::FindMissingBlobsRequest request;
  request.set_instance_name("team/a");
  const Digest there = Put("x");
  *request.add_blob_digests() = ToProto(there);
  *request.add_blob_digests() = ToProto(blob::EmptyBlobDigest());
  *request.add_blob_digests() = ToProto(DigestOf("gone"));
  *request.add_blob_digests() = ToProto(Digest{there.hash, 2});
  SetDigestFunction(&request, 3, kSha256Function);
  reapi::FindMissingBlobsResponse answer;
  ASSERT_EQ(FindMissing(request, &answer), StatusCode::OK);
  ASSERT_EQ(answer.missing_blob_digests_size(), 2);
  EXPECT_EQ(answer.missing_blob_digests(0).hash(), DigestOf("gone").hash);
  EXPECT_EQ(answer.missing_blob_digests(1).hash(), there.hash);
  EXPECT_EQ(answer.missing_blob_digests(1).size_bytes(), 2);
}

TEST_F(CasApiTest, MalformedDigestsAreRefused) {
  const std::string hash = DigestOf("x").hash;
  struct Case {
    std::string hash;
    int64_t size;
  };
  for (const Case& c : std::vector<Case>{{"", 0},
                                         {"ABC", 1},
                                         {hash, -1},
                                         {hash.substr(1), 1},
                                         {hash + "0", 1},
                                         {std::string(64, 'A'), 1},
                                         {std::string(64, 'g'), 1},
                                         {"../" + hash.substr(3), 1},
                                         {hash.substr(0, 63) + "/", 1},
                                         {hash.substr(0, 63) + std::string(1, '\0'), 1}}) {
    reapi::FindMissingBlobsRequest find;
    *find.add_blob_digests() = ToProto(Put("x"));
    find.add_blob_digests()->set_hash(c.hash);
    find.mutable_blob_digests(1)->set_size_bytes(c.size);
    reapi::FindMissingBlobsResponse find_answer;
    EXPECT_EQ(FindMissing(find, &find_answer), StatusCode::INVALID_ARGUMENT) << c.hash;

    reapi::BatchUpdateBlobsRequest update;
    Add(&update, Digest{c.hash, c.size}, "x");
    Add(&update, DigestOf("y"), "y");
    reapi::BatchUpdateBlobsResponse update_answer;
    EXPECT_EQ(Update(update, &update_answer), StatusCode::OK);
    EXPECT_THAT(Codes(update_answer), ElementsAre(StatusCode::INVALID_ARGUMENT, 0)) << c.hash;

    reapi::BatchReadBlobsRequest read;
    *read.add_digests() = ToProto(Digest{c.hash, c.size});
    *read.add_digests() = ToProto(DigestOf("y"));
    reapi::BatchReadBlobsResponse read_answer;
    EXPECT_EQ(Read(read, &read_answer), StatusCode::OK);
    EXPECT_THAT(Codes(read_answer), ElementsAre(StatusCode::INVALID_ARGUMENT, 0)) << c.hash;
  }
}

TEST_F(CasApiTest, OtherDigestFunctionsAndMalformedInstancesAreRefused) {
  // Their hashes may look the same.
  reapi::FindMissingBlobsRequest find;
  *find.add_blob_digests() = ToProto(Put("x"));
  reapi::BatchUpdateBlobsRequest update;
  Add(&update, DigestOf("y"), "y");
  reapi::BatchReadBlobsRequest read;
  *read.add_digests() = ToProto(DigestOf("x"));
  reapi::FindMissingBlobsResponse find_answer;
  reapi::BatchUpdateBlobsResponse update_answer;
  reapi::BatchReadBlobsResponse read_answer;
  for (const std::string instance : {"blobs", "a/uploads/b", "/a", "a//b", "a/", "actionResults"}) {
    find.set_instance_name(instance);
    update.set_instance_name(instance);
    read.set_instance_name(instance);
    EXPECT_EQ(FindMissing(find, &find_answer), StatusCode::INVALID_ARGUMENT) << instance;
    EXPECT_EQ(Update(update, &update_answer), StatusCode::INVALID_ARGUMENT) << instance;
    EXPECT_EQ(Read(read, &read_answer), StatusCode::INVALID_ARGUMENT) << instance;
  }
  find.clear_instance_name();
  update.clear_instance_name();
  read.clear_instance_name();
  SetDigestFunction(&find, 3, kBlake3Function);
  SetDigestFunction(&update, 5, kBlake3Function);
  SetDigestFunction(&read, 4, kBlake3Function);
  EXPECT_EQ(FindMissing(find, &find_answer), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Update(update, &update_answer), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Read(read, &read_answer), StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(server_.store().Contains(DigestOf("y")));
}

TEST_F(CasApiTest, BatchUpdateAnswersForEachBlob) {
  const std::string text(5'000, 't');
  const std::string encoded = ZstdEncode(text).value();
  reapi::BatchUpdateBlobsRequest request;
  Add(&request, DigestOf("good"), "good");
  Add(&request, DigestOf("bad"), "not it");
  Add(&request, Digest{DigestOf("longer").hash, 5}, "longer");
  Add(&request, DigestOf("zstd"), "zstd", reapi::Compressor::ZSTD);
  Add(&request, DigestOf(text), encoded, reapi::Compressor::ZSTD);
  Add(&request, Digest{DigestOf(text).hash, 4'999}, encoded, reapi::Compressor::ZSTD);
  Add(&request, DigestOf("other"), encoded, reapi::Compressor::ZSTD);
  Add(&request, DigestOf("x"), "x", static_cast<reapi::Compressor::Value>(2));
  Add(&request, DigestOf("good"), "good");
  Add(&request, blob::EmptyBlobDigest(), "");
  Add(&request, blob::EmptyBlobDigest(), ZstdEncode("").value(), reapi::Compressor::ZSTD);
  Add(&request, Digest{blob::EmptyBlobDigest().hash, 1}, "");
  reapi::BatchUpdateBlobsResponse answer;
  ASSERT_EQ(Update(request, &answer), StatusCode::OK);
  const int bad = StatusCode::INVALID_ARGUMENT;
  EXPECT_THAT(Codes(answer), ElementsAre(0, bad, bad, bad, 0, bad, bad, bad, 0, 0, 0, bad));
  for (int i = 0; i < answer.responses_size(); ++i) {
    EXPECT_EQ(answer.responses(i).digest().hash(), request.requests(i).digest().hash());
  }
  EXPECT_EQ(server_.store().ReadAll(DigestOf("good")).value(), "good");
  EXPECT_EQ(server_.store().ReadAll(DigestOf(text)).value(), text);
  for (const std::string gone : {"bad", "zstd", "other", "x"}) {
    EXPECT_FALSE(server_.store().Contains(DigestOf(gone))) << gone;
  }
}

TEST_F(CasApiTest, BatchesOverTheLimitAreRefusedWhole) {
  const std::string half(2'100'000, 'h');
  reapi::BatchUpdateBlobsRequest plain;
  for (int i = 0; i < 2; ++i) Add(&plain, DigestOf(half), half);
  reapi::BatchUpdateBlobsResponse update_answer;
  EXPECT_EQ(Update(plain, &update_answer), StatusCode::INVALID_ARGUMENT);
  // What counts is what comes out.
  reapi::BatchUpdateBlobsRequest compressed;
  for (int i = 0; i < 2; ++i) {
    Add(&compressed, DigestOf(half), ZstdEncode(half).value(), reapi::Compressor::ZSTD);
  }
  EXPECT_EQ(Update(compressed, &update_answer), StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(server_.store().Contains(DigestOf(half)));

  for (int64_t size : {int64_t{4'128'769}, std::numeric_limits<int64_t>::max()}) {
    reapi::BatchReadBlobsRequest read;
    *read.add_digests() = ToProto(Digest{DigestOf("x").hash, size});
    *read.add_digests() = ToProto(Digest{DigestOf("y").hash, size});
    reapi::BatchReadBlobsResponse read_answer;
    EXPECT_EQ(Read(read, &read_answer), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(CasApiTest, BombsInBatchesAreRefused) {
  const std::string bomb = ZstdEncode(std::string(200 << 20, '\0')).value();
  ASSERT_LT(bomb.size(), 100'000u);
  reapi::BatchUpdateBlobsRequest request;
  Add(&request, Digest{DigestOf("x").hash, 1'000}, bomb, reapi::Compressor::ZSTD);
  reapi::BatchUpdateBlobsResponse answer;
  ASSERT_EQ(Update(request, &answer), StatusCode::OK);
  EXPECT_THAT(Codes(answer), ElementsAre(StatusCode::INVALID_ARGUMENT));
  EXPECT_THAT(answer.responses(0).status().message(), HasSubstr("more than the 1000 bytes"));
}

TEST_F(CasApiTest, BatchReadAnswersForEachBlob) {
  const Digest here = Put("here");
  reapi::BatchReadBlobsRequest request;
  *request.add_digests() = ToProto(here);
  *request.add_digests() = ToProto(DigestOf("gone"));
  *request.add_digests() = ToProto(blob::EmptyBlobDigest());
  *request.add_digests() = ToProto(Digest{"x", -5});
  *request.add_digests() = ToProto(Digest{here.hash, 5});
  reapi::BatchReadBlobsResponse answer;
  ASSERT_EQ(Read(request, &answer), StatusCode::OK);
  EXPECT_THAT(Codes(answer), ElementsAre(0, StatusCode::NOT_FOUND, 0, StatusCode::INVALID_ARGUMENT,
                                         StatusCode::NOT_FOUND));
  EXPECT_EQ(answer.responses(0).data(), "here");
  EXPECT_EQ(answer.responses(2).data(), "");
}

TEST_F(CasApiTest, BatchReadCompressesWhereThatIsAcceptedAndPays) {
  std::string noise(20'000, '\0');
  uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  const std::string text(20'000, 't');
  reapi::BatchReadBlobsRequest request;
  *request.add_digests() = ToProto(Put(text));
  *request.add_digests() = ToProto(Put(noise));
  *request.add_digests() = ToProto(Put("tiny"));
  *request.add_digests() = ToProto(DigestOf("gone"));
  reapi::BatchReadBlobsResponse answer;
  ASSERT_EQ(Read(request, &answer), StatusCode::OK);
  EXPECT_TRUE(answer.responses(0).data() == text) << "not asked for compression";
  request.add_acceptable_compressors(reapi::Compressor::IDENTITY);
  request.add_acceptable_compressors(reapi::Compressor::ZSTD);
  ASSERT_EQ(Read(request, &answer), StatusCode::OK);
  EXPECT_THAT(Codes(answer), ElementsAre(0, 0, 0, StatusCode::NOT_FOUND));
  EXPECT_EQ(answer.responses(0).compressor(), reapi::Compressor::ZSTD);
  EXPECT_LT(answer.responses(0).data().size(), 1'000u);
  EXPECT_TRUE(ZstdDecode(answer.responses(0).data(), text.size()).value() == text);
  EXPECT_EQ(answer.responses(1).compressor(), reapi::Compressor::IDENTITY);
  EXPECT_TRUE(answer.responses(1).data() == noise);
  EXPECT_EQ(answer.responses(2).compressor(), reapi::Compressor::IDENTITY);
  EXPECT_EQ(answer.responses(2).data(), "tiny");
}

TEST_F(CasApiTest, MoreThanABatchOfBlobsIsRefusedAsAWhole) {
  // By the bytes of their messages alone these would fit.
  reapi::BatchUpdateBlobsRequest update;
  reapi::BatchReadBlobsRequest read;
  for (int i = 0; i <= cas::CasService::kMaxBatchBlobs; ++i) {
    *update.add_requests()->mutable_digest() = ToProto(blob::EmptyBlobDigest());
    *read.add_digests() = ToProto(blob::EmptyBlobDigest());
  }
  reapi::BatchUpdateBlobsResponse updated;
  reapi::BatchReadBlobsResponse loaded;
  Context first, second;
  EXPECT_EQ(cas_->BatchUpdateBlobs(&first, update, &updated).error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(cas_->BatchReadBlobs(&second, read, &loaded).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace rally::testing
