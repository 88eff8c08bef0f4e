#include "agent/logs/line_spooler.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rally::logs {
namespace {

using log::RecordFile;
using log::Stream;

const absl::Time kStart = absl::FromUnixSeconds(1000);
constexpr absl::Duration kWait = absl::Milliseconds(100);

class LineSpoolerTest : public ::testing::Test {
 protected:
  LineSpoolerTest() {
    static int files = 0;
    const std::string path =
        absl::StrCat(::testing::TempDir(), "/line_spooler_", getpid(), "_", files++);
    unlink(path.c_str());
    file_ = *RecordFile::Open(path);
  }

  std::string Logged() const {
    std::string shown;
    const auto records = file_->Read(0, 1 << 20);
    for (const log::Record& record : *records) {
      absl::StrAppend(&shown, record.stream == Stream::kStdout ? "out:" : "err:", record.bytes,
                      "|");
    }
    return shown;
  }

  std::unique_ptr<RecordFile> file_;
};

TEST_F(LineSpoolerTest, APartialLineWaitsForItsEndWhileTheOtherStreamGoesOn) {
  LineSpooler spooler(file_.get(), nullptr, kWait);
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "one\ntw", kStart).ok());
  EXPECT_EQ(Logged(), "out:one\n|");
  ASSERT_TRUE(spooler.Add(Stream::kStderr, kStart, "warning\n", kStart).ok());
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "o\n", kStart).ok());
  EXPECT_EQ(Logged(), "out:one\n|err:warning\n|out:two\n|");
  EXPECT_EQ(spooler.next_due(), absl::InfiniteFuture());
}

TEST_F(LineSpoolerTest, APartialLineWaitsNoLongerThanItMay) {
  LineSpooler spooler(file_.get(), nullptr, kWait);
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "prompt> ", kStart).ok());
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "more", kStart + kWait / 2).ok());
  EXPECT_EQ(spooler.next_due(), kStart + kWait) << "the first bytes set the time";
  EXPECT_EQ(spooler.taken_end(Stream::kStdout), 12);
  ASSERT_TRUE(spooler.FlushDue(kStart + kWait - absl::Milliseconds(1)).ok());
  EXPECT_EQ(Logged(), "");
  ASSERT_TRUE(spooler.FlushDue(kStart + kWait).ok());
  EXPECT_EQ(Logged(), "out:prompt> more|");
  EXPECT_EQ(file_->source_end(Stream::kStdout), 12);
}

TEST_F(LineSpoolerTest, ALineLongerThanARecordIsCut) {
  LineSpooler spooler(file_.get(), nullptr, kWait);
  const std::string line(log::kMaxRecordBytes + 10, 'x');
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, line, kStart).ok());
  EXPECT_EQ(file_->end_offset(), static_cast<int64_t>(log::kMaxRecordBytes));
  ASSERT_TRUE(spooler.FlushLast(Stream::kStdout).ok());
  EXPECT_EQ(file_->end_offset(), static_cast<int64_t>(line.size()));
}

TEST_F(LineSpoolerTest, RecordsCarryTheTimeOfTheirFirstBytes) {
  LineSpooler spooler(file_.get(), nullptr, kWait);
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "a", kStart).ok());
  ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart + absl::Seconds(1), "b\nc", kStart).ok());
  ASSERT_TRUE(spooler.FlushLast(Stream::kStdout).ok());
  const auto records = *file_->Read(0, 100);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].time, kStart);
  EXPECT_EQ(records[1].time, kStart + absl::Seconds(1));
}

// Replaces "SECRET" and holds back what may be its beginning.
class WordMasker : public Masker {
 public:
  Masked Mask(Stream, absl::string_view pending, size_t ready, bool last) override {
    const size_t found = pending.find("SECRET");
    if (found == 0) return {6, "***"};
    if (found != absl::string_view::npos) return {found, std::string(pending.substr(0, found))};
    size_t safe = pending.size();
    for (size_t held = 1; !last && held < 6 && held <= pending.size(); ++held) {
      if (absl::string_view("SECRET").substr(0, held) == pending.substr(pending.size() - held)) {
        safe = pending.size() - held;
      }
    }
    safe = std::min(safe, ready);
    return {safe, std::string(pending.substr(0, safe))};
  }
};

TEST_F(LineSpoolerTest, AMaskerSeesASecretThatComesInTwoPieces) {
  WordMasker masker;
  for (size_t cut = 0; cut <= 6; ++cut) {
    LineSpooler spooler(file_.get(), &masker, kWait);
    const int64_t source_before = file_->source_end(Stream::kStdout);
    const int64_t before = file_->end_offset();
    const std::string secret = "SECRET";
    ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, "is " + secret.substr(0, cut), kStart).ok());
    ASSERT_TRUE(spooler.FlushDue(kStart + kWait).ok()) << "the wait must not show its beginning";
    ASSERT_TRUE(spooler.Add(Stream::kStdout, kStart, secret.substr(cut) + ".\n", kStart).ok());
    ASSERT_TRUE(spooler.FlushLast(Stream::kStdout).ok());
    std::string logged;
    const auto records = file_->Read(before, 100);
    for (const log::Record& record : *records) logged += record.bytes;
    EXPECT_EQ(logged, "is ***.\n") << "cut at " << cut;
    EXPECT_EQ(file_->source_end(Stream::kStdout), source_before + 11);
  }
}

}  // namespace
}  // namespace rally::logs
