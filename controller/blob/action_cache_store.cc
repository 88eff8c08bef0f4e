#include "controller/blob/action_cache_store.h"

#include <sqlite3.h>

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

constexpr int kSchemaVersion = 1;
// What an entry takes besides its bytes: its key, twice, and the rows' own.
constexpr int64_t kEntryOverheadBytes = 300;

// A statement that is finalised when it goes out of scope.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    result_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int at, int64_t value) {
    sqlite3_bind_int64(statement_, at, value);
    return *this;
  }
  // The text must live until the last step.
  Statement& Bind(int at, absl::string_view text) {
    sqlite3_bind_blob64(statement_, at, text.empty() ? "" : text.data(), text.size(),
                        SQLITE_STATIC);
    return *this;
  }
  int Step() { return result_ == SQLITE_OK ? sqlite3_step(statement_) : result_; }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) const {
    const void* const bytes = sqlite3_column_blob(statement_, column);
    return bytes == nullptr ? std::string()
                            : std::string(static_cast<const char*>(bytes),
                                          sqlite3_column_bytes(statement_, column));
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int result_;
};

// SQLite doesn't notice a flipped bit, and an exit code of 1 that became 0 would be believed.
int64_t Checksum(absl::string_view instance, const std::string& action, absl::string_view bytes) {
  blob::Hasher hasher;
  hasher.Update(absl::StrCat(instance, "\n", action, "\n"));
  hasher.Update(bytes);
  uint64_t first = 0;
  if (!absl::SimpleHexAtoi(hasher.Finish().hash.substr(0, 16), &first)) return 0;
  return static_cast<int64_t>(first);
}

int64_t Cost(size_t bytes) { return static_cast<int64_t>(bytes) + kEntryOverheadBytes; }

}  // namespace

absl::StatusOr<std::unique_ptr<ActionCacheStore>> ActionCacheStore::Open(const std::string& path,
                                                                         const Options& options) {
  auto store = std::unique_ptr<ActionCacheStore>(new ActionCacheStore(path, options));
  absl::MutexLock lock(&store->mutex_);
  absl::Status status = store->OpenFile();
  if (absl::IsDataLoss(status)) status = store->BeginAnew(status);
  if (!status.ok()) return status;
  return store;
}

ActionCacheStore::~ActionCacheStore() { sqlite3_close(db_); }

absl::Status ActionCacheStore::OpenFile() {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr) != SQLITE_OK) return Error("opening it");
  return Initialise();
}

absl::Status ActionCacheStore::Initialise() {
  for (const char* sql : {
           "PRAGMA locking_mode=EXCLUSIVE",
           "PRAGMA journal_mode=WAL",
           // It is a cache: a power loss may cost entries, but no order between them.
           "PRAGMA synchronous=NORMAL",
           "PRAGMA journal_size_limit=16777216",
           "PRAGMA mmap_size=0",
       }) {
    if (absl::Status status = Execute(sql); !status.ok()) return status;
  }
  int64_t version = 0;
  {
    Statement query(db_, "PRAGMA user_version");
    if (query.Step() != SQLITE_ROW) return Error("reading its version");
    version = query.Integer(0);
  }
  if (version == 0) {
    absl::Status status = Execute(
        "BEGIN IMMEDIATE;"
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, instance BLOB NOT NULL,"
        " action BLOB NOT NULL, bytes BLOB NOT NULL, cost INTEGER NOT NULL,"
        " used INTEGER NOT NULL, checksum INTEGER NOT NULL, UNIQUE (instance, action)) STRICT;"
        "CREATE INDEX by_use ON entries (used, cost);"
        "PRAGMA user_version=1;"
        "COMMIT");
    if (!status.ok()) return status;
  } else if (version != kSchemaVersion) {
    return absl::DataLossError(absl::StrCat("it has format ", version, ", which is unknown here"));
  }
  Statement sums(db_, "SELECT count(*), total(cost), max(used) FROM entries INDEXED BY by_use");
  if (sums.Step() != SQLITE_ROW) return Error("counting its entries");
  entries_ = sums.Integer(0);
  bytes_ = sums.Integer(1);
  uses_ = sums.Integer(2);
  return Evict();
}

absl::StatusOr<std::string> ActionCacheStore::Get(absl::string_view instance,
                                                  const blob::Digest& action) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::string> bytes = Find(instance, action);
  if (!absl::IsDataLoss(bytes.status())) return bytes;
  if (absl::Status begun = BeginAnew(bytes.status()); !begun.ok()) return begun;
  return absl::NotFoundError("the action cache was damaged and is empty now");
}

absl::StatusOr<std::string> ActionCacheStore::Find(absl::string_view instance,
                                                   const blob::Digest& action) {
  if (db_ == nullptr) return absl::DataLossError("its file is not open");
  const std::string key = action.ToString();
  std::string bytes;
  int64_t id, cost, used;
  bool intact;
  {
    Statement query(db_,
                    "SELECT id, bytes, cost, used, checksum FROM entries"
                    " WHERE instance = ?1 AND action = ?2");
    const int result = query.Bind(1, instance).Bind(2, key).Step();
    if (result == SQLITE_DONE) {
      return absl::NotFoundError(absl::StrCat("no result of action ", key, " is known"));
    }
    if (result != SQLITE_ROW) return Error("looking up an action");
    id = query.Integer(0);
    bytes = query.Bytes(1);
    cost = query.Integer(2);
    used = query.Integer(3);
    intact = query.Integer(4) == Checksum(instance, key, bytes);
  }
  if (!intact) {
    LOG(ERROR) << "action=" << key << " instance=" << instance << " has a damaged entry, dropped";
    if (absl::Status status = Remove(id, cost); !status.ok()) return status;
    return absl::NotFoundError(absl::StrCat("the result of action ", key, " was damaged"));
  }
  // An entry among those used last stays far from eviction without another write.
  if (uses_ - used > entries_ / 8) {
    if (absl::Status status = Touch(id); !status.ok() && absl::IsDataLoss(status)) return status;
  }
  return bytes;
}

absl::Status ActionCacheStore::Put(absl::string_view instance, const blob::Digest& action,
                                   absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  if (Cost(bytes.size()) > options_.max_bytes / 2) {
    return absl::ResourceExhaustedError("the result is too large for the action cache");
  }
  absl::Status status = Insert(instance, action, bytes);
  if (absl::IsDataLoss(status)) {
    status = BeginAnew(status);
    if (status.ok()) status = Insert(instance, action, bytes);
  }
  if (!status.ok()) return status;
  return Evict();
}

absl::Status ActionCacheStore::Insert(absl::string_view instance, const blob::Digest& action,
                                      absl::string_view bytes) {
  if (db_ == nullptr) return absl::DataLossError("its file is not open");
  const std::string key = action.ToString();
  int64_t old_cost = 0;
  {
    Statement query(db_, "SELECT cost FROM entries WHERE instance = ?1 AND action = ?2");
    const int result = query.Bind(1, instance).Bind(2, key).Step();
    if (result != SQLITE_ROW && result != SQLITE_DONE) return Error("looking up an action");
    if (result == SQLITE_ROW) old_cost = query.Integer(0);
  }
  Statement insert(db_,
                   "INSERT INTO entries (instance, action, bytes, cost, used, checksum)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (instance, action) DO UPDATE SET"
                   " bytes = excluded.bytes, cost = excluded.cost, used = excluded.used,"
                   " checksum = excluded.checksum");
  const int64_t cost = Cost(bytes.size());
  insert.Bind(1, instance).Bind(2, key).Bind(3, bytes).Bind(4, cost).Bind(5, uses_ + 1);
  if (insert.Bind(6, Checksum(instance, key, bytes)).Step() != SQLITE_DONE) {
    return Error("storing an action's result");
  }
  ++uses_;
  entries_ += old_cost == 0 ? 1 : 0;
  bytes_ += cost - old_cost;
  return absl::OkStatus();
}

absl::Status ActionCacheStore::Touch(int64_t id) {
  Statement update(db_, "UPDATE entries SET used = ?1 WHERE id = ?2");
  if (update.Bind(1, uses_ + 1).Bind(2, id).Step() != SQLITE_DONE) {
    return Error("noting a use");
  }
  ++uses_;
  return absl::OkStatus();
}

absl::Status ActionCacheStore::Remove(int64_t id, int64_t cost) {
  Statement remove(db_, "DELETE FROM entries WHERE id = ?1");
  if (remove.Bind(1, id).Step() != SQLITE_DONE) return Error("dropping an entry");
  --entries_;
  bytes_ -= cost;
  return absl::OkStatus();
}

absl::Status ActionCacheStore::Evict() {
  if (entries_ <= options_.max_entries && bytes_ <= options_.max_bytes) return absl::OkStatus();
  // A tenth more than has to go, so that not each Put evicts.
  const int64_t keep_entries = options_.max_entries - options_.max_entries / 10;
  const int64_t keep_bytes = options_.max_bytes - options_.max_bytes / 10;
  int64_t entries = entries_, bytes = bytes_, last_used = -1;
  {
    Statement oldest(db_, "SELECT used, cost FROM entries INDEXED BY by_use ORDER BY used");
    int result;
    while ((entries > keep_entries || bytes > keep_bytes) &&
           (result = oldest.Step()) == SQLITE_ROW) {
      last_used = oldest.Integer(0);
      --entries;
      bytes -= oldest.Integer(1);
    }
  }
  // No two entries were used at one time.
  Statement remove(db_, "DELETE FROM entries WHERE used <= ?1");
  if (remove.Bind(1, last_used).Step() != SQLITE_DONE) return Error("evicting entries");
  LOG(INFO) << "action cache: evicted " << entries_ - entries << " of " << entries_ << " entries";
  entries_ = entries;
  bytes_ = bytes;
  return absl::OkStatus();
}

absl::Status ActionCacheStore::BeginAnew(const absl::Status& why) {
  LOG(ERROR) << "the action cache " << path_ << " can't be used (" << why.message()
             << "); it is set aside as " << path_ << ".damaged, and a new one begins empty";
  sqlite3_close(db_);
  db_ = nullptr;
  std::remove((path_ + "-wal").c_str());
  std::remove((path_ + "-shm").c_str());
  if (std::rename(path_.c_str(), (path_ + ".damaged").c_str()) != 0) std::remove(path_.c_str());
  entries_ = bytes_ = uses_ = 0;
  return OpenFile();
}

int64_t ActionCacheStore::entries() {
  absl::MutexLock lock(&mutex_);
  return entries_;
}

int64_t ActionCacheStore::bytes() {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

absl::Status ActionCacheStore::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error(sql);
}

absl::Status ActionCacheStore::Error(const char* doing) const {
  const int code = sqlite3_errcode(db_) & 0xff;
  const std::string text =
      absl::StrCat("action cache ", path_, ": ", doing, ": ", sqlite3_errmsg(db_));
  switch (code) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, "; free some space"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // A table that is not there, or not as it was made.
    case SQLITE_CONSTRAINT:
      return absl::DataLossError(text);
    default:
      return absl::UnavailableError(text);
  }
}

}  // namespace rally::cas
