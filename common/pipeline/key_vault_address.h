#ifndef RALLY_COMMON_PIPELINE_KEY_VAULT_ADDRESS_H_
#define RALLY_COMMON_PIPELINE_KEY_VAULT_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::pipeline {

// What an `akv` names: an Azure Key Vault, or one secret in it.
struct KeyVaultAddress {
  std::string vault;    // "https://HOST", in lower case
  std::string name;     // "" = the vault only
  std::string version;  // "" = the latest
};

// Reads a vault's name, https://HOST or https://HOST/secrets/NAME[/VERSION]. `suffix` follows the
// name of a vault that is written without its host: "vault.azure.net". InvalidArgument says what is
// wrong, without repeating the text.
absl::StatusOr<KeyVaultAddress> ParseKeyVaultAddress(absl::string_view text,
                                                     absl::string_view suffix);

// Whether a secret can have that name: 1 to 127 letters, digits and dashes.
bool IsKeyVaultSecretName(absl::string_view name);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KEY_VAULT_ADDRESS_H_
