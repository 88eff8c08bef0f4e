#ifndef RALLY_COMMON_PIPELINE_SECRETS_H_
#define RALLY_COMMON_PIPELINE_SECRETS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_check.h"
#include "common/pipeline/model.h"
#include "common/pipeline/string_renderer.h"

namespace rally::pipeline {

// The [[secrets]] of a pipeline, and which of them its steps ask for. It knows where values are to
// be fetched from, never a value.
//
// Ownership: owns copies. Threads: not thread-safe.
class DeclaredSecrets {
 public:
  // Reads and reports. `vault_suffix` follows the name of a vault that is written without its host.
  DeclaredSecrets(const CheckedTable& top, absl::string_view vault_suffix, StringRenderer* renderer,
                  DiagnosticList* diagnostics);

  // A step asks for a secret. False when it is declared by nobody, as far as one can tell.
  bool Use(absl::string_view env);

  // A step's secretEnvs can't be read in full: from now on nothing counts as unused.
  void UseUnknown() { uses_are_known_ = false; }

  // Warns of what no step asks for; to be called after all steps.
  void WarnOfUnused(DiagnosticList* diagnostics) const;

  // In the order of the file.
  std::vector<Secret> Take() { return std::move(secrets_); }

 private:
  struct Declaration {
    Position position;
    bool used = false;
  };

  void Read(const CheckedTable& keys, Position header, absl::string_view vault_suffix,
            DiagnosticList* diagnostics);
  void Declare(Secret secret, Position position, DiagnosticList* diagnostics);

  std::vector<Secret> secrets_;
  absl::flat_hash_map<std::string, Declaration> declarations_;  // By env.
  bool names_are_known_ = true;  // False when a declaration was refused before its name was known.
  bool uses_are_known_ = true;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_SECRETS_H_
