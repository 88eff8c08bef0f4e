#ifndef RALLY_CONTROLLER_STORE_SQLITE_JOURNAL_H_
#define RALLY_CONTROLLER_STORE_SQLITE_JOURNAL_H_

#include <sqlite3.h>

#include <memory>
#include <string>

#include "controller/store/journal.h"

namespace rally::store {

// The journal in one SQLite file, write-ahead log, synchronous=FULL. It holds the only connection
// to that file and takes it exclusively: SQLite 3.40 can damage a file that two connections
// checkpoint at once, so nothing else may open a live journal.
class SqliteJournal : public Journal {
 public:
  // Makes the file when there is none. FailedPrecondition for a file of a newer Rally, or one that
  // another process holds; DataLoss when the file doesn't pass SQLite's check.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(const std::string& path);
  ~SqliteJournal() override;

  SqliteJournal(const SqliteJournal&) = delete;
  SqliteJournal& operator=(const SqliteJournal&) = delete;

  absl::Status Append(absl::Span<const v1::JournalEvent> events) override;
  absl::Status Replay(const std::function<absl::Status(const v1::JournalEvent&)>& visit) override;
  absl::StatusOr<int64_t> NextEpoch() override;

 private:
  explicit SqliteJournal(std::string path) : path_(std::move(path)) {}

  absl::Status Initialise();
  absl::Status Execute(const char* sql);
  absl::StatusOr<int64_t> QueryInteger(const char* sql);
  // The last SQLite error as a status; `doing` is what was tried.
  absl::Status Error(const char* doing) const;

  std::string path_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

}  // namespace rally::store

#endif  // RALLY_CONTROLLER_STORE_SQLITE_JOURNAL_H_
