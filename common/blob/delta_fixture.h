#ifndef RALLY_COMMON_BLOB_DELTA_FIXTURE_H_
#define RALLY_COMMON_BLOB_DELTA_FIXTURE_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/blob/delta.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gtest/gtest.h"

namespace rally::blob {

// A tree as text: path -> "content", "x:content" (executable), "->target", or "/" (directory).
// "content@7" has mtime 7, else 1.
using Paths = std::map<std::string, std::string>;

class DeltaTest : public ::testing::Test {
 protected:
  Digest Tree(const Paths& paths) { return Build(paths, ""); }

  // The other way round; directories are listed only when empty.
  Paths Read(const Digest& root, bool with_mtimes = true) {
    Paths paths;
    ReadInto(root, "", with_mtimes, &paths);
    return paths;
  }

  JoinResult MustJoin(const Digest& base, std::vector<StepTrees> deltas,
                      std::set<std::pair<int, int>> ordered = {}) {
    absl::StatusOr<JoinResult> result = Join(reader_, base, deltas, [&](int earlier, int later) {
      return ordered.count({earlier, later}) > 0;
    });
    EXPECT_EQ(result.status(), absl::OkStatus());
    for (const auto& [digest, bytes] : result->new_directories) {
      EXPECT_EQ(DigestOf(bytes), digest);
      store_.Put(bytes);
    }
    return *std::move(result);
  }

  // Steps called a, b, c... that all started from `base`.
  JoinResult JoinParallel(const Paths& base, const std::vector<Paths>& outputs) {
    const Digest base_root = Tree(base);
    std::vector<StepTrees> deltas;
    for (size_t i = 0; i < outputs.size(); ++i) {
      deltas.push_back({std::string(1, static_cast<char>('a' + i)), base_root, Tree(outputs[i])});
    }
    return MustJoin(base_root, deltas);
  }

  static std::vector<std::string> Text(const std::vector<Conflict>& conflicts) {
    std::vector<std::string> lines;
    for (const Conflict& c : conflicts) {
      lines.push_back(absl::StrCat(c.earlier_step, "-", c.later_step, ":", c.path));
    }
    return lines;
  }

  MemoryBlobStore store_;
  CachingDirectoryReader reader_{&store_};

 private:
  Digest Build(const Paths& paths, const std::string& prefix) {
    Directory directory;
    std::set<std::string> children;
    for (const auto& [path, value] : paths) {
      if (!absl::StartsWith(path, prefix)) continue;
      const std::string rest = path.substr(prefix.size());
      if (rest.empty()) continue;
      const size_t slash = rest.find('/');
      if (slash != std::string::npos) {
        children.insert(rest.substr(0, slash));
      } else if (value == "/") {
        children.insert(rest);
      } else if (absl::StartsWith(value, "->")) {
        *directory.add_symlinks() = MakeSymlinkNode(rest, value.substr(2));
      } else {
        const std::vector<std::string> parts = absl::StrSplit(value, '@');
        const absl::Time mtime = absl::FromUnixSeconds(parts.size() > 1 ? std::stoi(parts[1]) : 1);
        const bool executable = absl::StartsWith(parts[0], "x:");
        *directory.add_files() = MakeFileNode(rest, DigestOf(parts[0].substr(executable ? 2 : 0)),
                                              executable ? 0755 : 0644, mtime);
        contents_[DigestOf(parts[0].substr(executable ? 2 : 0))] =
            parts[0].substr(executable ? 2 : 0);
      }
    }
    for (const std::string& child : children) {
      *directory.add_directories() =
          MakeDirectoryNode(child, Build(paths, absl::StrCat(prefix, child, "/")));
    }
    Canonicalise(&directory);
    EXPECT_EQ(Validate(directory), absl::OkStatus());
    return store_.Put(Serialise(directory));
  }

  void ReadInto(const Digest& digest, const std::string& prefix, bool with_mtimes, Paths* paths) {
    absl::StatusOr<std::vector<std::string>> bytes = store_.Read({digest});
    ASSERT_EQ(bytes.status(), absl::OkStatus());
    absl::StatusOr<Directory> directory = ParseDirectory(bytes->front());
    ASSERT_EQ(directory.status(), absl::OkStatus());
    for (const FileNode& file : directory->files()) {
      const int64_t mtime = absl::ToUnixSeconds(*MtimeOf(file));
      (*paths)[prefix + file.name()] =
          absl::StrCat(file.is_executable() ? "x:" : "", contents_[DigestOfNode(file)],
                       with_mtimes && mtime != 1 ? absl::StrCat("@", mtime) : "");
    }
    for (const SymlinkNode& link : directory->symlinks()) {
      (*paths)[prefix + link.name()] = absl::StrCat("->", link.target());
    }
    for (const DirectoryNode& child : directory->directories()) {
      const size_t before = paths->size();
      ReadInto(DigestOfNode(child), absl::StrCat(prefix, child.name(), "/"), with_mtimes, paths);
      if (paths->size() == before) (*paths)[prefix + child.name()] = "/";
    }
  }

  std::map<Digest, std::string> contents_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DELTA_FIXTURE_H_
