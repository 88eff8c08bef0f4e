#include "common/pipeline/secrets.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/pipeline/env_name.h"
#include "common/pipeline/key_vault_address.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

std::string EnvFromName(absl::string_view name) {
  return absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}}));
}

// Key Vault's names hold no "_", and upper case can stay as they don't tell case apart.
std::string NameFromEnv(absl::string_view env) { return absl::StrReplaceAll(env, {{"_", "-"}}); }

}  // namespace

DeclaredSecrets::DeclaredSecrets(const CheckedTable& top, absl::string_view vault_suffix,
                                 StringRenderer* renderer, DiagnosticList* diagnostics)
    : names_are_known_(!top.WasRefused(Key::kSecrets)) {
  for (TomlValue& table : top.Tables(Key::kSecrets)) {
    const CheckedTable keys = CheckKeys(KeyLevel::kSecret, &table, renderer, diagnostics);
    Read(keys, table.position, vault_suffix, diagnostics);
  }
}

void DeclaredSecrets::Read(const CheckedTable& keys, Position header,
                           absl::string_view vault_suffix, DiagnosticList* diagnostics) {
  const TomlValue* akv = keys.Find(Key::kAkv);
  const TomlValue* env = keys.Find(Key::kSecretEnv);
  bool address_is_known = !keys.WasRefused(Key::kAkv);
  KeyVaultAddress address;
  if (akv != nullptr) {
    absl::StatusOr<KeyVaultAddress> parsed = ParseKeyVaultAddress(akv->string(), vault_suffix);
    if (parsed.ok()) {
      address = *std::move(parsed);
    } else {
      address_is_known = false;
      diagnostics->Error(akv->position,
                         absl::StrCat("akv ", Quote(akv->string()),
                                      " is neither a vault name nor an https URL of a "
                                      "vault or a secret: ",
                                      parsed.status().message()));
    }
  }
  if (keys.WasRefused(Key::kSecretEnv) || (env == nullptr && !address_is_known)) {
    names_are_known_ = false;
    return;
  }

  Secret secret;
  Position position = header;
  if (env != nullptr) {
    secret.env = env->string();
    position = env->position;
    if (!IsEnvName(secret.env)) {
      diagnostics->Error(position,
                         absl::StrCat("secretEnv ", Quote(secret.env),
                                      " may hold only letters, digits and \"_\", and must not "
                                      "start with a digit"));
      // A step that asks for it makes no second mistake.
      declarations_.emplace(secret.env, Declaration{position, /*used=*/true});
      return;
    }
  } else {
    secret.env = EnvFromName(address.name);
    if (secret.env.empty()) {
      // It may be meant to be the one that a step asks for.
      names_are_known_ = false;
      diagnostics->Error(header, "[[secrets]] needs a secretEnv");
      return;
    }
    position = akv->position;
    if (!IsEnvName(secret.env)) {
      names_are_known_ = false;
      diagnostics->Error(header, absl::StrCat("[[secrets]] needs a secretEnv: ", Quote(secret.env),
                                              " can't be the name of an environment variable"));
      return;
    }
  }
  secret.vault = std::move(address.vault);
  secret.name = address.name.empty() ? NameFromEnv(secret.env) : std::move(address.name);
  secret.version = std::move(address.version);
  if (!IsKeyVaultSecretName(secret.name)) {
    diagnostics->Error(position, absl::StrCat("secretEnv ", Quote(secret.env),
                                              " is longer than a secret's name can be (127)"));
  }
  Declare(std::move(secret), position, diagnostics);
}

void DeclaredSecrets::Declare(Secret secret, Position position, DiagnosticList* diagnostics) {
  if (!declarations_.emplace(secret.env, Declaration{position}).second) {
    diagnostics->Error(position,
                       absl::StrCat("secretEnv ", Quote(secret.env), " is declared twice"));
    return;
  }
  secrets_.push_back(std::move(secret));
}

bool DeclaredSecrets::Use(absl::string_view env) {
  const auto found = declarations_.find(env);
  if (found == declarations_.end()) return !names_are_known_;
  found->second.used = true;
  return true;
}

void DeclaredSecrets::WarnOfUnused(DiagnosticList* diagnostics) const {
  if (!uses_are_known_) return;
  for (const Secret& secret : secrets_) {
    const Declaration& declaration = declarations_.at(secret.env);
    if (declaration.used) continue;
    diagnostics->Warning(declaration.position,
                         absl::StrCat("secretEnv ", Quote(secret.env),
                                      " is declared but unused: no step names it in secretEnvs"));
  }
}

}  // namespace rally::pipeline
