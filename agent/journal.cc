#include "agent/journal.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/attempt_name.h"
#include "glog/logging.h"

namespace rally::agent {
namespace {

constexpr int kSchemaVersion = 1;

constexpr char kPutAttempt[] =
    "INSERT INTO attempts (name, record) VALUES (?1, ?2) "
    "ON CONFLICT (name) DO UPDATE SET record = excluded.record";
constexpr char kRemoveAttempt[] = "DELETE FROM attempts WHERE name = ?1";
constexpr char kPutMeta[] =
    "INSERT INTO meta (name, value) VALUES (?1, ?2) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value";

class Statement {
 public:
  ~Statement() { sqlite3_finalize(statement_); }
  int Prepare(sqlite3* db, const char* sql) {
    return sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr);
  }
  sqlite3_stmt* get() const { return statement_; }

  std::string Bytes(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    return std::string(static_cast<const char*>(bytes),
                       bytes == nullptr ? 0 : sqlite3_column_bytes(statement_, column));
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

absl::StatusOr<std::string> RandomIncarnation() {
  std::string bytes(16, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::InternalError("the kernel gave no random bytes for the agent's incarnation");
  }
  return absl::BytesToHexString(bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Journal> journal(new Journal(db));
  absl::Status status = code == SQLITE_OK ? journal->Configure() : journal->Error(code, "open");
  if (status.ok()) status = journal->Load();
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("the agent's journal ", path, ": ", status.message()));
  }
  journal->writer_ = std::thread([j = journal.get()] { j->WriteLoop(); });
  return journal;
}

Journal::~Journal() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (writer_.joinable()) writer_.join();
  sqlite3_close(db_);
}

absl::Status Journal::Error(int code, const char* what) const {
  const std::string message = absl::StrCat(
      "cannot ", what, ": ", db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; free some space"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          absl::StrCat(message,
                       "; move the file away to start as a new agent (the attempts that it "
                       "held are then tried again by the controller)"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status Journal::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code, "write");
}

absl::Status Journal::Configure() {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 5000);
  // The journal is small: a few pages of cache do.
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                             "PRAGMA mmap_size=0", "PRAGMA cache_size=-256"}) {
    if (absl::Status status = Execute(pragma); !status.ok()) return status;
  }
  Statement check;
  int code = check.Prepare(db_, "PRAGMA quick_check(1)");
  if (code == SQLITE_OK) code = sqlite3_step(check.get());
  if (code != SQLITE_ROW) return Error(code, "check");
  if (check.Bytes(0) != "ok") {
    return absl::DataLossError(absl::StrCat("damaged: ", check.Bytes(0), "; move it away"));
  }
  Statement version;
  code = version.Prepare(db_, "PRAGMA user_version");
  if (code == SQLITE_OK) code = sqlite3_step(version.get());
  if (code != SQLITE_ROW) return Error(code, "read");
  const int found = sqlite3_column_int(version.get(), 0);
  if (found > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("written by a newer rally-agent (schema ",
                                                      found, ", this one knows ", kSchemaVersion,
                                                      "); install that version again"));
  }
  return absl::OkStatus();
}

absl::Status Journal::Load() {
  absl::Status status = Execute(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
      "CREATE TABLE IF NOT EXISTS attempts (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;"
      "PRAGMA user_version = 1;"
      "COMMIT");
  if (status.ok()) status = LoadMeta();
  if (status.ok()) status = LoadAttempts();
  if (!status.ok() || !incarnation_.empty()) return status;
  auto incarnation = RandomIncarnation();
  if (!incarnation.ok()) return incarnation.status();
  Write write;
  write.sql = kPutMeta;
  write.parameters = {"incarnation", *incarnation};
  incarnation_ = *std::move(incarnation);
  return Execute(write);
}

absl::Status Journal::LoadMeta() {
  Statement select;
  int code = select.Prepare(db_, "SELECT name, value FROM meta");
  if (code != SQLITE_OK) return Error(code, "read");
  absl::MutexLock lock(&mutex_);
  while ((code = sqlite3_step(select.get())) == SQLITE_ROW) {
    const std::string name = select.Bytes(0);
    if (name == "incarnation") incarnation_ = select.Bytes(1);
    if (name == "boot_id") found_boot_id_ = select.Bytes(1);
    if (name == "highest_epoch" && !absl::SimpleAtoi(select.Bytes(1), &highest_epoch_)) {
      return absl::DataLossError("the highest epoch is no number; move the file away");
    }
  }
  return code == SQLITE_DONE ? absl::OkStatus() : Error(code, "read");
}

absl::Status Journal::LoadAttempts() {
  Statement select;
  int code = select.Prepare(db_, "SELECT name, record FROM attempts ORDER BY name");
  if (code != SQLITE_OK) return Error(code, "read");
  while ((code = sqlite3_step(select.get())) == SQLITE_ROW) {
    v1::AttemptRecord record;
    if (!record.ParseFromString(select.Bytes(1)) ||
        AttemptName(record.prepare().key()) != select.Bytes(0)) {
      return absl::DataLossError(absl::StrCat("the record of attempt ", select.Bytes(0),
                                              " cannot be read; move the file away"));
    }
    found_attempts_.push_back(std::move(record));
  }
  return code == SQLITE_DONE ? absl::OkStatus() : Error(code, "read");
}

absl::Status Journal::Put(const v1::AttemptRecord& record) {
  Write write;
  write.sql = kPutAttempt;
  write.parameters = {AttemptName(record.prepare().key()), record.SerializeAsString()};
  return Perform(&write);
}

absl::Status Journal::Remove(const v1::AttemptKey& key) {
  Write write;
  write.sql = kRemoveAttempt;
  write.parameters = {AttemptName(key)};
  return Perform(&write);
}

absl::Status Journal::SetBootId(const std::string& boot_id) {
  Write write;
  write.sql = kPutMeta;
  write.parameters = {"boot_id", boot_id};
  return Perform(&write);
}

absl::Status Journal::RaiseEpoch(int64_t epoch) {
  if (epoch <= highest_epoch()) return absl::OkStatus();
  Write write;
  write.sql = kPutMeta;
  write.parameters = {"highest_epoch", absl::StrCat(epoch)};
  absl::Status status = Perform(&write);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  highest_epoch_ = std::max(highest_epoch_, epoch);
  return absl::OkStatus();
}

int64_t Journal::highest_epoch() const {
  absl::MutexLock lock(&mutex_);
  return highest_epoch_;
}

absl::Status Journal::Perform(Write* write) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(write);
  mutex_.Await(absl::Condition(&write->done));
  return write->status;
}

void Journal::WriteLoop() {
  while (true) {
    std::deque<Write*> batch;
    {
      absl::MutexLock lock(&mutex_);
      auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    const absl::Status status = Commit(batch);
    absl::MutexLock lock(&mutex_);
    for (Write* write : batch) {
      write->status = status;
      write->done = true;
    }
  }
}

absl::Status Journal::Commit(const std::deque<Write*>& batch) {
  absl::Status status = Execute("BEGIN IMMEDIATE");
  for (const Write* write : batch) {
    if (status.ok()) status = Execute(*write);
  }
  if (status.ok()) status = Execute("COMMIT");
  if (status.ok()) return status;
  // After a failed fsync nobody knows what is on the disk, and asking again would lie.
  if ((sqlite3_extended_errcode(db_) & 0xff) == SQLITE_IOERR) {
    LOG(FATAL) << "the disk failed under the agent's journal (" << status.message()
               << "); ending, to start again from what is there";
  }
  if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return absl::Status(status.code(), absl::StrCat("the agent's journal: ", status.message()));
}

absl::Status Journal::Execute(const Write& write) {
  Statement statement;
  int code = statement.Prepare(db_, write.sql);
  for (size_t i = 0; code == SQLITE_OK && i < write.parameters.size(); ++i) {
    const std::string& value = write.parameters[i];
    const int index = static_cast<int>(i) + 1;
    code =
        i == 0
            ? sqlite3_bind_text(statement.get(), index, value.data(), value.size(), SQLITE_STATIC)
            : sqlite3_bind_blob(statement.get(), index, value.data(), value.size(), SQLITE_STATIC);
  }
  if (code == SQLITE_OK) code = sqlite3_step(statement.get());
  return code == SQLITE_DONE ? absl::OkStatus() : Error(code, "write");
}

}  // namespace rally::agent
