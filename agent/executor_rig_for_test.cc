#include "agent/executor_rig_for_test.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/attempt_name.h"
#include "agent/keeper/embedded.h"
#include "google/protobuf/util/time_util.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

constexpr char kBuild[] = "b1";
constexpr char kImage[] = "docker.io/library/busybox:latest";
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

absl::Status FakeWorkspaces::Enter(const std::string& method) {
  ++calls_[method];
  std::vector<absl::Status>& failures = failures_[method];
  if (failures.empty()) return absl::OkStatus();
  const absl::Status status = failures.front();
  failures.erase(failures.begin());
  return status;
}

absl::StatusOr<std::string> FakeWorkspaces::CreateMountPoint(const std::string& attempt) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Enter("CreateMountPoint"); !status.ok()) return status;
  attempts_.emplace(attempt, "");
  return std::string("/");  // A directory that an image can be looked for in.
}

absl::Status FakeWorkspaces::EnsureTree(const blob::Digest&, absl::Time) {
  absl::MutexLock lock(&mutex_);
  return Enter("EnsureTree");
}

absl::Status FakeWorkspaces::Mount(const std::string& attempt, const blob::Digest& root,
                                   uint32_t uid, uint32_t gid) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Enter("Mount"); !status.ok()) return status;
  attempts_[attempt] = absl::StrCat(root.hash.substr(0, 4), ":", uid, ":", gid);
  return absl::OkStatus();
}

absl::StatusOr<workspace::WorkspaceStore::CaptureResult> FakeWorkspaces::Capture(
    const std::string& attempt, const runtime::CallLimits& limits) {
  bool held;
  {
    absl::MutexLock lock(&mutex_);
    if (absl::Status status = Enter("Capture"); !status.ok()) return status;
    held = captures_held_;
  }
  if (held) {
    runtime::Pause(absl::InfiniteDuration(), limits);
    return CheckLimits(limits, "capturing");
  }
  absl::MutexLock lock(&mutex_);
  if (attempts_.count(attempt) == 0) return absl::NotFoundError("no such attempt");
  CaptureResult result;
  result.output_root = blob::DigestOf(attempt);
  return result;
}

absl::StatusOr<std::vector<blob::Digest>> FakeWorkspaces::FindLost(const blob::Digest&,
                                                                   absl::Time) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Enter("FindLost"); !status.ok()) return status;
  return lost_;
}

std::vector<blob::Digest> FakeWorkspaces::SendAgain(absl::Span<const blob::Digest> blobs,
                                                    absl::Time) {
  absl::MutexLock lock(&mutex_);
  if (!Enter("SendAgain").ok()) return {};
  std::vector<blob::Digest> sent;
  for (const blob::Digest& blob : blobs) {
    if (std::find(kept_.begin(), kept_.end(), blob) != kept_.end()) sent.push_back(blob);
  }
  return sent;
}

void FakeWorkspaces::Lose(std::vector<blob::Digest> lost) {
  absl::MutexLock lock(&mutex_);
  lost_ = std::move(lost);
}

void FakeWorkspaces::Keep(std::vector<blob::Digest> kept) {
  absl::MutexLock lock(&mutex_);
  kept_ = std::move(kept);
}

absl::Status FakeWorkspaces::Discard(const std::string& attempt) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Enter("Discard"); !status.ok()) return status;
  attempts_.erase(attempt);
  return absl::OkStatus();
}

std::vector<std::string> FakeWorkspaces::Attempts() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [name, mounted] : attempts_) names.push_back(name);
  return names;
}

bool FakeWorkspaces::HasTree(const blob::Digest&) const { return false; }

void FakeWorkspaces::HoldCaptures() {
  absl::MutexLock lock(&mutex_);
  captures_held_ = true;
}

void FakeWorkspaces::FailNext(const std::string& method, absl::Status status, int times) {
  absl::MutexLock lock(&mutex_);
  failures_[method].insert(failures_[method].end(), times, status);
}

int FakeWorkspaces::CallCount(const std::string& method) const {
  absl::MutexLock lock(&mutex_);
  auto it = calls_.find(method);
  return it == calls_.end() ? 0 : it->second;
}

std::string FakeWorkspaces::Mounted(const std::string& attempt) const {
  absl::MutexLock lock(&mutex_);
  auto it = attempts_.find(attempt);
  return it == attempts_.end() ? "" : it->second;
}

void FakeLogSink::Add(const v1::AttemptKey& key, std::shared_ptr<logs::AttemptLog> log,
                      absl::optional<int64_t>) {
  absl::MutexLock lock(&mutex_);
  logs_[AttemptName(key)] = std::move(log);
}

void FakeLogSink::Resume(const v1::AttemptKey&, int64_t) {}

void FakeLogSink::CloseAt(const v1::AttemptKey&, int64_t) {}

void FakeLogSink::Drop(const v1::AttemptKey& key) {
  absl::MutexLock lock(&mutex_);
  logs_.erase(AttemptName(key));
}

void FakeLogSink::Clear() {
  absl::MutexLock lock(&mutex_);
  logs_.clear();
}

bool FakeLogSink::Has(const std::string& attempt) const {
  absl::MutexLock lock(&mutex_);
  return logs_.count(attempt) > 0;
}

std::string FakeLogSink::Text(const std::string& attempt) const {
  absl::MutexLock lock(&mutex_);
  auto it = logs_.find(attempt);
  if (it == logs_.end()) return "(no log)";
  auto records = it->second->spool().Read(0, 1 << 20);
  if (!records.ok()) return records.status().ToString();
  std::string text;
  for (const log::Record& record : *records) text += record.bytes;
  return text;
}

ExecutorRig::ExecutorRig(int slots) : slots_(slots) {
  directory_ = absl::StrCat(::testing::TempDir(), "/rig.XXXXXX");
  if (mkdtemp(&directory_[0]) == nullptr) std::abort();
  runtime::Image image;
  image.name = kImage;
  image.digest = "sha256:0123";
  image.account.uid = 7;
  image.account.gid = 8;
  host_.AddImage(kImage, image);
  runtime::FakeScript script;
  script.runs_until_ended = true;
  host_.SetDefaultScript(script);
  limits_.kill_grace = absl::Milliseconds(30);
  limits_.first_retry_pause = absl::Milliseconds(1);
  limits_.longest_retry_pause = absl::Milliseconds(20);
  Start(/*rebooted=*/false);
}

ExecutorRig::~ExecutorRig() {
  if (executor_ != nullptr) executor_->Stop(/*end_steps=*/true);
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ExecutorRig::Start(bool rebooted) {
  auto data = DataDirectory::Open(directory_);
  ASSERT_EQ(data.status(), absl::OkStatus());
  data_ = *std::move(data);
  auto journal = Journal::Open(data_->journal());
  ASSERT_EQ(journal.status(), absl::OkStatus());
  journal_ = *std::move(journal);
  runtime_ = std::make_unique<runtime::FakeRuntime>(&host_);
  logs::KeeperClient::Options keeping;
  keeping.directory = data_->keeper();
  keeping.executable = keeper::EmbeddedKeeper();
  auto keeper = logs::KeeperClient::Start(keeping);
  ASSERT_EQ(keeper.status(), absl::OkStatus());
  keeper_ = *std::move(keeper);
  auto clock = StepClock::Start();
  ASSERT_EQ(clock.status(), absl::OkStatus());
  clock_ = *std::move(clock);
  outbox_ = std::make_unique<Outbox>();
  AttemptTools tools;
  tools.runtime = runtime_.get();
  tools.workspaces = &workspaces_;
  tools.keeper = keeper_.get();
  tools.journal = journal_.get();
  tools.data = data_.get();
  tools.clock = clock_.get();
  tools.outbox = outbox_.get();
  tools.logs = &logs_;
  tools.limits = limits_;
  executor_ = std::make_unique<Executor>(tools, slots_);
  outbox_->Open();
  ASSERT_EQ(executor_->Recover(rebooted), absl::OkStatus());
}

void ExecutorRig::Stop() {
  if (executor_ == nullptr) return;
  executor_->Stop(/*end_steps=*/false);
  logs_.Clear();  // A process that ends closes its files.
  executor_.reset();
  outbox_.reset();
  clock_.reset();
  keeper_->ExitIfIdle().IgnoreError();  // It stays while it holds something.
  keeper_.reset();
  runtime_.reset();
  journal_.reset();
  data_.reset();
}

void ExecutorRig::Restart(bool rebooted) {
  Stop();
  Start(rebooted);
}

v1::AttemptKey ExecutorRig::Key(int step, int attempt) {
  v1::AttemptKey key;
  key.set_build_id(kBuild);
  key.set_step(step);
  key.set_attempt(attempt);
  return key;
}

v1::Prepare ExecutorRig::Prepare(int step, int attempt) const {
  v1::Prepare prepare;
  *prepare.mutable_key() = Key(step, attempt);
  prepare.set_epoch(1);
  prepare.mutable_spec()->set_step_id(absl::StrCat("step-", step));
  prepare.mutable_spec()->set_image(kImage);
  prepare.mutable_spec()->add_args("true");
  return prepare;
}

v1::StartGrant ExecutorRig::Grant(int step, absl::Duration timeout, int attempt) const {
  v1::StartGrant grant;
  *grant.mutable_key() = Key(step, attempt);
  grant.set_epoch(1);
  grant.mutable_input()->set_hash(std::string(64, 'a'));
  grant.mutable_input()->set_size_bytes(1);
  *grant.mutable_timeout_left() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(timeout));
  return grant;
}

v1::Cancel ExecutorRig::Cancel(int step, bool discard, int attempt) const {
  v1::Cancel cancel;
  *cancel.mutable_key() = Key(step, attempt);
  cancel.set_discard(discard);
  *cancel.mutable_grace() = google::protobuf::util::TimeUtil::MillisecondsToDuration(30);
  return cancel;
}

v1::AgentMessage ExecutorRig::Await(v1::AgentMessage::MessageCase kind) {
  v1::AgentMessage message;
  while (outbox_->Take(kPatience, &message) == Outbox::Taken::kMessage) {
    if (message.message_case() == kind) return message;
  }
  ADD_FAILURE() << "the agent said nothing of kind " << kind;
  return v1::AgentMessage();
}

void ExecutorRig::Run(int step, absl::Duration timeout) {
  executor_->OnPrepare(Prepare(step));
  Await(v1::AgentMessage::kPrepared);
  executor_->OnStartGrant(Grant(step, timeout));
  Await(v1::AgentMessage::kStarted);
}

void ExecutorRig::Acknowledge(int step) {
  executor_->OnLogDurable(Key(step));
  executor_->OnResultAck(Key(step));
  EXPECT_TRUE(AwaitGone(step));
  EXPECT_TRUE(AwaitIdle());
}

bool ExecutorRig::IsGone(int step) const {
  const std::string name = AttemptName(Key(step));
  for (const v1::AttemptReport& report : executor_->Summaries()) {
    if (AttemptName(report.key()) == name) return false;
  }
  for (const std::string& attempt : workspaces_.Attempts()) {
    if (attempt == name) return false;
  }
  return !host_.Exists(name) && !std::filesystem::exists(data_->spool(name)) &&
         !std::filesystem::exists(data_->stdout_fifo(name)) &&
         !std::filesystem::exists(data_->start_report(name)) && !logs_.Has(name);
}

bool ExecutorRig::AwaitIdle() const {
  return testing::Eventually(kPatience, [this] { return executor_->HoldsNothing(); });
}

bool ExecutorRig::AwaitGone(int step) const {
  return testing::Eventually(kPatience, [this, step] { return IsGone(step); });
}

}  // namespace rally::agent
