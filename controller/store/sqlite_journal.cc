#include "controller/store/sqlite_journal.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace rally::store {
namespace {

constexpr int kSchemaVersion = 1;

// A statement that is finalised when it goes out of scope.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    result_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  bool ok() const { return result_ == SQLITE_OK; }
  sqlite3_stmt* get() const { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int result_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path) {
  auto journal = std::unique_ptr<SqliteJournal>(new SqliteJournal(path));
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &journal->db_, flags, nullptr) != SQLITE_OK) {
    return journal->Error("opening it");
  }
  absl::Status status = journal->Initialise();
  if (!status.ok()) return status;
  return journal;
}

SqliteJournal::~SqliteJournal() {
  sqlite3_finalize(insert_);
  sqlite3_close(db_);
}

absl::Status SqliteJournal::Initialise() {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 5000);
  for (const char* sql : {
           "PRAGMA locking_mode=EXCLUSIVE",
           "PRAGMA journal_mode=WAL",
           "PRAGMA synchronous=FULL",
           "PRAGMA mmap_size=0",
       }) {
    if (absl::Status status = Execute(sql); !status.ok()) return status;
  }
  Statement check(db_, "PRAGMA quick_check(1)");
  if (!check.ok() || sqlite3_step(check.get()) != SQLITE_ROW) return Error("checking it");
  const std::string verdict = reinterpret_cast<const char*>(sqlite3_column_text(check.get(), 0));
  if (verdict != "ok") {
    return absl::DataLossError(absl::StrCat("the journal ", path_, " is damaged (", verdict,
                                            "); restore it from a backup, or move it away to start "
                                            "with no builds"));
  }
  absl::StatusOr<int64_t> version = QueryInteger("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the journal ", path_, " has format ", *version,
        ", which a newer rally-controller wrote; this one knows formats up to ", kSchemaVersion));
  }
  if (*version == 0) {
    absl::Status status = Execute(
        "BEGIN IMMEDIATE;"
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, event BLOB NOT NULL) STRICT;"
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "INSERT INTO meta VALUES ('epoch', 0);"
        "PRAGMA user_version=1;"
        "COMMIT");
    if (!status.ok()) return status;
  }
  if (sqlite3_prepare_v3(db_, "INSERT INTO events (event) VALUES (?1)", -1,
                         SQLITE_PREPARE_PERSISTENT, &insert_, nullptr) != SQLITE_OK) {
    return Error("preparing to write");
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::Append(absl::Span<const v1::JournalEvent> events) {
  // A transaction that could be neither committed nor rolled back must not swallow this one.
  if (sqlite3_get_autocommit(db_) == 0) Execute("ROLLBACK").IgnoreError();
  if (absl::Status status = Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  std::string bytes;
  for (const v1::JournalEvent& event : events) {
    event.SerializeToString(&bytes);
    sqlite3_bind_blob64(insert_, 1, bytes.data(), bytes.size(), SQLITE_STATIC);
    const int result = sqlite3_step(insert_);
    sqlite3_reset(insert_);
    if (result != SQLITE_DONE) {
      absl::Status status = Error("writing events");
      Execute("ROLLBACK").IgnoreError();  // the first error is the one to tell
      return status;
    }
  }
  absl::Status status = Execute("COMMIT");
  if (!status.ok()) Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status SqliteJournal::Replay(
    const std::function<absl::Status(const v1::JournalEvent&)>& visit) {
  Statement all(db_, "SELECT seq, event FROM events ORDER BY seq");
  if (!all.ok()) return Error("reading events");
  v1::JournalEvent event;
  int result;
  while ((result = sqlite3_step(all.get())) == SQLITE_ROW) {
    const int size = sqlite3_column_bytes(all.get(), 1);
    if (!event.ParseFromArray(sqlite3_column_blob(all.get(), 1), size)) {
      return absl::DataLossError(absl::StrCat("event ", sqlite3_column_int64(all.get(), 0),
                                              " of the journal ", path_, " can't be read"));
    }
    if (absl::Status status = visit(event); !status.ok()) return status;
  }
  return result == SQLITE_DONE ? absl::OkStatus() : Error("reading events");
}

absl::StatusOr<int64_t> SqliteJournal::NextEpoch() {
  absl::Status status = Execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'");
  if (!status.ok()) return status;
  return QueryInteger("SELECT value FROM meta WHERE name = 'epoch'");
}

absl::Status SqliteJournal::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error(sql);
}

absl::StatusOr<int64_t> SqliteJournal::QueryInteger(const char* sql) {
  Statement query(db_, sql);
  if (!query.ok() || sqlite3_step(query.get()) != SQLITE_ROW) return Error(sql);
  return sqlite3_column_int64(query.get(), 0);
}

absl::Status SqliteJournal::Error(const char* doing) const {
  const int code = sqlite3_extended_errcode(db_);
  const std::string text = absl::StrCat("journal ", path_, ": ", doing, ": ", sqlite3_errmsg(db_));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, "; free some space"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(
          absl::StrCat(text, "; does another rally-controller use it?"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_IOERR:
      // After a failed fsync the kernel may have dropped the pages: only reading the disk anew
      // tells what is there, and that is what a restart does. The same for a disk that fails.
      if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ||
          sqlite3_system_errno(db_) == EIO) {
        LOG(FATAL) << text << ": what is durable is unknown, stopping";
      }
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace rally::store
